"""How far ponderd is from what its parts can do at all: a commit from a bare RPUSH with an fsync, a
model call from a bare request of aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import redis.asyncio as redis

from ponderd.workers.llm.client import CallOptions
from ponderd.workers.llm.connect import connect as connect_model
from ponderd.workers.llm.http import encoded
from ponderd.workers.llm.vllm import request
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.contract import Committed, NewMessage, Projection
from ponderd.workers.store.run_ids import new_run_id
from tests.benchmarks.parts import Bench, bench
from tests.benchmarks.report import Figure, Figures, median

ROUNDS = 5
AT_ONCE = 50
EACH = 40
"""Times that each of those does it in a round."""

EVENT = b'{"type":"tool_finished","at":1,"result":"' + b"x" * 400 + b'"}'
MESSAGES = [
    {"role": "system", "content": "You answer. " * 60},
    {"role": "user", "content": "What is to be done? " * 20},
]
SCHEMA = {"type": "object", "properties": {"action": {"const": "reply"}}}


@dataclass(frozen=True)
class Cost:
    """`seconds` of the clock and of this process's CPU, for one."""

    seconds: float
    cpu: float


async def measure() -> Figures:
    async with bench(tool_calls=0) as parts:
        async with redis.Redis.from_url(parts.stack.redis_url) as client:
            await client.config_set("appendfsync", "always")
        push, commit = await _in_turns(_bare_push(parts), await _commits(parts))
        ask, call = await _model(parts)
    return [
        Figure("RPUSH with fsync, 50 at once", 1 / push.seconds, "/s"),
        Figure("commit with fsync, 50 at once", 1 / commit.seconds, "/s"),
        Figure("commits for each RPUSH", push.seconds / commit.seconds, "x"),
        Figure("CPU of an RPUSH", push.cpu * 1e6, "us"),
        Figure("CPU of a commit", commit.cpu * 1e6, "us"),
        Figure("CPU of a bare request of aiohttp", ask.cpu * 1e6, "us"),
        Figure("CPU of a model call", call.cpu * 1e6, "us"),
    ]


Do = Callable[[int], Awaitable[None]]
"""Does it once, for one of those at it."""


async def _in_turns(first: Do, second: Do) -> tuple[Cost, Cost]:
    found: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(ROUNDS + 1):
        for costs, do in zip(found, (first, second), strict=True):
            cost = await _cost(do)
            if number:  # the first warms up
                costs.append(cost)
    one, other = (
        Cost(median([c.seconds for c in costs]), median([c.cpu for c in costs])) for costs in found
    )
    return one, other


async def _cost(do: Do) -> Cost:
    async def one(number: int) -> None:
        for _ in range(EACH):
            await do(number)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, range(AT_ONCE)))
    count = AT_ONCE * EACH
    return Cost((time.perf_counter() - began) / count, (time.process_time() - cpu) / count)


def _bare_push(parts: Bench) -> Do:
    pool = redis.BlockingConnectionPool.from_url(parts.stack.redis_url, max_connections=10)
    client = redis.Redis.from_pool(pool)

    async def push(number: int) -> None:
        await client.rpush(f"bare:{number}", EVENT)

    return push


async def _commits(parts: Bench) -> Do:
    """Runs that are claimed once, and to which an event is appended each time."""
    claims, versions = [], []
    for number in range(AT_ONCE):
        run_id = new_run_id(f"limit-{number}")
        message = NewMessage(
            run_id=run_id,
            conversation_key=f"limit-{number}",
            keys=(f"limit-{number}",),
            agent="steps",
            agent_version="1",
            channel="api",
            conversation=str(number),
            history=(EVENT,),
            received=EVENT,
        )
        await parts.store.admit(message)
        claim = await parts.store.claim(run_id, "bench", 3600)
        assert claim is not None
        claims.append(claim)
        versions.append(claim.tail.version)

    async def commit(number: int) -> None:
        claim = claims[number]
        outcome = await parts.store.commit(
            claim.run_id, claim.token, versions[number], [EVENT], Projection("RUNNING", "")
        )
        assert isinstance(outcome, Committed)
        versions[number] = outcome.version

    return commit


async def _model(parts: Bench) -> tuple[Cost, Cost]:
    url = parts.stack.model_url
    decision, options = ThinkingDecision(mode="none"), CallOptions(margin=True)
    body = encoded(request("nothing", MESSAGES, SCHEMA, decision, 512, options))
    client = connect_model(WorkerSettings(model_url=url, redis_url=parts.stack.redis_url))
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(number: int) -> None:
            async with session.post(f"{url}/chat/completions", data=body) as answer:
                await answer.read()

        async def call(number: int) -> None:
            await client.complete(
                MESSAGES, schema=SCHEMA, decision=decision, max_tokens=512, options=options
            )

        try:
            return await _in_turns(ask, call)
        finally:
            await client.close()
