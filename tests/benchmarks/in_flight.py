"""How many runs one worker process has in flight at a model that takes a second, and its memory."""

from __future__ import annotations

import asyncio
import time

import psutil

from tests.benchmarks.parts import bench, held
from tests.benchmarks.report import Figure, Figures, median

RUNS = 3_000
MIB = 2**20


async def measure() -> Figures:
    async with bench(delay=1) as parts:
        workers = await parts.work()
        process = psutil.Process(workers[0].pid)
        at_rest = process.memory_full_info()
        with held(workers):
            await parts.launch("assistant", RUNS)
        started = time.monotonic()
        leases, calls, resident, unique = [], [], [], []
        while (gauges := await parts.store.gauges()).runs["COMPLETED"] < RUNS:
            memory = process.memory_full_info()
            leases.append(gauges.in_flight)
            calls.append((await parts.model_stats())["in_flight"])
            resident.append(memory.rss)
            unique.append(memory.uss)
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - started
        peak_calls = (await parts.model_stats())["peak"]
    middle = slice(len(calls) // 4, 3 * len(calls) // 4)
    return [
        Figure("runs held by the worker, peak", max(leases), "runs", "500"),
        Figure("model calls in flight, peak", peak_calls, "calls", "500"),
        Figure("model calls in flight, steady", median(calls[middle]), "calls"),
        Figure("runs finished", RUNS / seconds, "runs/s"),
        Figure("worker at rest, RSS", at_rest.rss / MIB, "MiB"),
        Figure("worker at its peak, RSS", max(resident) / MIB, "MiB", "< 150"),
        Figure("worker at its peak, USS", max(unique) / MIB, "MiB"),
    ]
