"""The processes under measurement, all on loopback: state server, model endpoint, ponderd's
workers, and those of bare Celery beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from celery import Celery

from ponderd.channels.message import Trigger
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.execution.pokes import Poker
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.benchmarks import bare
from tests.services.eventually import eventually
from tests.services.ports import free_port
from tests.services.stack import Stack
from tests.services.state_server import StateServer

AGENTS = Path(__file__).parent / "agents"

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Bench:
    """`celery` sends tasks to the workers of bare Celery."""

    state: StateServer
    stack: Stack
    store: RedisStore
    celery: Celery

    async def work(self, count: int = 1, first: int = 0) -> list[Process]:
        """Start ponderd's workers and wait until they are ready; they end with the bench. Their
        names are numbered from `first`."""
        names = [f"work-{i}" for i in range(first, first + count)]
        processes = [self.stack.start("work", name) for name in names]
        await self._ready(names)
        return processes

    async def bare_celery(self, count: int = 1, threads: int = 4) -> list[Process]:
        """The same with bare Celery, on the same broker."""
        names = [f"bare-{i}" for i in range(count)]
        for name in names:
            command = (sys.executable, "-m", "celery", "-A", "tests.benchmarks.bare", "worker")
            options = ("-P", "threads", "-c", str(threads), "-n", name, "-Q", bare.QUEUE)
            with (self.stack.data_dir / f"{name}.log").open("ab") as log:
                self.stack.processes[name] = subprocess.Popen(
                    [*command, *options],
                    env={
                        **os.environ,
                        "BARE_BROKER": self.stack.redis_url,
                        "MODEL_URL": self.stack.model_url,
                    },
                    stdout=log,
                    stderr=log,
                )
        await self._ready(names)
        return [self.stack.processes[name] for name in names]

    async def _ready(self, names: Sequence[str]) -> None:
        await eventually(lambda: all("worker ready" in self.stack.log(name) for name in names))

    async def launch(self, agent: str, count: int) -> None:
        """Store `count` runs and poke the workers, as `POST /runs` does."""
        async with self.runs() as runs:
            await asyncio.gather(*(runs.accept(agent, trigger("go")) for _ in range(count)))

    @contextlib.asynccontextmanager
    async def runs(self) -> AsyncIterator[Runs]:
        """The public verbs; the pokes are sent when the block ends."""
        poker = Poker(self.stack.redis_url)
        try:
            yield Runs(RunLog(self.store, poker.poke), discover((AGENTS,)))
        finally:
            await poker.close()

    async def completed(self) -> int:
        return (await self.store.gauges()).runs["COMPLETED"]

    async def model_stats(self) -> dict[str, Any]:
        return await ask_model(self.stack.model_url, "stats")


@contextlib.asynccontextmanager
async def bench(
    *, delay: float = 0, tool_calls: int = 0, model_url: str = "", **settings: str
) -> AsyncIterator[Bench]:
    """Fresh parts; `delay` and `tool_calls` are those of the model endpoint, unless there is one
    at `model_url` already. `settings` are further ones of ponderd's."""
    with contextlib.ExitStack() as parts:
        if not model_url:
            model_url = parts.enter_context(model(delay=delay, tool_calls=tool_calls))
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        state = parts.enter_context(StateServer(folder, more_config="appendfsync everysec\n"))
        fixed = {"PONDERD_AGENTS_DIR": str(AGENTS), "PONDERD_LEASE_SECONDS": "15"}
        stack = Stack(state.url, model_url, folder, fixed | settings)
        store = RedisStore(connect(state.url))
        celery = bare.create_app(state.url)
        try:
            yield Bench(state, stack, store, celery)
        finally:
            celery.close()
            await store.close()
            for name, process in reversed(list(stack.processes.items())):
                try:
                    await stack.stop(name)
                except subprocess.TimeoutExpired:  # the figures must not go for that
                    print(f"{name} does not end by itself", file=sys.stderr)
                    process.kill()
                    process.wait()


@contextlib.contextmanager
def model(*, delay: float = 0, tool_calls: int = 0, size: int = 0) -> Iterator[str]:
    """The URL of a model endpoint of one's own."""
    port = free_port()
    options = {"port": port, "delay": delay, "tool-calls": tool_calls, "size": size}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.model", *arguments])
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


async def ask_model(url: str, what: str) -> dict[str, Any]:
    """`stats` or `watched` of a model endpoint."""
    address = f"{url.removesuffix('/v1')}/{what}"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return dict(await answer.json())


def trigger(text: str) -> Trigger:
    """A message in a conversation of its own."""
    conversation = f"{time.monotonic_ns()}-{secrets.token_hex(4)}"
    return Trigger(channel="api", conversation=conversation, text=text, sender="bench")


@contextlib.contextmanager
def held(processes: Sequence[Process]) -> Iterator[None]:
    """Stop `processes` in their tracks while work is laid out for them, so that laying it out
    takes no time from doing it."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def cpu_seconds(processes: Sequence[Process]) -> float:
    """CPU time so far; unlike wall time it hardly depends on what else the machine does."""
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(time.user + time.system for time in times)
