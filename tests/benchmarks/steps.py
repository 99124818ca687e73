"""How many steps a second, at a model that takes no time, beside bare Celery's no-op tasks.

A step is one model call or one tool call: each run makes five of the one and four of the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import redis.asyncio as redis

from tests.benchmarks import bare
from tests.benchmarks.parts import Bench, Process, bench, cpu_seconds, held
from tests.benchmarks.report import Figure, Figures, median

ROUNDS = 5
TOOL_CALLS = 4
STEPS_PER_RUN = 2 * TOOL_CALLS + 1
RUNS = 250
TASKS = 2_500


async def measure() -> Figures:
    return [*await _measure(1), *await _measure(2)]


async def _measure(workers: int) -> Figures:
    async with bench(tool_calls=TOOL_CALLS) as parts:
        ours = await parts.work(workers)
        theirs = await parts.bare_celery(workers)
        await _runs(parts, ours)
        await _tasks(parts, theirs)
        began = cpu_seconds(ours), cpu_seconds(theirs)
        rounds = [
            (STEPS_PER_RUN * RUNS / await _runs(parts, ours), TASKS / await _tasks(parts, theirs))
            for _ in range(ROUNDS)
        ]
        step_cpu = (cpu_seconds(ours) - began[0]) / (ROUNDS * RUNS * STEPS_PER_RUN)
        task_cpu = (cpu_seconds(theirs) - began[1]) / (ROUNDS * TASKS)
    steps, tasks = (median(column) for column in zip(*rounds, strict=True))
    ratio = median([ours / theirs for ours, theirs in rounds])
    name = f"{workers} worker{'s' if workers > 1 else ''}"
    return [
        Figure(f"{name}: ponderd", steps, "steps/s"),
        Figure(f"{name}: ponderd, model calls alone", steps * 5 / 9, "calls/s"),
        Figure(f"{name}: bare Celery", tasks, "tasks/s"),
        Figure(f"{name}: steps per task", ratio, "x", ">= 0.5"),
        Figure(f"{name}: CPU time of a step", step_cpu * 1000, "ms"),
        Figure(f"{name}: CPU time of a task", task_cpu * 1000, "ms"),
    ]


async def _runs(parts: Bench, workers: Sequence[Process]) -> float:
    """Seconds until `RUNS` runs are through."""
    goal = await parts.completed() + RUNS
    with held(workers):
        await parts.launch("steps", RUNS)
    started = time.monotonic()
    while await parts.completed() < goal:
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def _tasks(parts: Bench, workers: Sequence[Process]) -> float:
    """Seconds until `TASKS` tasks are taken; the last few may still be at it."""
    with held(workers):
        for _ in range(TASKS):
            parts.celery.send_task(bare.NOTHING)
    started = time.monotonic()
    async with redis.Redis.from_url(parts.stack.redis_url) as client:
        while await client.llen(bare.QUEUE) or await client.hlen("unacked"):
            await asyncio.sleep(0.02)
    return time.monotonic() - started
