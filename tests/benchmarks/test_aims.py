"""The aims of docs/benchmarks.md, loosely: what is asserted holds on a busy machine too, because
it compares what was measured side by side, or does not depend on speed."""

from __future__ import annotations

import pytest

from tests.benchmarks import in_flight, latency, state, steps
from tests.benchmarks.report import Figures, table

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]


def shown(title: str, figures: Figures) -> dict[str, float]:
    print(f"\n{table(title, figures)}")
    return {figure.name: figure.value for figure in figures}


async def test_one_worker_holds_hundreds_of_runs_in_little_memory() -> None:
    seen = shown("in_flight", await in_flight.measure())
    assert seen["runs held by the worker, peak"] >= 450
    assert seen["model calls in flight, peak"] >= 400
    assert seen["worker at its peak, RSS"] < 143  # 150 MB


async def test_a_message_waits_hardly_longer_than_a_bare_task() -> None:
    seen = shown("latency", await latency.measure())
    assert seen["ratio of the p50s"] < 8


async def test_a_durable_step_costs_at_most_two_bare_tasks() -> None:
    seen = shown("steps", await steps.measure())
    assert seen["1 worker: steps per task"] > 0.4
    assert seen["2 workers: steps per task"] > 0.4


async def test_a_commit_is_a_few_appends_and_stores_little_else() -> None:
    seen = shown("state", await state.measure())
    assert seen["commits per RPUSH, 1 at a time"] > 0.2
    assert seen["a run of 20 events of 1 kB"] < 30
