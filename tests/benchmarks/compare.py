"""How systems are measured side by side: one runs at a time, while the others are stopped."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.parts import ask_model, held
from tests.benchmarks.systems import Peers, System, new_marks

MIB = 2**20
SIZE = 1_000
"""Characters in each answer of the model and each result of a tool."""


@dataclass(frozen=True)
class Plan:
    """`quick`: a tenth of everything, to see that it works. `peers` is None, and `missing` says
    why, where PostgreSQL or the peers cannot be had. `before`: a checkout of an earlier commit to
    measure, too. `stage` tells people what is going on."""

    quick: bool = False
    peers: Peers | None = None
    missing: str = ""
    before: Path | None = None
    stage: Callable[[str], None] = lambda _: None


@contextlib.asynccontextmanager
async def all_of(
    starts: Iterable[AbstractAsyncContextManager[System]],
) -> AsyncIterator[list[System]]:
    """Start systems; each is stopped in its tracks unless `alone`."""
    async with AsyncExitStack() as stack:
        systems: list[System] = []
        for start in starts:
            systems.append(await stack.enter_async_context(start))
            stack.enter_context(held(systems[-1].workers))
        yield systems


@contextlib.contextmanager
def alone(system: System) -> Iterator[None]:
    for process in system.workers:
        process.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        for process in system.workers:
            process.send_signal(signal.SIGSTOP)


@dataclass
class Spent:
    """`seconds` of the clock; `worker_cpu` and `store_cpu` of processors."""

    seconds: float = 0
    worker_cpu: float = 0
    store_cpu: float = 0


@contextlib.contextmanager
def spent(system: System) -> Iterator[Spent]:
    counted = Spent()
    workers, store = _cpu(_workers(system)), _cpu(system.store())
    began = time.monotonic()
    yield counted
    counted.seconds = time.monotonic() - began
    counted.worker_cpu = _since(workers, _cpu(_workers(system)))
    counted.store_cpu = _since(store, _cpu(system.store()))


async def timed(
    system: System, model_url: str, runs: int, tool_calls: int, every: float = 0.02
) -> Spent:
    """What `runs` runs took, laid out beforehand where the system has a queue; looked at `every`
    so many seconds."""
    goal = await system.completed() + runs
    replies = await replied(model_url) + runs
    if system.queued:
        with held(system.workers):
            await system.launch(new_marks(runs), tool_calls)
    with spent(system) as counted:
        if not system.queued:
            await system.launch(new_marks(runs), tool_calls)
        # Asking the model endpoint costs the system under measurement nothing.
        await reached(replies, lambda: replied(model_url), every=every)
        await reached(goal, system.completed, every=every / 4)
    return counted


async def reached(
    goal: int, count: Callable[[], Awaitable[int]], *, every: float = 0.02, patience: float = 120
) -> None:
    """Wait until `count` is `goal`. Raises TimeoutError after `patience` seconds without change."""
    before, changed = -1, time.monotonic()
    while (now := await count()) < goal:
        if now != before:
            before, changed = now, time.monotonic()
        elif time.monotonic() > changed + patience:
            raise TimeoutError(f"{now} of {goal}, and nothing goes on")
        await asyncio.sleep(every)


async def replied(model_url: str) -> int:
    """Runs that the model has given their last answer."""
    return int((await ask_model(model_url, "stats"))["replies"])


@dataclass
class Waits:
    """Milliseconds from each trigger to the first byte of its first model request, and of what
    each step costs between two model calls."""

    first: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


async def arrivals(
    system: System, model_url: str, rate: float, seconds: float, tool_calls: int
) -> Waits:
    """Triggers at random moments, `rate` a second on average, whatever becomes of those before."""
    await ask_model(model_url, "watched")
    chance = random.Random(1)
    goal = await system.completed()
    sent: dict[int, float] = {}
    launches = []
    begin = due = time.monotonic()
    while (due := due + chance.expovariate(rate)) < begin + seconds:
        await asyncio.sleep(max(0, due - time.monotonic()))
        [mark] = new_marks(1)
        sent[mark] = time.monotonic()
        launches.append(asyncio.create_task(system.launch([mark], tool_calls)))
    await asyncio.gather(*launches)
    await reached(goal + len(sent), system.completed)
    watched = await ask_model(model_url, "watched")
    first = {int(mark): at for mark, at in watched["first"].items()}
    return Waits(
        [(first[mark] - at) * 1000 for mark, at in sent.items()],
        [gap * 1000 / 2 for gap in watched["gaps"]],  # one model call and one tool call
    )


def resident(processes: Sequence[psutil.Process]) -> float:
    """MiB of memory, what is shared counted once (PSS)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / MIB


def worker_memory(system: System) -> float:
    return resident(_workers(system))


def _workers(system: System) -> list[psutil.Process]:
    return [psutil.Process(worker.pid) for worker in system.workers]


def _cpu(processes: Sequence[psutil.Process]) -> dict[int, float]:
    """Seconds by process; PostgreSQL's come and go."""
    found = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def _since(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())
