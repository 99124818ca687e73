from __future__ import annotations

import argparse
import asyncio
import json

from tests.benchmarks import in_flight, latency, state, steps
from tests.benchmarks.report import Figures, as_json, table

BENCHMARKS = {
    "in_flight": in_flight.measure,
    "latency": latency.measure,
    "steps": steps.measure,
    "state": state.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument(
        "name",
        nargs="*",
        choices=BENCHMARKS,
        metavar="name",
        help=f"{', '.join(BENCHMARKS)}; default: all",
    )
    arguments = parser.parse_args()
    results: dict[str, Figures] = {}
    for name in arguments.name or BENCHMARKS:
        results[name] = asyncio.run(BENCHMARKS[name]())
        if not arguments.json:
            print(table(name, results[name]), flush=True)
    if arguments.json:
        print(json.dumps(as_json(results), indent=2))


main()
