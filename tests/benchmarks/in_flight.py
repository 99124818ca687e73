"""How many runs one worker process has in flight at a model that takes a second, and its memory.

By Little's law 500 slots at a second each finish 500 runs a second at most.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import psutil

from tests.benchmarks.parts import Bench, Process, bench, cpu_seconds, held
from tests.benchmarks.report import Figure, Figures, median

ROUNDS = 3
RUNS = 3_000
MIB = 2**20


@dataclass
class Seen:
    held: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    unique: list[int] = field(default_factory=list)


async def measure() -> Figures:
    seen = Seen()
    async with bench(delay=1) as parts:
        [worker] = await parts.work()
        at_rest = psutil.Process(worker.pid).memory_info().rss
        began = cpu_seconds([worker])
        seconds = [await _round(parts, worker, seen) for _ in range(ROUNDS)]
        cpu = (cpu_seconds([worker]) - began) / ROUNDS / RUNS
        peak_calls = (await parts.model_stats())["peak"]
    return [
        Figure("runs held by the worker, peak", max(seen.held), "runs", "500"),
        Figure("model calls in flight, peak", peak_calls, "calls", "500"),
        Figure("model calls in flight, median", median(seen.calls), "calls"),
        Figure("runs finished", RUNS / median(seconds), "runs/s"),
        Figure("worker's CPU time per run", cpu * 1000, "ms"),
        Figure("worker at rest, RSS", at_rest / MIB, "MiB"),
        Figure("worker at its peak, RSS", max(seen.resident) / MIB, "MiB", "< 150 MB"),
        Figure("worker at its peak, USS", max(seen.unique) / MIB, "MiB"),
    ]


async def _round(parts: Bench, worker: Process, seen: Seen) -> float:
    """Seconds until `RUNS` runs are through, from the first to the last."""
    process = psutil.Process(worker.pid)
    goal = await parts.completed() + RUNS
    with held([worker]):
        await parts.launch("assistant", RUNS)
    started = time.monotonic()
    while (gauges := await parts.store.gauges()).runs["COMPLETED"] < goal:
        memory = process.memory_full_info()
        seen.held.append(gauges.in_flight)
        seen.calls.append((await parts.model_stats())["in_flight"])
        seen.resident.append(memory.rss)
        seen.unique.append(memory.uss)
        await asyncio.sleep(0.05)
    return time.monotonic() - started
