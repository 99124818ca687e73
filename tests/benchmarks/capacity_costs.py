"""What single things cost the state server, workers and daemon, measured with real parts: the
server counts its CPU, commands and bytes itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import redis.asyncio as redis

from ponderd.workers.execution.fleet import FLEET
from ponderd.workers.execution.sweeping import Sweeper
from ponderd.workers.store.archive import FolderArchive, archive_finished
from tests.benchmarks.capacity_model import Cost
from tests.benchmarks.compare import reached, replied
from tests.benchmarks.copies import copy_in_redis
from tests.benchmarks.idle import connections, waiting_runs
from tests.benchmarks.parts import Bench, Process, cpu_seconds, trigger
from tests.benchmarks.systems import new_marks
from tests.services.stack import API_TOKEN

AT_ONCE = 32
ENTRIES, LISTENERS, NOTES = 1_000, 100, 2_000


@dataclass(frozen=True)
class Runs:
    """What each of some runs took."""

    cost: Cost
    worker_connections: int
    daemon_connections: int


class Meter:
    """Reads what the server and the processes of `parts` have used."""

    def __init__(self, parts: Bench) -> None:
        self.parts = parts
        self.client = redis.Redis.from_url(parts.state.url)

    async def used(self) -> Cost:
        info: dict[str, Any] = await self.client.info("everything")
        calls = {name: info.get(f"cmdstat_{name}", {}).get("calls", 0) for name in _CALLS}
        processes = self.parts.stack.processes
        workers = [process for name, process in processes.items() if name != "serve"]
        return Cost(
            cpu=info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"],
            commands=info["total_commands_processed"],
            scripts=calls["evalsha"],
            received=info["total_net_input_bytes"],
            sent=info["total_net_output_bytes"],
            written=info["aof_current_size"],
            notes=calls["xadd"],
            worker=cpu_seconds(workers),
            daemon=cpu_seconds([processes["serve"]]) if "serve" in processes else 0,
        )

    async def memory(self) -> float:
        return float((await self.client.info("memory"))["used_memory"])

    async def a_second(self, seconds: float) -> Cost:
        """What a second takes of all that goes on by itself."""
        own = await self._own()
        before, began = await self.used(), time.monotonic()
        await asyncio.sleep(seconds)
        return (await self.used() - before - own) * (1 / (time.monotonic() - began))

    async def of(self, count: int, work: Callable[[], Awaitable[object]], rest: Cost) -> Cost:
        """What each of `count` things takes that `work` does, without what goes on by itself
        (`rest`, a second of it)."""
        own = await self._own()
        before, began = await self.used(), time.monotonic()
        await work()
        took = await self.used() - before - own - rest * (time.monotonic() - began)
        return took * (1 / count)

    async def _own(self) -> Cost:
        """What one look at the server takes of it."""
        before = await self.used()
        return await self.used() - before

    async def close(self) -> None:
        await self.client.aclose()


_CALLS = ("evalsha", "xadd")


async def prepare(meter: Meter) -> None:
    """The file grows by what is written and by nothing else."""
    await meter.client.config_set("auto-aof-rewrite-percentage", 0)


async def runs(meter: Meter, count: int, steps: int, rest: Cost) -> Runs:
    """Runs that come in over HTTP, `AT_ONCE` at a time, until all have ended."""
    stack, peaks = meter.parts.stack, {"serve": 0, "work-0": 0}

    async def look() -> None:
        while True:
            for name in peaks:
                peaks[name] = max(peaks[name], connections(meter.parts, name))
            await asyncio.sleep(0.2)

    async def work() -> None:
        looks = asyncio.create_task(look())
        goal = await replied(stack.model_url) + count
        await send(meter.parts, count, steps)
        await reached(goal, lambda: replied(stack.model_url))
        await asyncio.sleep(2)  # what was noted is written
        looks.cancel()

    cost = await meter.of(count, work, rest)
    return Runs(cost, peaks["work-0"], peaks["serve"])


async def send(parts: Bench, count: int, steps: int) -> str:
    """Messages that begin runs of an odd number of `steps`. Returns the id of one."""
    turn = asyncio.Semaphore(AT_ONCE)
    headers = {"authorization": f"Bearer {API_TOKEN}"}
    async with aiohttp.ClientSession(parts.stack.url, headers=headers) as session:

        async def one(mark: int) -> str:
            body = {"agent": "work", "text": f"mark-{mark} calls-{steps // 2}"}
            async with turn, session.post("/runs", json=body) as response:
                assert response.status == 201, await response.text()
                return str((await response.json())["id"])

        return (await asyncio.gather(*map(one, new_marks(count))))[0]


async def look(meter: Meter, rest: Cost, count: int = 50) -> Cost:
    """A look at all shards, each of which was written to since the last one."""
    sweeper = Sweeper(meter.parts.store, 15)
    clocks = [f"{{ponderd:{shard:02x}}}:clock" for shard in range(16)]

    async def work() -> None:
        for _ in range(count):
            await sweeper.sweep(0)
            await meter.client.delete(*clocks)

    return await meter.of(count, work, rest)


async def entry(meter: Meter, rest: Cost, count: int = 100) -> Cost:
    """What one worker told of its agents, read by another: from a box of many."""
    store = meter.parts.store
    own = (await store.box(FLEET)).values()
    told = next(iter(own))
    others = [f"host-{i}:12345:abcdef" for i in range(ENTRIES)]
    await asyncio.gather(*(store.put(FLEET, one, told) for one in others))

    async def work() -> None:
        for _ in range(count):
            await store.box(FLEET)

    try:
        return await meter.of(count * ENTRIES, work, rest)
    finally:
        await asyncio.gather(*(store.drop(FLEET, one) for one in others))


async def word(meter: Meter, rest: Cost, count: int = 200) -> Cost:
    """A word that one worker hears, of many that hear it."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(LISTENERS):
            client = await stack.enter_async_context(redis.Redis.from_url(meter.parts.state.url))
            listener = await stack.enter_async_context(client.pubsub())
            await listener.subscribe("measured")

        async def work() -> None:
            for _ in range(count):
                await meter.client.publish("measured", "looked nothing host-1:12345:abcdef")

        return await meter.of(count * LISTENERS, work, rest)


