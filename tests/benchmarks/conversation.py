"""What a message costs in one conversation that has 50 to 2,000 messages already, and what becomes
of 1,000 messages that are sent into one conversation at once.

The messages before are made up: copies of the events of a real one, put into the log.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import time
from collections import Counter

import aiohttp
import redis.asyncio as redis

from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import prefixes
from tests.benchmarks.parts import Bench, Process, bench, cpu_seconds
from tests.benchmarks.report import Figure, Figures
from tests.services.stack import API_TOKEN

LENGTHS = (50, 200, 500, 1_000, 2_000)
MESSAGES = 20
FLOOD, AT_ONCE = 1_000, 50
WARM = 3
"""Messages before the measured ones: the first one after the made-up ones reads them all."""


async def measure() -> Figures:
    async with bench(tool_calls=1) as parts:
        processes = [*await parts.work(), parts.stack.start("serve")]
        await parts.stack.ready()
        headers = {"authorization": f"Bearer {API_TOKEN}", "content-type": "application/json"}
        async with aiohttp.ClientSession(parts.stack.url, headers=headers) as session:
            found, costs = Figures(), list[float]()
            for length in LENGTHS:
                run_id = await _converse(parts, session, f"c-{length}", WARM)
                await _make_up(parts, run_id, length - WARM)
                await _converse(parts, session, f"c-{length}", WARM)
                began = cpu_seconds(processes)
                await _converse(parts, session, f"c-{length}", MESSAGES)
                costs.append((cpu_seconds(processes) - began) / MESSAGES * 1000)
                found.append(Figure(f"CPU of a message after {length}", costs[-1], "ms"))
            found.append(
                Figure(f"{LENGTHS[-1]} : {LENGTHS[0]}", costs[-1] / costs[0], "x", "< 1.2")
            )
            exponent = math.log(costs[-1] / costs[0]) / math.log(LENGTHS[-1] / LENGTHS[0])
            found.append(Figure("exponent", exponent, ""))
            return [*found, *await _flood(parts, session, processes)]


async def _converse(
    parts: Bench, session: aiohttp.ClientSession, conversation: str, messages: int
) -> str:
    """One message after the other, each when the one before was answered."""
    run_id = ""
    for _ in range(messages):
        view = await _write(session, conversation)
        run_id, seen = view["id"], view["version"]
        while True:
            head = await parts.store.head(run_id)
            if head and head.status == "COMPLETED" and head.version >= seen:
                break
            await asyncio.sleep(0.01)
    return run_id


async def _write(session: aiohttp.ClientSession, conversation: str) -> dict[str, object]:
    body = {"agent": "steps", "text": f"mark-{time.monotonic_ns()}", "conversation": conversation}
    async with session.post("/runs", data=io.BytesIO(json.dumps(body).encode())) as response:
        assert response.status == 201, f"{response.status} {await response.text()}"
        return dict(await response.json())


async def _make_up(parts: Bench, run_id: str, messages: int) -> None:
    """Put the events of the newest message into the log so many times more."""
    log = list(await parts.store.load(run_id))
    first = max(n for n, event in enumerate(log) if b'"type":"message_received"' in event)
    prefix = prefixes("ponderd")[shard_of(run_id)]
    async with redis.Redis.from_url(parts.stack.redis_url) as client:
        for number in range(messages):
            copies = [event.replace(b"mark-", b"mark-%d0" % number) for event in log[first:]]
            length = await client.rpush(f"{prefix}:log:{run_id}", *copies)
        await client.hset(f"{prefix}:run:{run_id}", "version", str(length))


async def _flood(parts: Bench, session: aiohttp.ClientSession, processes: list[Process]) -> Figures:
    statuses = Counter[int]()
    turn = asyncio.Semaphore(AT_ONCE)

    async def write(number: int) -> str:
        body = {"agent": "steps", "text": f"mark-{number}", "conversation": "flood"}
        async with (
            turn,
            session.post("/runs", data=io.BytesIO(json.dumps(body).encode())) as answer,
        ):
            statuses[answer.status] += 1
            return str((await answer.json()).get("id", ""))

    cpu, began = cpu_seconds(processes), time.monotonic()
    [run_id, *_] = await asyncio.gather(*(write(number) for number in range(FLOOD)))
    taken = time.monotonic() - began
    while True:
        head = await parts.store.head(run_id)
        async with session.get(f"/runs/{run_id}") as response:
            view = await response.json()
        if head and head.status == "COMPLETED" and not view["inbox"]["waiting"]:
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3)  # those who were turned away are told now
    spent = (cpu_seconds(processes) - cpu) / FLOOD * 1000
    events = [json.loads(event) for event in await parts.store.load(run_id)]
    kinds = Counter(event["kind"] for event in events if event["type"] == "reply_started")
    return [
        Figure(f"{FLOOD:,} messages at once, taken in", taken, "s", "< 10"),
        Figure("of these accepted", statuses[201], ""),
        Figure("answered", kinds["answer"], ""),
        Figure("turned away", view["inbox"]["not_taken"], ""),
        Figure("words about that", kinds["notice"], ""),
        Figure("CPU of each of them", spent, "ms"),
    ]
