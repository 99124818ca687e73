"""What 10, 100 and 1,000 workers need: the costs of single things, measured here with real parts,
go into `capacity_model`. And how right that is, at sizes that can be run here."""

from __future__ import annotations

import asyncio

from tests.benchmarks import capacity_costs as measured
from tests.benchmarks.capacity_model import (
    LOOKS,
    MEET_SECONDS,
    WALLS,
    Cost,
    Costs,
    Limits,
    Load,
    copied,
    needs,
    nodes,
    reached,
)
from tests.benchmarks.compare import Plan
from tests.benchmarks.idle import SETTLE
from tests.benchmarks.parts import bench
from tests.benchmarks.report import Cell, Table

LOADS = (Load(10, 10_000, 10), Load(100, 100_000, 100), Load(1_000, 1_000_000, 1_000))
FEW, MANY = 1, 5
"""Steps of the runs from whose difference the cost of a step follows."""
BETWEEN = 3
"""Steps of the runs whose cost is predicted."""
SOME, SOME_REAL = 10, 3
"""Workers, in one process and as `ponderd work`, that show what one more costs."""
LAID = 5_000
"""Copies of runs that have ended."""
IDLE_MEET_SECONDS = 2 * MEET_SECONDS

Row = tuple[str, *tuple[Cell, ...]]


async def measure(plan: Plan) -> list[Table]:
    size = 0.2 if plan.quick else 1.0
    async with bench() as parts, measured.metered(parts) as meter:
        costs = await _costs(plan, meter, size)
        checks = await _checks(plan, meter, costs, size)
    return [*_of_costs(costs), _of_needs(costs), _of_walls(costs), checks]


