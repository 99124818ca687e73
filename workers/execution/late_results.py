"""Results that come after nobody waited for them any more: recorded in the run, and so told.

The run may have another worker by then, may have ended, or be gone. So a result is appended as
people append what they decide: compared with the log, and without a lease. It holds no slot.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from pydantic import ValidationError

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.workers.execution.leases import projection
from ponderd.workers.execution.snapshots import newest
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run
from ponderd.workers.run.unknown_outcomes import find
from ponderd.workers.store.contract import RunStore, VersionConflict

log = structlog.get_logger(__name__)

LONGEST = 3600.0
"""Seconds for which a late result is waited for. A coroutine is then cancelled."""

AGAIN = 1.0
"""Seconds until it is tried again to record one."""

LAST_WORD = 5.0
"""Seconds that a worker which ends gives to results that are there but not yet recorded."""

Work = asyncio.Task[e.ToolFinished | e.ToolFailed]
"""A call that goes on."""


class LateResults:
    """All calls of this process that go on though nobody waits for them."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._following: set[asyncio.Task[None]] = set()
        self._recording: set[asyncio.Task[None]] = set()

    def follow(self, run_id: str, key: str, call: ToolCall, work: Work, began: float) -> None:
        """Record what `work` returns. It began at `began`, monotonic."""
        task = asyncio.create_task(self._follow(run_id, key, call, work, began))
        for known in (self._following, self._recording):
            task.add_done_callback(known.discard)
        self._following.add(task)

    async def close(self) -> None:
        """Record what is there, and forget the rest: its process ends."""
        if self._recording:
            await asyncio.wait(self._recording, timeout=LAST_WORD)
        left = list(self._following)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _follow(
        self, run_id: str, key: str, call: ToolCall, work: Work, began: float
    ) -> None:
        try:
            await asyncio.wait({work}, timeout=max(0.0, LONGEST - (time.monotonic() - began)))
        finally:
            if not work.done():
                work.cancel()
        if work.cancelled() or not work.done() or work.exception():
            log.info("no late result", run=run_id, tool=call.tool, key=key)
            return
        outcome, seconds = work.result(), time.monotonic() - began
        task = asyncio.current_task()
        assert task is not None
        self._recording.add(task)
        await self._record(run_id, _late(key, call, outcome, seconds))

    async def _record(self, run_id: str, result: e.LateResultReceived) -> None:
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            try:
                if await self._recorded(run_id, result):
                    return
            except Unavailable as error:
                log.warning("late result not recorded yet", run=run_id, error=str(error))
            except NotFound:
                break
            except (ValidationError, ValueError) as error:  # a newer ponderd wrote the log
                log.warning("late result not recorded", run=run_id, error=str(error)[:200])
                break
            await asyncio.sleep(AGAIN)
        log.warning("late result lost", run=run_id, tool=result.tool, key=result.key)

    async def _recorded(self, run_id: str, result: e.LateResultReceived) -> bool:
        """Append it, if the outcome is unknown until now. False: nobody has recorded yet that it
        is unknown, so this is too early."""
        run = await newest(self._store, run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        while find(run, result.key):
            event = result.model_copy(update={"at": await self._store.now()})
            after = reduce(run, event)
            written = await self._store.signal(
                run_id, run.version, e.encode(event), projection(after)
            )
            if not isinstance(written, VersionConflict):
                log.info("late result recorded", run=run_id, tool=result.tool, key=result.key)
                return True
            run = fold(e.decode_all(written.missed), run)
        return not _is_open(run, result.key)


def _is_open(run: Run, key: str) -> bool:
    return run.work.call_key == key


def _late(
    key: str, call: ToolCall, outcome: e.ToolFinished | e.ToolFailed, seconds: float
) -> e.LateResultReceived:
    failed = isinstance(outcome, e.ToolFailed)
    result = outcome.error if isinstance(outcome, e.ToolFailed) else outcome.result
    if isinstance(outcome, e.ToolFinished) and outcome.notices:
        result += " (It came too late to send its message.)"
    if isinstance(outcome, e.ToolFinished) and outcome.wait:
        result += " (It came too late to wait for it.)"
    return e.LateResultReceived(
        at=outcome.at,
        key=key,
        tool=call.tool,
        arguments=call.arguments,
        result=result,
        failed=failed,
        seconds=seconds,
    )
