"""How soon after a trigger its first model request begins, and what each step costs between two
model calls: at rest, and under 70 % of the load that the system can bear."""

from __future__ import annotations

from functools import partial

from tests.benchmarks import systems
from tests.benchmarks.compare import SIZE, Plan, Waits, all_of, alone, arrivals, timed
from tests.benchmarks.parts import model
from tests.benchmarks.report import Cell, Table, median, percentile
from tests.benchmarks.systems import Start
from tests.benchmarks.throughput import SLOTS, TOOL_CALLS

LOAD = 0.7
AT_REST = 5.0
"""Triggers a second: hardly ever two runs at the same time."""


async def measure(plan: Plan) -> list[Table]:
    rounds, runs, seconds = (1, 60, 4.0) if plan.quick else (2, 300, 8.0)
    starts: list[Start] = [systems.ponderd, systems.celery]
    if plan.peers:
        starts += [
            partial(plan.peers.dbos, slots=SLOTS, poll=1),
            partial(plan.peers.dbos),
            partial(plan.peers.dbos, direct=True),
            plan.peers.langgraph,
        ]
    with model(size=SIZE) as url:
        async with all_of(start(url) for start in starts) as running:
            rest = {system.name: Waits() for system in running}
            loaded = {system.name: Waits() for system in running}
            rates: dict[str, float] = {}
            for system in running:
                plan.stage(f"{system.name}, what it can bear")
                with alone(system):
                    await timed(system, url, runs, TOOL_CALLS)
                    taken = await timed(system, url, runs, TOOL_CALLS)
                rates[system.name] = runs / taken.seconds
            for _ in range(rounds):
                for system in running:
                    for rate, found in (
                        (AT_REST, rest),
                        (max(AT_REST, LOAD * rates[system.name]), loaded),
                    ):
                        plan.stage(f"{system.name}, {rate:.0f} triggers a second")
                        with alone(system):
                            seen = await arrivals(system, url, rate, seconds, TOOL_CALLS)
                        found[system.name].first += seen.first
                        found[system.name].step += seen.step
    columns = (
        "p50 at rest, ms",
        "p99",
        "70 % of its load, runs/s",
        "p50 loaded, ms",
        "p99 loaded",
    )
    first, step = [], []
    for name in rest:
        load = LOAD * rates[name]
        first.append((name, *_both(rest[name].first), load, *_both(loaded[name].first)))
        step.append((name, *_both(rest[name].step), load, *_both(loaded[name].step)))
    missing: list[tuple[str, *tuple[Cell, ...]]] = (
        [] if plan.peers else [(f"DBOS, LangGraph: {plan.missing}", *([None] * len(columns)))]
    )
    return [
        Table("first_step", columns, (*first, *missing)),
        Table("step_overhead", columns, (*step, *missing)),
    ]


def _both(values: list[float]) -> tuple[float, float]:
    return median(values), percentile(values, 99)