async def _costs(plan: Plan, meter: measured.Meter, size: float) -> Costs:
    seconds, count, parts = 20 * size, int(400 * size), meter.parts
    plan.stage("a daemon and its workers at rest")
    parts.stack.start("serve")
    await parts.work(1)
    await parts.stack.ready()
    await asyncio.sleep(2 * SETTLE)
    rest = await meter.a_second(seconds)
    entry, word = await measured.entry(meter, rest), await measured.word(meter, rest)
    async with measured.runtimes(parts, SOME):
        await asyncio.sleep(2 * SETTLE)
        more = await meter.a_second(seconds)
    worker = (more - rest - _told(entry, word, SOME + 1) + _told(entry, word, 1)) * (1 / SOME)
    await parts.work(SOME_REAL, first=1)
    await asyncio.sleep(2 * SETTLE)
    more = await meter.a_second(seconds)
    for number in range(SOME_REAL):
        await parts.stack.stop(f"work-{number + 1}")
    told = _told(entry, word, SOME_REAL + 1) - _told(entry, word, 1)
    consumer = (more - rest - told) * (1 / SOME_REAL) - worker
    plan.stage("runs")
    await measured.runs(meter, count // 4, FEW, rest)  # what is done once is done now
    few = await measured.runs(meter, count, FEW, rest)
    many = await measured.runs(meter, count, MANY, rest)
    plan.stage("single things")
    look = await measured.look(meter, rest)
    note, renewal = await measured.note(meter, rest), await measured.renewal(meter, rest)
    await asyncio.sleep(SETTLE)
    plan.stage("runs that wait, and that have ended")
    finished = [
        await measured.lay(meter, await measured.finished(meter, steps), LAID)
        for steps in (FEW, MANY)
    ]
    archived = await measured.archived(meter, LAID)
    waiting = await measured.lay_waiting(meter, int(20_000 * size))
    laid = LAID * finished[1] + int(20_000 * size) * waiting
    rewrite = await measured.rewrite(meter, laid)
    touched = await measured.touched(meter, count)
    step = ((many.cost - few.cost) * (1 / (MANY - FEW))).no_less()
    return Costs(
        run=(few.cost - step * FEW).no_less(),
        step=step,
        base=(rest - worker - consumer - _told(entry, word, 1)).no_less(),
        worker=worker.no_less(),
        consumer=consumer.no_less(),
        word=word.no_less(),
        entry=entry.no_less(),
        note=note.no_less(),
        renewal=renewal.no_less(),
        look=look.no_less(),
        waiting_bytes=waiting,
        finished_bytes=finished[0],
        step_bytes=(finished[1] - finished[0]) / (MANY - FEW),
        key_bytes=await measured.key_bytes(meter),
        touched_bytes=touched,
        rewrite=rewrite,
        archived=archived,
        worker_connections=many.worker_connections,
        daemon_connections=many.daemon_connections,
    )


def _told(entry: Cost, word: Cost, workers: int) -> Cost:
    """What idle workers tell each other in a second."""
    return word * (LOOKS * workers) + entry * (workers**2 / IDLE_MEET_SECONDS)


# -- how right it is -------------------------------------------------------------------------------


async def _checks(plan: Plan, meter: measured.Meter, costs: Costs, size: float) -> Table:
    fleet, count, waiting = int(40 * size), int(200 * size), int(100_000 * size)
    rows: list[Row] = []

    def compare(what: str, predicted: float, found: float) -> None:
        rows.append((what, predicted, found, (predicted / found - 1) * 100 if found else None))

    plan.stage(f"runs of {BETWEEN} steps")
    rest = await meter.a_second(10 * size)
    found = (await measured.runs(meter, count, BETWEEN, rest)).cost
    predicted = costs.run + costs.step * BETWEEN
    what = f"a run of {BETWEEN} steps"
    compare(f"{what}: ms of the server's CPU", predicted.cpu * 1e3, found.cpu * 1e3)
    compare(f"{what}: commands", predicted.commands, found.commands)
    compare(f"{what}: kB to the server", predicted.received / 1e3, found.received / 1e3)
    compare(f"{what}: kB written", predicted.written / 1e3, found.written / 1e3)
    compare(f"{what}: ms of a worker's CPU", predicted.worker * 1e3, found.worker * 1e3)
    plan.stage(f"{fleet} more workers at rest")
    all_of_them = fleet + 1
    told = _told(costs.entry, costs.word, all_of_them)
    predicted = costs.base + costs.worker * all_of_them + costs.consumer + told
    async with measured.runtimes(meter.parts, fleet):
        await asyncio.sleep(3 * SETTLE)
        found = await meter.a_second(40 * size)
    what = f"{all_of_them} idle workers, a second"
    compare(f"{what}: ms of the server's CPU", predicted.cpu * 1e3, found.cpu * 1e3)
    compare(f"{what}: commands", predicted.commands, found.commands)
    compare(f"{what}: kB from the server", predicted.sent / 1e3, found.sent / 1e3)
    plan.stage(f"{waiting:,} runs that wait")
    more = await measured.lay_waiting(meter, waiting) * waiting
    compare(f"{waiting:,} waiting runs: MB", waiting * costs.waiting_bytes / 1e6, more / 1e6)
    look = await measured.look(meter, rest)
    compare("a look at so many: ms of the server's CPU", costs.look.cpu * 1e3, look.cpu * 1e3)
    return Table("capacity_checks", ("predicted", "measured", "error, %"), tuple(rows))


# -- the tables ------------------------------------------------------------------------------------


def _of_costs(costs: Costs) -> list[Table]:
    def row(name: str, cost: Cost) -> Row:
        return (
            name,
            cost.cpu * 1e6,
            cost.commands,
            cost.received,
            cost.sent,
            cost.written,
            cost.worker * 1e3,
            cost.daemon * 1e3,
        )

    columns = (
        *("server's CPU, µs", "commands", "bytes to it", "bytes from it", "bytes written"),
        *("worker's CPU, ms", "daemon's CPU, ms"),
    )
    rows = (
        row("a message", costs.run),
        row("a step", costs.step),
        row("a lease renewed", costs.renewal),
        row("a second of an idle worker", costs.worker + costs.consumer),
        row("a second of what is looked at, however many there are", costs.base),
        row("a look at 16 shards, all written to", costs.look),
        row("a word, for each worker that hears it", costs.word),
        row("what a worker tells of its agents, for each that reads it", costs.entry),
        row("a note of a ledger, for each worker that reads it", costs.note),
    )
    others = (
        ("bytes of memory: a run that waits", costs.waiting_bytes),
        ("a finished run of one step", costs.finished_bytes),
        ("each further step", costs.step_bytes),
        ("what stays of a run for 7 days", costs.key_bytes),
        ("what a script makes the server copy during a rewrite", costs.touched_bytes),
        ("a rewrite, a second", costs.rewrite),
        ("runs that one worker archives in a second", costs.archived),
        ("connections of a worker", costs.worker_connections),
        ("connections of a daemon", costs.daemon_connections),
    )
    return [
        Table("capacity_costs", columns, rows),
        Table("capacity_sizes", ("measured",), others),
    ]


def _of_needs(costs: Costs) -> Table:
    columns = tuple(
        f"{load.workers:,.0f} workers, {load.open_runs:,.0f} open runs, {load.messages:,.0f}/s"
        for load in LOADS
    )
    found = [needs(costs, load) for load in LOADS]
    limits = Limits()

    def row(name: str, values: list[float]) -> Row:
        return (name, *values)

    rows = (
        row("state server's cores", [need.server.cpu for need in found]),
        row("of them for what workers tell each other", [need.fleet for need in found]),
        row("of them for what workers read of what all noted", [need.notes for need in found]),
        row("commands a second", [need.server.commands for need in found]),
        row("memory of the runs that wait, GB", [need.open_bytes / 1e9 for need in found]),
        row("of finished runs, kept for a day, GB", [need.finished_bytes / 1e9 for need in found]),
        row("of keys by which repeats are known, 7 days, GB", [n.key_bytes / 1e9 for n in found]),
        row(
            "of a node, copied while it rewrites its file, GB",
            [copied(costs, need, nodes(costs, need, limits)) / 1e9 for need in found],
        ),
        row(
            "of a node, a rewrite takes, s",
            [need.data / nodes(costs, need, limits) / costs.rewrite for need in found],
        ),
        row(
            "nodes of a cluster, if shards are even", [nodes(costs, need, limits) for need in found]
        ),
        row("connections", [need.connections for need in found]),
        row("MB/s to the server", [need.server.received / 1e6 for need in found]),
        row("MB/s from the server", [need.server.sent / 1e6 for need in found]),
        row("MB/s written to disk", [need.server.written / 1e6 for need in found]),
        row("daemons", [need.daemons for need in found]),
        row("cores of all workers", [need.server.worker for need in found]),
        row("runs to archive a second", [need.archived for need in found]),
    )
    return Table("capacity_needs", columns, rows)


def _of_walls(costs: Costs) -> Table:
    """Workers, open runs and messages grow together, each a thousand, a million and a thousand."""
    ways = {wall.name: wall.way_out for wall in WALLS}
    rows = tuple(
        (name, factor * LOADS[-1].workers, ways[name])
        for name, factor in reached(costs, LOADS[-1]).items()
    )
    return Table("capacity_walls", ("at so many workers", "way out"), rows)
