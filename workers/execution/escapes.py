"""What escapes a step is counted in its run; a run that cannot even be read is left alone.

Nothing that a run does may end in an endless loop that nobody sees: an error that nobody expected
is an event like any other outcome, and `next_step` sets the run aside when there are too many.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.channels.text import storable
from ponderd.workers.execution.author_code import NoProcess
from ponderd.workers.execution.leases import LeasedRun, LeaseLost
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.snapshots import newest
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Status
from ponderd.workers.steps.attempts import pause_after
from ponderd.workers.store.contract import Release, RunStore

log = structlog.get_logger(__name__)

ERROR_CHARS = 500
"""Most characters of an error that are stored."""

UNKNOWN_RETRY = 5.0
"""Seconds until a run is tried again if this worker does not know its agent or its events. They
double each time that its events are not understood."""

LONGEST_RETRY = 15.0
"""A worker that understands them may come at any moment, as in a deployment."""

SHOWN_AFTER = 3
"""How often a log is not understood before lists show it: while a newer ponderd is being rolled
out, one of its workers takes the run up before that."""


class Escapes:
    """What a worker does with a step that ended in no outcome."""

    def __init__(self, store: RunStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._unread: Counter[str] = Counter()

    async def count(self, held: LeasedRun, error: BaseException) -> None:
        """Record that `error` escaped, and give the run back for a while. Raises `LeaseLost`,
        `Unavailable` of the store, and `error` itself if it ends the work from outside."""
        passes = isinstance(error, LeaseLost | Unavailable) and not isinstance(error, NoProcess)
        if passes or _from_outside(error):
            raise error
        await held.write()
        log.error("a step failed unexpectedly", exc_info=error)
        self._metrics.step_failed()
        shown = storable(str(error))
        text = f"{type(error).__name__}: {shown}" if shown else type(error).__name__
        written = False
        while not written:
            try:
                run = await newest(self._store, held.id)
                if run is None:
                    raise NotFound(f"there is no run {held.id}")
                now = held.now()
                failed = e.StepFailed(
                    at=now,
                    error=text[:ERROR_CHARS],
                    retry_at=now + pause_after(run.failed_steps + 1),
                )
                _, written = await held.commit(run, [failed], Release(failed.retry_at))
            except (LeaseLost, Unavailable):
                raise
            except Exception as reason:  # then it cannot be read, either
                await self.leave_alone(held, reason)
                return

    async def leave_alone(self, held: LeasedRun, reason: Exception) -> None:
        """Give back a run whose log is not understood, without touching the log: a newer ponderd
        may have written it, or it is damaged."""
        self._unread[held.id] += 1
        times = self._unread[held.id]
        self._metrics.log_not_understood()
        log.warning("unknown events, leaving the run alone", times=times, error=str(reason)[:200])
        pause = min(UNKNOWN_RETRY * 2.0 ** min(times - 1, 10), LONGEST_RETRY)
        status = Status.SET_ASIDE if times >= SHOWN_AFTER else None
        await held.give_back(held.now() + pause, status)

    def understood(self, run_id: str) -> None:
        self._unread.pop(run_id, None)


def _from_outside(error: BaseException) -> bool:
    """Whether somebody ends the task: a step may also raise such errors by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and bool(task and task.cancelling())
