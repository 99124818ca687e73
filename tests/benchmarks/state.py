"""What the state store does in a second, beside a bare RPUSH, and the memory that a run of twenty
events takes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import redis.asyncio as redis

from ponderd.workers.store.contract import Committed, NewMessage, Projection, conversation_key
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from tests.benchmarks.parts import bench
from tests.benchmarks.report import Figure, Figures, median

ROUNDS = 3
RUNS = 500
EVENTS = 20
EVENT = b"x" * 1_000
READY = Projection("READY")

Call = Callable[[int], Awaitable[None]]


async def measure() -> Figures:
    async with bench() as parts, connect(parts.stack.redis_url) as client:
        before = (await client.info("memory"))["used_memory"]
        await _fill(parts.store, 50)
        after = (await client.info("memory"))["used_memory"]
        size = (after - before) / RUNS / 1_000
        figures = [Figure("a run of 20 events of 1 kB", size, "kB")]
        for callers in (1, 50):
            rounds = [await _round(parts.store, client, callers) for _ in range(ROUNDS)]
            names = ("admit", "claim", "commit", "bare RPUSH")
            rates = zip(*rounds, strict=True)
            for name, rate in zip(names, map(median, rates), strict=True):
                figures.append(Figure(f"{name}, {callers} at a time", rate, "/s"))
            ratio = median([commit / push for _, _, commit, push in rounds])
            figures.append(Figure(f"commits per RPUSH, {callers} at a time", ratio, "x"))
    return figures


async def _round(store: RedisStore, client: redis.Redis, callers: int) -> tuple[float, ...]:
    """Admissions, claims, commits and bare pushes per second."""

    async def push(number: int) -> None:
        await client.rpush(f"bare:{number % RUNS}", EVENT)

    rates = await _fill(store, callers)
    return *rates, await _rate(push, RUNS * (EVENTS - 2), callers)


async def _fill(store: RedisStore, callers: int) -> tuple[float, ...]:
    """Admit, claim and commit to each of `RUNS` runs; what is admitted has two events."""
    ids: list[str] = []
    tokens: dict[str, int] = {}
    versions: dict[str, int] = {}

    async def admit(number: int) -> None:
        admission = await store.admit(_message(f"{time.monotonic_ns()}-{number}"))
        ids.append(admission.run_id)

    async def claim(number: int) -> None:
        claim = await store.claim(ids[number], "bench", 60)
        assert claim is not None
        tokens[claim.run_id] = claim.token
        versions[claim.run_id] = claim.tail.version

    async def commit(number: int) -> None:
        run_id = ids[number % RUNS]
        outcome = await store.commit(run_id, tokens[run_id], versions[run_id], [EVENT], READY)
        assert isinstance(outcome, Committed)
        versions[run_id] = outcome.version

    return (
        await _rate(admit, RUNS, callers),
        await _rate(claim, RUNS, callers),
        await _rate(commit, RUNS * (EVENTS - 2), callers),
    )


async def _rate(call: Call, count: int, callers: int) -> float:
    """Calls per second, `callers` at a time."""
    numbers = itertools.count()

    async def caller() -> None:
        while (number := next(numbers)) < count:
            await call(number)

    started = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return count / (time.monotonic() - started)


def _message(conversation: str) -> NewMessage:
    key = conversation_key("steps", "api", "", conversation)
    return NewMessage(
        run_id=new_run_id(key),
        conversation_key=key,
        keys=(f"api:{conversation}",),
        agent="steps",
        agent_version="1",
        channel="api",
        conversation=conversation,
        history=(EVENT,),
        received=EVENT,
    )
