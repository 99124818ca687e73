"""How soon ponderd goes on: after a person's yes, after the death of a worker; and what a deploy
under load costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator

from tests.benchmarks import systems
from tests.benchmarks.compare import Plan, reached
from tests.benchmarks.parts import ask_model, model, trigger
from tests.benchmarks.report import Figure, Figures, median, percentile
from tests.benchmarks.systems import Ponderd, new_marks

LONG = 30.0
"""Seconds of a call that thinks long. It is twice a lease."""

MODEL_CALLS = {"model_answered", "model_rejected"}


async def measure(plan: Plan) -> Figures:
    return [*await _approvals(plan), *await _killed(plan), *await _deployed(plan)]


async def _approvals(plan: Plan) -> Figures:
    """A person says yes; the tool runs, and the next model request begins."""
    count = 40 if plan.quick else 250
    figures = []
    with model() as url:
        async with systems.ponderd(url) as system:
            for name, background in (("at rest", 0.0), ("100 runs/s besides", 100.0)):
                plan.stage(f"approvals, {name}")
                waiting = await _waiting(system, count)
                async with _load(system, background):
                    await ask_model(url, "watched")
                    answered = {}
                    for mark, run_id in waiting.items():
                        answered[mark] = time.monotonic()
                        await system.runs.message(run_id, "yes", sender="bench")
                        await asyncio.sleep(0.03)
                    await asyncio.sleep(2)
                    latest = (await ask_model(url, "watched"))["latest"]
                took = [(latest[str(mark)] - at) * 1000 for mark, at in answered.items()]
                figures += [
                    Figure(f"approval to resumed step, {name}, p50", median(took), "ms"),
                    Figure(
                        f"approval to resumed step, {name}, p99",
                        percentile(took, 99),
                        "ms",
                        "< 250",
                    ),
                ]
    return figures


async def _waiting(system: Ponderd, count: int) -> dict[int, str]:
    """Runs by their marks, each of which waits for a person's yes."""
    runs = {}
    async with system.parts.runs() as verbs:
        for mark in new_marks(count):
            accepted = await verbs.accept("careful", trigger(f"mark-{mark} calls-1"))
            runs[mark] = accepted.run_id

    async def asked() -> int:
        return (await system.parts.store.gauges()).runs["WAITING"]

    await reached(count, asked)
    return runs


@contextlib.asynccontextmanager
async def _load(system: Ponderd, rate: float) -> AsyncIterator[None]:
    """So many runs of three model calls launched a second, as long as the block lasts."""

    async def launch() -> None:
        while True:
            await asyncio.sleep(random.expovariate(rate))
            await system.launch(new_marks(1), 2)

    task = asyncio.create_task(launch()) if rate else None
    try:
        yield
    finally:
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _killed(plan: Plan) -> Figures:
    """kill -9 of one of two workers; then each run's next model request, the last of them all.
    A run of the other worker asks within a second, as the model takes one."""
    lease, runs = (2.0, 40) if plan.quick else (15.0, 200)
    with model(delay=1) as url:
        async with systems.ponderd(url, workers=2, PONDERD_LEASE_SECONDS=str(lease)) as system:
            plan.stage("kill -9 of a worker")
            marks = new_marks(runs)
            await system.launch(marks, 1_000)

            async def asking() -> int:
                return int((await ask_model(url, "stats"))["in_flight"])

            await reached(runs, asking)
            await asyncio.sleep(random.uniform(1, 2))
            await ask_model(url, "watched")
            killed = time.monotonic()
            await system.parts.stack.stop("work-0", signal.SIGKILL)
            first: dict[str, float] = {}
            while len(first) < runs and time.monotonic() < killed + lease + 20:
                first = (await ask_model(url, "watched"))["first"] | first
                await asyncio.sleep(0.1)
            resumed = [first[str(mark)] - killed for mark in marks if str(mark) in first]
            left = [seconds for seconds in resumed if seconds > 1.5]
    return [
        Figure("runs of the killed worker", len(left), "runs"),
        Figure("runs that were never resumed", runs - len(resumed), "runs", "0"),
        Figure(
            f"kill -9 to resumed, lease {lease:g} s, last run", max(resumed), "s", "< lease + 2"
        ),
        Figure("beyond the lease", max(resumed) - lease, "s", "< 2"),
    ]


async def _deployed(plan: Plan) -> Figures:
    """SIGTERM for one of two workers while all its runs are at the model, and a new one started:
    each call that the model answered must stand in a log, or it was paid for in vain."""
    return [
        *await _deploy(plan, 1, 40 if plan.quick else 300, tool_calls=5),
        *await _deploy(plan, LONG, 40 if plan.quick else 300, tool_calls=0),
    ]


async def _deploy(plan: Plan, delay: float, runs: int, *, tool_calls: int) -> Figures:
    """One deploy while the model takes `delay` seconds."""
    calls = f"model calls of {delay:g} s"
    with model(delay=delay) as url:
        async with systems.ponderd(url, workers=2, PONDERD_DRAIN_SECONDS="300") as system:
            plan.stage(f"SIGTERM under load, {calls}")
            run_ids = []
            async with system.parts.runs() as verbs:
                for mark in new_marks(runs):
                    text = f"mark-{mark} calls-{tool_calls}"
                    accepted = await verbs.accept("work", trigger(text))
                    run_ids.append(accepted.run_id)
                    await asyncio.sleep(1.5 / runs)
            began = time.monotonic()
            in_flight = (await ask_model(url, "stats"))["in_flight"]
            stopped = asyncio.create_task(system.parts.stack.stop("work-0"))
            system.parts.stack.start("work", "work-2")
            try:
                code = await stopped
            except subprocess.TimeoutExpired:
                system.workers[0].kill()
                code = system.workers[0].wait()
            took = time.monotonic() - began
            await reached(runs, system.completed)
            paid = (await ask_model(url, "stats"))["marked"]
            logged = 0
            for run_id in run_ids:
                events = [json.loads(event) for event in await system.parts.store.load(run_id)]
                logged += sum(event["type"] in MODEL_CALLS for event in events)
    return [
        Figure(f"{calls} in flight at SIGTERM, two workers", in_flight, "calls"),
        Figure(f"{calls} wasted by a deploy", paid - logged, "calls", "0"),
        Figure(f"exit code of the stopped worker, {calls}", code, "", "0"),
        Figure(f"SIGTERM to its end, {calls}", took, "s"),
    ]
