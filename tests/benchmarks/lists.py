"""What a list costs while more and more runs are stored, what it costs those who send meanwhile,
and what 5,000 open approvals cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import time
from collections.abc import AsyncIterator, Iterable

import aiohttp

from ponderd.workers.store.contract import NewMessage, Projection, conversation_key
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from tests.benchmarks.parts import Bench, bench
from tests.benchmarks.report import Figure, Figures, percentile
from tests.services.stack import API_TOKEN

SIZES = (1_000, 10_000, 100_000, 200_000)
RARE = 10
"""Runs of each rare kind, the oldest of all."""
APPROVALS = 5_000
SAMPLES = 30
BESIDE = 4
"""Queries that go on while messages are sent."""

QUERIES = {
    "all": "/runs",
    "a rare agent": "/runs?agent=rare",
    "a rare channel": "/runs?channel=sms",
    "a rare person": "/runs?person=sms:zoe",
    "a rare reason to wait": "/runs?waiting_for=event",
    "FAILED of the common agent, none": "/runs?agent=common&status=FAILED",
    "COMPLETED by a rare person": "/runs?person=sms:zoe&status=COMPLETED",
}
COMMON, FAILS = ("common", "api", "bob", "COMPLETED", ""), ("fails", "api", "bob", "FAILED", "")
"""Agent, channel, sender, status and reason to wait of most runs."""
KINDS = (
    ("rare", "api", "ann", "COMPLETED", ""),
    ("common", "sms", "zoe", "COMPLETED", ""),
    ("common", "api", "bob", "WAITING", "event"),
)

MANY = 50_000
"""Runs of `AGENTS` agents, each on all of `CHANNELS`."""
AGENTS, CHANNELS = 200, ("api", "slack", "email", "sms", "webhook")
OF_MANY = {
    "by agent": "/runs?agent=agent-7",
    "by channel": "/runs?channel=sms",
    "WAITING": "/runs?status=WAITING",
    "READY": "/runs?status=READY",
    "counted by status": "/metrics",
}
STATES = (*(("COMPLETED", ""),) * 14, ("FAILED", ""), ("FAILED", ""), ("READY", ""))
STATES += (("WAITING", "answer"), ("WAITING", "approval"), ("PAUSED", ""))

Kind = tuple[str, str, str, str, str]


async def measure() -> Figures:
    figures: Figures = []
    async with bench() as parts, connect(parts.stack.redis_url) as client, _api(parts) as api:
        await _store(parts.store, (kind for kind in KINDS for _ in range(RARE)))
        stored, took = RARE * len(KINDS), dict[str, list[float]]()
        for size in SIZES:
            await _store(
                parts.store,
                itertools.islice(itertools.cycle((COMMON, COMMON, FAILS)), size - stored),
            )
            stored = size
            for name, path in QUERIES.items():
                took.setdefault(name, []).append(percentile(await _timed(api, path), 50))
        for name, times in took.items():
            figures += [
                Figure(f"{name}, {size:,} stored, p50", ms, "ms", "50")
                for size, ms in zip(SIZES, times, strict=True)
            ]
            slope = math.log(times[-1] / times[0]) / math.log(SIZES[-1] / SIZES[0])
            figures.append(Figure(f"{name}, exponent", slope, ""))
        figures += await _sending(api)
        memory = (await client.info("memory"))["used_memory"]
        figures.append(Figure("kept for a run of two small events", memory / stored, "B"))
        await _store(parts.store, [("common", "api", "ann", "WAITING", "approval")] * APPROVALS)
        times = await _timed(api, "/approvals")
        figures.append(
            Figure(f"{APPROVALS:,} open approvals, p50", percentile(times, 50), "ms", "100")
        )
    return [*figures, *await _of_many()]


async def _of_many() -> Figures:
    """Lists that are merged of those of many agents."""
    async with bench() as parts, _api(parts) as api:
        mixed = random.Random(1)
        await _store(
            parts.store,
            (
                (f"agent-{number % AGENTS}", mixed.choice(CHANNELS), "ann", *mixed.choice(STATES))
                for number in range(MANY)
            ),
        )
        of = f"{MANY:,} runs, {AGENTS} agents, {len(CHANNELS)} channels"
        return [
            Figure(f"{of}: {name}, p50", percentile(await _timed(api, path), 50), "ms")
            for name, path in OF_MANY.items()
        ]


@contextlib.asynccontextmanager
async def _api(parts: Bench) -> AsyncIterator[aiohttp.ClientSession]:
    parts.stack.start("serve")
    await parts.stack.ready("/healthz")
    headers = {"authorization": f"Bearer {API_TOKEN}"}
    async with aiohttp.ClientSession(parts.stack.url, headers=headers) as session:
        yield session


async def _timed(api: aiohttp.ClientSession, path: str) -> list[float]:
    """Milliseconds of each request."""
    times = []
    for _ in range(SAMPLES):
        began = time.monotonic()
        async with api.get(path) as response:
            assert response.status == 200, await response.text()
            await response.read()
        times.append((time.monotonic() - began) * 1000)
    return times


async def _sending(api: aiohttp.ClientSession) -> Figures:
    """What `POST /runs` takes alone, and beside queries that go on."""

    async def ask(path: str) -> None:
        while True:
            async with api.get(path) as response:
                await response.read()

    figures = [Figure("POST /runs alone, p50", percentile(await _posted(api), 50), "ms")]
    for name in ("a rare agent", "FAILED of the common agent, none"):
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(QUERIES[name])) for _ in range(BESIDE)]
            times = await _posted(api)
            for one in asking:
                one.cancel()
        figures += [
            Figure(f"POST /runs beside {BESIDE} of: {name}, p{p}", percentile(times, p), "ms")
            for p in (50, 99)
        ]
    return figures


async def _posted(api: aiohttp.ClientSession) -> list[float]:
    times = []
    for _ in range(SAMPLES * 3):
        began = time.monotonic()
        async with api.post("/runs", json={"agent": "steps", "text": "go"}) as response:
            assert response.status == 201, await response.text()
        times.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(0.01)
    return times


async def _store(store: RedisStore, kinds: Iterable[Kind], at_once: int = 200) -> None:
    """Store runs by the store's own scripts."""
    left, number = iter(kinds), itertools.count()

    async def caller() -> None:
        for kind in left:
            await _store_one(store, kind, f"{time.monotonic_ns()}-{next(number)}")

    async with asyncio.TaskGroup() as callers:
        for _ in range(at_once):
            callers.create_task(caller())


