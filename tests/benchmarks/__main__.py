from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import (
    capacity,
    conversation,
    first_sign,
    first_step,
    functions,
    growth,
    idle,
    in_flight,
    latency,
    length,
    limits,
    lists,
    mail,
    postgres,
    promises,
    state,
    steps,
    throughput,
    venv,
)
from tests.benchmarks.compare import Plan
from tests.benchmarks.report import Figure, Table, aims, insert, table
from tests.benchmarks.systems import Peers

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"

Measure = Callable[[Plan], Awaitable[Sequence[Table | Figure]]]


def _alone(measure: Callable[[], Awaitable[Sequence[Figure]]]) -> Measure:
    """One that measures ponderd by itself and knows no plan."""

    async def measured(_: Plan) -> Sequence[Figure]:
        return await measure()

    return measured


BENCHMARKS: dict[str, tuple[Measure, int]] = {
    "throughput": (throughput.measure, 200),
    "first_step": (first_step.measure, 230),
    "length": (length.measure, 60),
    "growth": (growth.measure, 240),
    "promises": (promises.measure, 80),
    "idle": (idle.measure, 330),
    "in_flight": (_alone(in_flight.measure), 40),
    "latency": (_alone(latency.measure), 40),
    "first_sign": (_alone(first_sign.measure), 30),
    "steps": (_alone(steps.measure), 50),
    "functions": (_alone(functions.measure), 5),
    "state": (_alone(state.measure), 20),
    "limits": (_alone(limits.measure), 40),
    "lists": (_alone(lists.measure), 240),
    "conversation": (_alone(conversation.measure), 120),
    "capacity": (capacity.measure, 300),
    "mail": (lambda plan: mail.measure(plan.stage), 120),
}
"""Each with about how many seconds it takes."""

COMPARED = ("throughput", "first_step", "length", "growth", "promises")
"""Those whose tables stand in the document as they come; the others are told there by hand."""


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, too
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help="a tenth of it, to see that it works")
    parser.add_argument("--report", action="store_true", help="write the tables into the document")
    parser.add_argument(
        "--before",
        type=Path,
        metavar="FOLDER",
        help="measure ponderd of another commit, too: a checkout of it with its .venv",
    )
    parser.add_argument(
        "name",
        nargs="*",
        choices=[*BENCHMARKS, []],
        metavar="name",
        help=f"{', '.join(BENCHMARKS)}; default: all",
    )
    arguments = parser.parse_args()
    names = arguments.name or (COMPARED if arguments.quick else BENCHMARKS)
    before = arguments.before and arguments.before.absolute()
    plan = make_plan(quick=arguments.quick, before=before)
    results: dict[str, Sequence[Table | Figure]] = {}
    with _progress(sum(BENCHMARKS[name][1] for name in names)) as advance:
        for name in names:
            measure, seconds = BENCHMARKS[name]
            stage = advance(name, seconds)
            results[name] = asyncio.run(_run(measure, replace(plan, stage=stage)))
            if arguments.report and name in COMPARED:
                tables = _tables(name, results[name])
                DOCUMENT.write_text(insert(DOCUMENT.read_text(), tables))
            if not arguments.json:
                for text in _texts(name, results[name]):
                    print(text, flush=True)
    if arguments.json:
        found = {name: [asdict(one) for one in results[name]] for name in results}
        print(json.dumps(found, indent=2))


def make_plan(*, quick: bool, before: Path | None = None) -> Plan:
    try:
        postgres.find_binaries()
        return Plan(quick, Peers(venv.python()), before=before)
    except postgres.Missing as error:
        return Plan(quick, missing=str(error), before=before)


async def _run(measure: Measure, plan: Plan) -> Sequence[Table | Figure]:
    return await measure(plan)


def _texts(name: str, results: Sequence[Table | Figure]) -> list[str]:
    texts = [one.text() for one in results if isinstance(one, Table)]
    figures = [one for one in results if isinstance(one, Figure)]
    return [*texts, *([table(name, figures)] if figures else [])]


def _tables(name: str, results: Sequence[Table | Figure]) -> list[Table]:
    tables = [one for one in results if isinstance(one, Table)]
    figures = [one for one in results if isinstance(one, Figure)]
    return [*tables, *([aims(name, figures)] if figures else [])]


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], Callable[[str], None]]]:
    """A bar on standard error: its length is the time that the parts usually take."""
    columns = (BarColumn(30), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("", total=total)
        done = 0

        def advance(name: str, seconds: int) -> Callable[[str], None]:
            nonlocal done
            progress.update(task, completed=done, description=name)
            done += seconds

            def stage(text: str) -> None:
                progress.update(task, description=f"{name}: {text}")
                if not progress.console.is_terminal:
                    progress.console.print(f"{name}: {text}")

            return stage

        yield advance
        progress.update(task, completed=total)


if __name__ == "__main__":
    main()
