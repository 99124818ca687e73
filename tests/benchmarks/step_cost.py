"""What a step costs in work, not in time: function calls of Python, and instructions of the
processor where valgrind is there. Neither depends on what else the machine does, so a step that
became dearer shows for certain.

    python -m tests.benchmarks.step_cost            # measure, beside what is kept
    python -m tests.benchmarks.step_cost --keep     # and keep it as the figure to compare with
    python -m tests.benchmarks.step_cost --runs N   # only make N runs: this is what is counted

A run makes five model calls and four tool calls, by the real executor, on the store in memory and
with a model that is no more than a list of answers: network, Redis and Celery are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from ponderd.workers.agents.agent import Agent, Tool, tool
from ponderd.workers.agents.author_calls import UseTool
from ponderd.workers.agents.contained import Done, Outcome
from ponderd.workers.execution.author_code import InThreads, Place
from tests.benchmarks.report import Figure, Figures
from tests.workers import world as worlds

KEPT = Path(__file__).with_suffix(".json")
STEPS_PER_RUN = 9
FEW, MANY = 10, 40
"""Runs of the two counts. Their difference holds no start of a process."""


class Cost(NamedTuple):
    """Of one step. `instructions` is None without valgrind."""

    python: str
    """Version of Python and machine: with another one the figures are other ones."""
    calls: float
    instructions: float | None


@tool(idempotent=True)
def nothing(note: str = "") -> str:
    """Do nothing."""
    return "done"


class OnTheLoop(InThreads):
    """Threads take turns by chance, so the tool runs here."""

    @contextlib.asynccontextmanager
    async def place_for(self, tool: Tool | None) -> AsyncIterator[Place]:
        async def run(agent: Agent, call: UseTool) -> Outcome:
            return Done(call.run(agent))

        yield run


async def make_runs(count: int) -> None:
    world = worlds.make_world()
    world.become(tools=(nothing,))
    executor = world.executor
    object.__setattr__(executor.model, "code", OnTheLoop())
    world.model.lines = [{"action": "nothing", "note": "y"}] * 4 + [worlds.REPLY]
    for number in range(count):
        world.model.prompts.clear()
        run_id = await world.write(conversation=f"c{number}")
        await executor.advance(run_id)
        used = (await world.run(run_id)).usage
        assert used.model_calls + used.tool_calls == STEPS_PER_RUN


def count_calls(runs: int) -> int:
    """Calls of functions, those in C included."""
    seen = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        asyncio.run(make_runs(runs))
    finally:
        sys.setprofile(None)
    return seen


def count_instructions(runs: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={folder}/out",
                *(sys.executable, "-m", "tests.benchmarks.step_cost", "--runs", str(runs)),
            ],
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"},
            capture_output=True,
            text=True,
            check=True,
        ).stderr
    found = re.search(r"Collected : (\d+)", said)
    assert found, said
    return int(found[1])


def measure() -> Cost:
    count_calls(FEW)  # what is made once is made now
    calls = count_calls(MANY) - count_calls(FEW)
    instructions = None
    if shutil.which("valgrind"):
        instructions = count_instructions(MANY) - count_instructions(FEW)
    steps = (MANY - FEW) * STEPS_PER_RUN
    return Cost(
        f"{platform.python_version()} {platform.machine()}",
        round(calls / steps, 1),
        instructions and round(instructions / steps),
    )


def kept() -> Cost:
    data: dict[str, Any] = json.loads(KEPT.read_text())
    return Cost(**data)


def figures(cost: Cost) -> Figures:
    found = [Figure("function calls of a step", cost.calls, "")]
    if cost.instructions:
        found.append(Figure("instructions of a step", cost.instructions / 1e6, "million"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--runs", type=int)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if asked.runs:
        asyncio.run(make_runs(asked.runs))
        return
    cost = measure()
    if KEPT.exists():
        print("kept:    ", kept())
    print("measured:", cost)
    if asked.keep:
        KEPT.write_text(json.dumps(cost._asdict(), indent=1) + "\n")


if __name__ == "__main__":
    main()
