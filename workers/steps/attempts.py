"""When a step that comes to nothing is tried again, and when nobody begins it any more. Pure.

A step may kill its worker, or fail in a way that leaves no outcome. What it did is in its run:
a tool that may be repeated counts its beginnings, and an unexpected error is counted when it is
caught. Of a model call or a reply nothing is written before it ends. There the store counts the
workers that died; but of all runs that a worker had in hand, one killed it, so the limit is higher.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from ponderd.channels.text import one_line
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.policies import places_to_ask
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest, shown
from ponderd.workers.run.state import Run
from ponderd.workers.store.deaths import MANY_DEATHS

BEGINNINGS = 3
"""How often a step is begun that leaves no outcome, or gives none in time, before people are
asked."""

DEATHS = MANY_DEATHS
"""How many workers in a row may die while they hold a run, if it is not known of what."""

REST = 15.0
"""Seconds from its last beginning until a call may begin for the last time. No shorter than a usual
lease: else all that a dead worker had in hand begin at the moment when their leases end."""

SPREAD = 12.0
"""Seconds after that within which it does. Calls that a worker took with it when it died of another
one begin at different moments, so they outlive that."""

PAUSES = (5.0, 30.0, 1.0)
"""Seconds until a step that failed unexpectedly is tried again; after the third time, until it is
set aside."""

SHOWN = 300
"""Most characters of an error that people are shown."""

LONGEST_PAUSE = 3600.0
"""Seconds between two looks at a run of which not even the question to people can be sent."""


def pause_after(failures: int) -> float:
    """Seconds until the next attempt after so many unexpected failures in a row."""
    if failures <= len(PAUSES):
        return PAUSES[failures - 1]
    return float(min(60.0 * 2 ** min(failures - len(PAUSES) - 1, 10), LONGEST_PAUSE))


def may_begin_at(run: Run) -> float:
    """When the call that was begun may begin again, Unix seconds."""
    last = run.work.begun == BEGINNINGS - 1
    share = zlib.crc32(run.id.encode()) % 1000 / 1000
    return run.work.begun_at + REST + SPREAD * share if last else 0.0


def given_up(run: Run, agent: Agent, now: float, deaths: int) -> e.RunSetAside | None:
    """The event that sets the run aside, if its next step was begun too often. `deaths`: so many
    workers in a row died while they held it, and wrote nothing."""
    if run.ended or run.work.approval or run.work.wait or run.work.waiting_for == "answer":
        return None  # no step is under way, or people are asked already
    if run.failed_steps >= BEGINNINGS:
        how = f"tried to {_step(run)} {run.failed_steps} times, and each time it failed oddly"
        return _set_aside(run, agent, now, f"{how} (last: {_error(run)}).")
    # Before a call begins, only its own checks run, and they are quick: no other run's worker dies
    # in them by chance.
    limit = BEGINNINGS if run.work.call and not run.work.call_key else DEATHS
    if deaths >= limit:
        how = f"tried to {_step(run)}, and {deaths} workers in a row died at it."
        return _set_aside(run, agent, now, how)
    return None


def begun_too_often(run: Run, agent: Agent, now: float) -> e.RunSetAside | None:
    """The event that sets the run aside, if the call under way was begun too often."""
    if run.work.begun < BEGINNINGS:
        return None
    last = datetime.fromtimestamp(run.work.begun_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    error = f", {_error(run)}" if run.failed_steps else ""
    how = f"began to {_step(run)} {run.work.begun} times, and each time its worker died or failed"
    return _set_aside(run, agent, now, f"{how} before the outcome was known (last: {last}{error}).")


def _set_aside(run: Run, agent: Agent, now: float, how: str) -> e.RunSetAside:
    text = f"I {how} Shall I try again? Please answer yes or no."
    call = run.work.call
    return e.RunSetAside(
        at=now,
        text=text,
        digest=digest(call) if call else "",
        ask=places_to_ask(agent.approvals.ask, text),
    )


def _error(run: Run) -> str:
    return one_line(run.error or "", SHOWN)


def _step(run: Run) -> str:
    return f"call {shown(run.work.call)}" if run.work.call else "ask the model"
