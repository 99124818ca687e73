"""`python -m tests.services.newer_worker`: a worker of a later version of ponderd, which knows one
more event and writes it into every run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from ponderd.daemon.cli import main
from ponderd.workers.agents.agent import Agent
from ponderd.workers.execution import executor, leases
from ponderd.workers.run import events
from ponderd.workers.run import reduce as reducer
from ponderd.workers.run.state import Run
from ponderd.workers.steps.next_step import CallModel, Record, Step


class RunCelebrated(events._Event):
    type: Literal["run_celebrated"] = "run_celebrated"


AnyEvent = Annotated[events.Event | RunCelebrated, Field(discriminator="type")]

reduce, next_step = reducer.reduce, executor.next_step


def newer_reduce(run: Run | None, event: Any) -> Run:
    if isinstance(event, RunCelebrated):
        assert run is not None
        return replace(run, version=run.version + 1, error="celebrated")
    return reduce(run, event)


def newer_next_step(run: Run, agent: Agent, now: float, deaths: int = 0) -> Step:
    step = next_step(run, agent, now, deaths)
    if isinstance(step, CallModel) and run.error != "celebrated":
        return Record(RunCelebrated(at=now))  # type: ignore[arg-type]
    return step


if __name__ == "__main__":
    events._codec = TypeAdapter(AnyEvent)
    for module in (reducer, leases):
        module.reduce = newer_reduce
    executor.next_step = newer_next_step
    main(["work", "--json"])