async def _store_one(store: RedisStore, kind: Kind, conversation: str) -> None:
    agent, channel, sender, status, waiting_for = kind
    key = conversation_key(agent, channel, "", conversation)
    run_id = new_run_id(key)
    message = NewMessage(
        run_id=run_id,
        conversation_key=key,
        keys=(f"{channel}:{conversation}",),
        agent=agent,
        agent_version="1",
        channel=channel,
        conversation=conversation,
        history=(b"{}",),
        received=b"{}",
        people=(f"{channel}:{sender}",),
    )
    await store.admit(message)
    asks = _asks(run_id, agent, sender) if waiting_for == "approval" else b""
    projection = Projection(status, waiting_for, time.time(), asks)
    await store.signal(run_id, 2, b"{}", projection)


def _asks(run_id: str, agent: str, sender: str) -> bytes:
    shown = {
        "id": f"{run_id}:2",
        "run_id": run_id,
        "agent": agent,
        "subject": "tool",
        "tool": "launch",
        "arguments": {"to": "the moon", "when": "now", "why": "because somebody asked for it"},
        "digest": "0" * 32,
        "text": "May I run launch(to='the moon', when='now')? Please answer yes or no.",
        "status": "open",
        "sender": sender,
        "asked_for": "Please launch the rocket to the moon as soon as you can. " * 5,
        "asked_at": time.time(),
    }
    return json.dumps(shown).encode()
