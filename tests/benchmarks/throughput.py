"""How many steps a second, at a model that takes no time and at one that takes a second; the
memory that this takes, and the bytes that it stores."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from tests.benchmarks import systems
from tests.benchmarks.compare import (
    SIZE,
    Plan,
    Spent,
    all_of,
    alone,
    resident,
    timed,
    worker_memory,
)
from tests.benchmarks.parts import model
from tests.benchmarks.report import Cell, Table, median
from tests.benchmarks.systems import Start, System

TOOL_CALLS = 2
STEPS = 2 * TOOL_CALLS + 1
SLOTS = 500


async def measure(plan: Plan) -> list[Table]:
    instant = await _instant(plan)
    return [_steps_table(plan, instant), *await _slow(plan)]


# -- a model that takes no time -----------------------------------------------------------------


async def _instant(plan: Plan) -> dict[str, dict[int, list[Spent]]]:
    """What each round of each system took, by its number of workers."""
    rounds, runs = (2, 60) if plan.quick else (3, 300)
    starts: list[Start] = [systems.ponderd, partial(systems.ponderd, always=True), systems.celery]
    if plan.before:
        earlier = partial(systems.earlier, plan.before)
        starts += [earlier, partial(earlier, always=True)]
    if plan.peers:
        starts += [
            plan.peers.dbos,
            partial(plan.peers.dbos, direct=True),
            plan.peers.langgraph,
            partial(plan.peers.langgraph, durability="sync"),
        ]
    taken: dict[str, dict[int, list[Spent]]] = {}
    with model(size=SIZE) as url:
        for workers in (1, 2):
            async with all_of(start(url, workers=workers) for start in starts) as running:
                for number in range(rounds + 1):
                    for system in running:
                        plan.stage(f"{system.name}, {workers} workers, round {number}")
                        with alone(system):
                            counted = await timed(system, url, runs, TOOL_CALLS)
                        if number:  # the first warms up
                            taken.setdefault(system.name, {}).setdefault(workers, [])
                            taken[system.name][workers].append(counted)
        return {
            name: {workers: _per_step(found, runs) for workers, found in by_workers.items()}
            for name, by_workers in taken.items()
        }


def _per_step(rounds: Sequence[Spent], runs: int) -> list[Spent]:
    steps = runs * STEPS
    return [
        Spent(one.seconds / steps, one.worker_cpu / steps, one.store_cpu / steps) for one in rounds
    ]


def _steps_table(plan: Plan, taken: dict[str, dict[int, list[Spent]]]) -> Table:
    columns = (
        "steps/s, 1 worker",
        "2 workers",
        "of ponderd's best",
        "workers' CPU, ms a step",
        "store's CPU, ms a step",
    )
    best = {name: _best(by_workers) for name, by_workers in taken.items()}
    rows: list[tuple[str, *tuple[Cell, ...]]] = []
    for name, by_workers in taken.items():
        ours, theirs = best["ponderd"], best[name]
        ratio = median([a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True)])
        rows.append(
            (
                name,
                *(1 / median([one.seconds for one in by_workers[count]]) for count in (1, 2)),
                ratio,
                median([one.worker_cpu for one in by_workers[1]]) * 1000,
                median([one.store_cpu for one in by_workers[1]]) * 1000,
            )
        )
    return Table("steps", columns, (*rows, *_not_measured(plan, len(columns))))


def _best(by_workers: dict[int, list[Spent]]) -> list[Spent]:
    """The rounds with as many workers as are best for the system."""
    return min(by_workers.values(), key=lambda rounds: median([one.seconds for one in rounds]))


# -- a model that takes a second ----------------------------------------------------------------


async def _slow(plan: Plan) -> list[Table]:
    """One worker with 500 slots: at three calls a run, 833 steps/s are the most there can be."""
    rounds, runs = (1, 200) if plan.quick else (2, 1_000)
    speed, memory, stored = [], [], []
    with model(delay=1, size=SIZE) as url:
        starts: list[AbstractAsyncContextManager[System]] = [
            systems.ponderd(url, slots=SLOTS),
            systems.celery(url, slots=SLOTS),
        ]
        if plan.before:
            starts.append(systems.earlier(plan.before, url, slots=SLOTS))
        if plan.peers:
            starts += [
                plan.peers.dbos(url, slots=SLOTS),
                plan.peers.langgraph(url, slots=SLOTS),
            ]
        async with all_of(starts) as running:
            at_rest = [(worker_memory(system), resident(system.store())) for system in running]
            before = [await system.stored() for system in running]
            seconds: list[list[float]] = [[] for _ in running]
            cpu: list[list[float]] = [[] for _ in running]
            peaks: list[tuple[float, float]] = [(0, 0) for _ in running]
            for number in range(rounds):
                for i, system in enumerate(running):
                    plan.stage(f"{system.name}, 1-s model, round {number + 1}")
                    with alone(system):
                        work = asyncio.create_task(timed(system, url, runs, TOOL_CALLS))
                        peaks[i] = max(peaks[i], await _peak(system, work))
                    seconds[i].append(work.result().seconds)
                    cpu[i].append(work.result().worker_cpu)
            for i, system in enumerate(running):
                steps = runs * STEPS
                after = await system.stored()
                rate = steps / median(seconds[i])
                speed.append((system.name, rate, rate / _most(runs), median(cpu[i]) * 1000 / steps))
                memory.append((system.name, at_rest[i][0], peaks[i][0], at_rest[i][1], peaks[i][1]))
                if not isinstance(system, systems.BareCelery):
                    kept, written = after.kept - before[i].kept, after.written - before[i].written
                    total = rounds * steps
                    stored.append((system.name, kept / total, written / total))
    missing = partial(_not_measured, plan)
    return [
        Table(
            "slow_model",
            ("steps/s", "of what is possible", "workers' CPU, ms a step"),
            (*speed, *missing(3)),
        ),
        Table(
            "memory",
            ("worker at rest, MiB", "worker at its peak", "store at rest", "store at its peak"),
            (*memory, *missing(4)),
        ),
        Table(
            "stored",
            ("bytes kept per step", "bytes written per step"),
            (*stored, *missing(2)),
        ),
    ]


def _most(runs: int) -> float:
    """Steps a second if nothing took time but the model: whole waves of `SLOTS` runs."""
    waves = -(-runs // SLOTS)
    return runs * STEPS / (waves * (TOOL_CALLS + 1))


async def _peak(system: System, work: asyncio.Task[Spent]) -> tuple[float, float]:
    """The most memory of workers and store while they work."""
    workers = store = 0.0
    while not work.done():
        workers = max(workers, await asyncio.to_thread(worker_memory, system))
        store = max(store, await asyncio.to_thread(resident, system.store()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(work), 0.5)
    return workers, store


def _not_measured(plan: Plan, columns: int) -> list[tuple[str, *tuple[Cell, ...]]]:
    if plan.peers:
        return []
    return [(f"DBOS, LangGraph: {plan.missing}", *([None] * columns))]
