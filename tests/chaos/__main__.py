"""`python -m tests.chaos --seed 7 --faults 500`: see `tests.chaos.run`."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.run import Report, chaos


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Do harm to a whole ponderd at work, then look whether anything was lost, "
        "done twice or left stuck. Exit code 1 if so.",
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--faults", type=int, default=500, help="how many must strike")
    parser.add_argument("--seconds", type=float, help="stop doing harm then; default: 1 a fault")
    parser.add_argument("--daemons", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object, and nothing else")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=arguments.faults)

        def show(phase: str, done: int, total: int) -> None:
            progress.update(task, description=phase, completed=done, total=total)

        async def run() -> Report:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            return await chaos(
                arguments.seed,
                arguments.faults,
                seconds=arguments.seconds or 60 + arguments.faults,
                daemons=arguments.daemons,
                workers=arguments.workers,
                show=show,
            )

        report = asyncio.run(run())
    if arguments.json:
        print(json.dumps(report.as_json()))
    else:
        print(_text(report))
    return 0 if report.clean else 1


def _text(report: Report) -> str:
    figures = report.as_json()
    details = figures.pop("details")
    lines = [f"{name:<12} {json.dumps(value)}" for name, value in figures.items()]
    return "\n".join([*lines, *(json.dumps(entry, indent=2) for entry in details)])


sys.exit(main())
