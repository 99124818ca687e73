"""What a step costs in a run of 5, 21, 81 and 321 steps, alone, at a model that takes no time."""

from __future__ import annotations

import math
from functools import partial

from tests.benchmarks import systems
from tests.benchmarks.compare import SIZE, Plan, all_of, alone, timed
from tests.benchmarks.parts import model
from tests.benchmarks.report import Cell, Table, median
from tests.benchmarks.systems import Start

RUNS = {5: 40, 21: 10, 81: 4, 321: 2}
"""Runs by their steps: one after the other."""

LOOK = 0.002
"""Seconds: the shortest of these runs take a few of them."""


async def measure(plan: Plan) -> list[Table]:
    lengths = {length: -(-count // 10) if plan.quick else count for length, count in RUNS.items()}
    starts: list[Start] = [systems.ponderd]
    if plan.peers:
        starts += [plan.peers.dbos, plan.peers.langgraph, partial(plan.peers.langgraph, delta=True)]
    seconds: dict[str, dict[int, float]] = {}
    cpu: dict[str, dict[int, float]] = {}
    kept: dict[str, dict[int, float]] = {}
    with model(size=SIZE) as url:
        async with all_of(start(url) for start in starts) as running:
            for system in running:
                with alone(system):
                    await timed(system, url, 10, 2)
            for length, count in lengths.items():
                for system in running:
                    plan.stage(f"{system.name}, {length} steps")
                    before = (await system.stored()).kept
                    with alone(system):
                        taken = [
                            await timed(system, url, 1, length // 2, LOOK) for _ in range(count)
                        ]
                    after = (await system.stored()).kept
                    name = system.name
                    typical = median([one.seconds for one in taken])
                    seconds.setdefault(name, {})[length] = typical / length
                    used = sum(one.worker_cpu + one.store_cpu for one in taken)
                    cpu.setdefault(name, {})[length] = used / count / length
                    kept.setdefault(name, {})[length] = (after - before) / count / length
    return [
        _table(plan, "length_time", "ms", {n: _scaled(v, 1000) for n, v in seconds.items()}),
        _table(plan, "length_cpu", "ms", {n: _scaled(v, 1000) for n, v in cpu.items()}),
        _table(plan, "length_bytes", "kB", {n: _scaled(v, 0.001) for n, v in kept.items()}),
    ]


def _scaled(values: dict[int, float], factor: float) -> dict[int, float]:
    return {length: value * factor for length, value in values.items()}


def _table(plan: Plan, name: str, unit: str, found: dict[str, dict[int, float]]) -> Table:
    columns = (*(f"{length} steps, {unit} each" for length in RUNS), "exponent")
    rows: list[tuple[str, *tuple[Cell, ...]]] = [
        (system, *values.values(), _exponent(values)) for system, values in found.items()
    ]
    if not plan.peers:
        rows.append((f"DBOS, LangGraph: {plan.missing}", *([None] * len(columns))))
    return Table(name, columns, tuple(rows))


def _exponent(per_step: dict[int, float]) -> float | None:
    """Of the whole run's cost, over the last fourfold: 1 is linear, 2 quadratic."""
    *_, shorter, longer = per_step
    if per_step[shorter] <= 0 or per_step[longer] <= 0:
        return None
    return 1 + math.log(per_step[longer] / per_step[shorter]) / math.log(longer / shorter)
