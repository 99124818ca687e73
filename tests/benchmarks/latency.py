"""How long an idle ponderd takes from a webhook to the first byte of its model request, beside the
time that a bare Celery task takes from being sent to its start."""

from __future__ import annotations

import asyncio
import io
import json
import time

import aiohttp
import redis.asyncio as redis

from ponderd.channels.signature import sign_standard, standard_key
from tests.benchmarks import bare
from tests.benchmarks.parts import Bench, ask_model, bench
from tests.benchmarks.report import Figure, Figures, median, percentile
from tests.services.stack import WEBHOOK_SECRET

ROUNDS = 5
SAMPLES = 50
PAUSE = 0.03


async def measure() -> Figures:
    async with bench() as parts:
        await parts.work()
        await parts.bare_celery()
        parts.stack.start("serve")
        await parts.stack.ready()
        webhooks, accepted, tasks, ratios = [], [], [], []
        await _webhooks(parts, range(10))
        await _tasks(parts)
        for i in range(1, ROUNDS + 1):
            ours, told = await _webhooks(parts, range(i * SAMPLES, (i + 1) * SAMPLES))
            theirs = await _tasks(parts)
            ratios.append(median(ours) / median(theirs))
            webhooks += ours
            accepted += told
            tasks += theirs
    return [
        Figure("webhook to model request, p50", median(webhooks), "ms", "< 15"),
        Figure("webhook to model request, p99", percentile(webhooks, 99), "ms"),
        Figure("webhook to its 202, p50", median(accepted), "ms"),
        Figure("bare Celery, send to start, p50", median(tasks), "ms"),
        Figure("bare Celery, send to start, p99", percentile(tasks, 99), "ms"),
        Figure("ratio of the p50s", median(ratios), "x"),
    ]


async def _webhooks(parts: Bench, marks: range) -> tuple[list[float], list[float]]:
    """Milliseconds to the model request and to the 202, one webhook at a time, each after the
    run before it has ended."""
    sent: dict[int, float] = {}
    accepted: list[float] = []
    done = await parts.completed()
    async with aiohttp.ClientSession(parts.stack.url) as session:
        for i, mark in enumerate(marks, 1):
            body = json.dumps({"text": f"mark-{mark}"}).encode()
            headers = sign_standard(
                standard_key(WEBHOOK_SECRET),
                message_id=f"{time.monotonic_ns()}",
                body=body,
                now=time.time(),
            )
            sent[mark] = time.monotonic()
            async with session.post(
                "/webhooks/default", data=io.BytesIO(body), headers=headers
            ) as response:
                assert response.status == 202, await response.text()
                accepted.append((time.monotonic() - sent[mark]) * 1000)
            await asyncio.sleep(PAUSE)
            while await parts.completed() < done + i:
                await asyncio.sleep(0.01)
    arrived = (await ask_model(parts.stack.model_url, "watched"))["first"]
    return [(arrived[str(mark)] - sent[mark]) * 1000 for mark in marks], accepted


async def _tasks(parts: Bench) -> list[float]:
    taken = []
    async with redis.Redis.from_url(parts.stack.redis_url) as client:
        for _ in range(SAMPLES):
            sent = time.monotonic()
            await asyncio.to_thread(parts.celery.send_task, bare.STAMP)
            start = await client.blpop([bare.STARTS], timeout=5)
            assert start is not None
            taken.append((float(start[1]) - sent) * 1000)
            await asyncio.sleep(PAUSE)
    return taken
