"""What the state store does in a second, and the memory that a run of twenty events takes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import redis.asyncio as redis

from tests.benchmarks.parts import bench
from tests.benchmarks.report import Figure, Figures
from workers.redis_store import RedisStore
from workers.store import Committed, NewMessage, Projection, conversation_key, new_run_id

RUNS = 500
EVENT = b"x" * 1_000
COMMITS = 18
READY = Projection("READY")


async def measure() -> Figures:
    async with bench() as parts:
        figures = [
            figure
            for callers in (1, 50)
            for figure in await _verbs(parts.store, callers)
        ]
        async with redis.Redis.from_url(parts.stack.redis_url) as client:
            before = (await client.info("memory"))["used_memory"]
            await _verbs(parts.store, 50)
            after = (await client.info("memory"))["used_memory"]
    size = Figure("a run of 20 events of 1,000 bytes", (after - before) / RUNS / 1000, "kB")
    return [*figures, size]


async def _verbs(store: RedisStore, callers: int) -> Figures:
    """Admit, claim and commit each of `RUNS` runs, with as many at a time as there are callers."""
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
        versions[claim.run_id] = len(claim.log)

    async def commit(number: int) -> None:
        run_id = ids[number % RUNS]
        outcome = await store.commit(
            run_id, tokens[run_id], versions[run_id], [EVENT], READY
        )
        assert isinstance(outcome, Committed)
        versions[run_id] = outcome.version

    return [
        Figure(f"{verb.__name__}, {callers} at a time", await _rate(verb, count, callers), "/s")
        for verb, count in ((admit, RUNS), (claim, RUNS), (commit, RUNS * COMMITS))
    ]


async def _rate(verb: Callable[[int], Awaitable[None]], count: int, callers: int) -> float:
    numbers = itertools.count()

    async def call() -> None:
        while (number := next(numbers)) < count:
            await verb(number)

    started = time.monotonic()
    await asyncio.gather(*(call() for _ in range(callers)))
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
        launched=EVENT,
        received=EVENT,
    )