async def note(meter: Meter, rest: Cost, count: int = 20) -> Cost:
    """An entry of a ledger, read by one worker."""
    store = meter.parts.store
    there = len(await store.notes("work", "", NOTES))

    async def work() -> None:
        for _ in range(count):
            await store.notes("work", "", NOTES)

    return await meter.of(count * there, work, rest)


async def renewal(meter: Meter, rest: Cost, count: int = 40) -> Cost:
    """A lease that is renewed, with others of the same worker."""
    store, held = meter.parts.store, []
    async with meter.parts.runs() as verbs:
        for mark in new_marks(50):
            accepted = await verbs.accept("work", trigger(f"mark-{mark} calls-0"))
            if claim := await store.claim(accepted.run_id, "bench", 10):
                held.append((claim.run_id, claim.token))

        async def work() -> None:
            for _ in range(count):
                await store.renew(held, 5)

        return await meter.of(count * len(held), work, rest)


async def lay(meter: Meter, run_id: str, count: int) -> float:
    """Lay `count` copies of a run; bytes of memory of each."""
    before = await meter.memory()
    await copy_in_redis(meter.client, f'"run_id":"{run_id}"', count)
    return (await meter.memory() - before) / count


async def lay_waiting(meter: Meter, count: int) -> float:
    """As `lay`, with runs that wait for a person's yes."""
    [run_id] = await waiting_runs(meter.parts, 1)
    return await lay(meter, run_id, count)


async def rewrite(meter: Meter, memory: float) -> float:
    """Bytes of memory that a rewrite of the file gets through in a second, of so many."""
    began = time.monotonic()
    await rewritten(meter)
    return memory / (time.monotonic() - began)


async def finished(meter: Meter, steps: int) -> str:
    """A run of so many steps that has ended."""
    url = meter.parts.stack.model_url
    goal = await replied(url) + 1
    run_id = await send(meter.parts, 1, steps)
    await reached(goal, lambda: replied(url))
    await asyncio.sleep(1)
    return run_id


async def rewritten(meter: Meter) -> None:
    await meter.client.bgrewriteaof()
    while (await meter.client.info("persistence"))["aof_rewrite_in_progress"]:
        await asyncio.sleep(0.05)


async def touched(meter: Meter, count: int) -> float:
    """Bytes that the server copies for each script while it rewrites its file."""
    await rewritten(meter)
    quiet = await _copied(meter)
    busy = asyncio.create_task(send(meter.parts, count, 1))
    await asyncio.sleep(0.2)
    before = (await meter.used()).scripts
    await rewritten(meter)
    scripts = (await meter.used()).scripts - before
    await busy
    return max(0.0, await _copied(meter) - quiet) / max(1, scripts)


async def _copied(meter: Meter) -> float:
    return float((await meter.client.info("persistence"))["aof_last_cow_size"])


async def key_bytes(meter: Meter, count: int = 10_000) -> float:
    """Memory of a key by which a repeat of a message is known."""
    names = [f"{{ponderd:00}}:trigger:slack:T012345/C0123456/{i:017}" for i in range(count)]
    before = await meter.memory()
    pipe = meter.client.pipeline(transaction=False)
    for name in names:
        pipe.set(name, "00-t6abcdef-0123456789ab", px=600_000)
    await pipe.execute()
    each = (await meter.memory() - before) / count
    await meter.client.delete(*names)
    return each


async def archived(meter: Meter, count: int) -> float:
    """How many runs one worker moves to the archive in a second, of `count` that were laid."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        moved = await archive_finished(
            meter.parts.store,
            FolderArchive(Path(folder)),
            keep=0,
            now=time.time() + 1,
            limit=count,
        )
    return moved / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def runtimes(parts: Bench, count: int) -> AsyncIterator[Process]:
    """As many workers in one process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.runtimes", "--count", str(count)],
        env={**os.environ, **parts.stack.settings},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        yield process
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


@contextlib.asynccontextmanager
async def metered(parts: Bench) -> AsyncIterator[Meter]:
    meter = Meter(parts)
    try:
        await prepare(meter)
        yield meter
    finally:
        await meter.close()
