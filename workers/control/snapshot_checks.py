"""Snapshots of runs, compared with what their logs say: of one run, or of all in portions.

Workers check a share of those that they use (`execution.snapshots`). This is for who wants to know
of all of them now.
"""

from __future__ import annotations

import structlog
from pydantic import BaseModel

from ponderd.workers.control.run_log import RunLog
from ponderd.workers.execution.snapshots import code, differs, unseal

log = structlog.get_logger(__name__)

PORTION = 100
"""Most runs that one request looks at."""

AT_ONCE = 5
"""Runs that are looked up at a time."""

EVENTS = 20_000
"""A portion ends after so many events of logs, so that a request ends within seconds."""


class Checked(BaseModel):
    """What a portion of the runs showed."""

    checked: int
    """Runs of this portion."""
    snapshots: int
    """Those of them with a snapshot that is in use."""
    wrong: list[str]
    """Runs whose log says something else than their snapshot, or cannot be read. The snapshots are
    dropped."""
    cursor: str | None
    """Where the next portion begins. None: this was the last one."""


class SnapshotChecks:
    """All methods raise `Unavailable` while the store is away."""

    def __init__(self, run_log: RunLog) -> None:
        self._log = run_log

    async def check(self, run_id: str) -> Checked:
        """Look at one run. Raises `NotFound`."""
        await self._log.version(run_id)
        right = await self._is_right(run_id)
        wrong = [run_id] if right is False else []
        return Checked(checked=1, snapshots=int(right is not None), wrong=wrong, cursor=None)

    async def check_all(self, *, limit: int, cursor: str | None) -> Checked:
        """Look at about `limit` runs, newest first, from where `cursor` of the portion before
        points. Raises `Malformed` for a cursor that is not one of ours."""
        found = Checked(checked=0, snapshots=0, wrong=[], cursor=cursor)
        events = 0
        while found.checked < limit and events < EVENTS:
            page = await self._log.store.list_runs(limit=AT_ONCE, cursor=found.cursor)
            for head in page.heads:  # who sleeps has no snapshot
                right = None if head.asleep else await self._is_right(head.id)
                found.checked += 1
                found.snapshots += right is not None
                events += head.version if right is not None else 0
                if right is False:
                    found.wrong.append(head.id)
            found.cursor = page.cursor
            if found.cursor is None:
                break
        return found

    async def _is_right(self, run_id: str) -> bool | None:
        """None: the run has no snapshot, or none that anybody goes on from."""
        store = self._log.store
        tail = await store.latest(run_id, code())
        if not tail.snapshot:
            return None
        try:
            if not await differs(store, unseal(tail.snapshot, tail.known), tail.log[0]):
                return True
        except ValueError as error:
            log.error("a snapshot or its log cannot be read", run=run_id, error=str(error)[:200])
        else:
            log.error("a snapshot is not what the log says", run=run_id, version=tail.known)
        await store.drop_snapshot(run_id)
        return False
