"""What changes when not 1,000 runs are stored but 100,000.

The first thousand are real. The others are copies of one of them, made inside the store
(`copies.py`); then the store settles (`VACUUM`, a rewritten append-only file) as it would with
time.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks import systems
from tests.benchmarks.compare import SIZE, Plan, all_of, alone, arrivals, resident, timed
from tests.benchmarks.first_step import AT_REST
from tests.benchmarks.parts import model
from tests.benchmarks.report import Cell, Table, median
from tests.benchmarks.systems import Start, System, new_marks
from tests.benchmarks.throughput import STEPS, TOOL_CALLS

FEW = 1_000
ROUNDS = 3
MIB = 2**20


async def measure(plan: Plan) -> list[Table]:
    many, runs, seconds = (5_000, 50, 3.0) if plan.quick else (100_000, 200, 10.0)
    starts: list[Start] = [systems.ponderd]
    if plan.peers:
        starts += [plan.peers.dbos, plan.peers.langgraph]
    rows: list[tuple[str, *tuple[Cell, ...]]] = []
    with model(size=SIZE) as url:
        async with all_of(start(url) for start in starts) as running:
            originals = []
            for system in running:
                plan.stage(f"{system.name}, {FEW:,} runs")
                with alone(system):
                    originals.append(new_marks(1)[0] + 1)
                    await timed(system, url, FEW - ROUNDS * runs, TOOL_CALLS)
            few = await _look(plan, url, running, runs, seconds)
            for system, original in zip(running, originals, strict=True):
                plan.stage(f"{system.name}, {many:,} runs")
                await system.copy(original, many - FEW)
            much = await _look(plan, url, running, runs, seconds)
    for name in few:
        pairs = zip(few[name], much[name], strict=True)
        rows.append((name, *(value for pair in pairs for value in pair)))
    columns = tuple(
        f"{what} at {count:,}"
        for what in ("steps/s", "trigger to first step, ms", "kept, MiB", "store's memory, MiB")
        for count in (FEW, many)
    )
    if not plan.peers:
        rows.append((f"DBOS, LangGraph: {plan.missing}", *([None] * len(columns))))
    return [Table("growth", columns, tuple(rows))]


async def _look(
    plan: Plan, url: str, running: Sequence[System], runs: int, seconds: float
) -> dict[str, tuple[float, ...]]:
    rates: dict[str, list[float]] = {system.name: [] for system in running}
    for number in range(ROUNDS):
        for system in running:
            plan.stage(f"{system.name}, round {number + 1}")
            with alone(system):
                taken = await timed(system, url, runs, TOOL_CALLS)
            rates[system.name].append(runs * STEPS / taken.seconds)
    found = {}
    for system in running:
        plan.stage(f"{system.name}, at rest")
        with alone(system):
            waits = await arrivals(system, url, AT_REST, seconds, TOOL_CALLS)
        kept = (await system.stored()).kept / MIB
        memory = resident(system.store())
        found[system.name] = (median(rates[system.name]), median(waits.first), kept, memory)
    return found
