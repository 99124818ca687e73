"""Runs that failed or were set aside, brought on again: one, or all that match, in portions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from ponderd.channels.errors import Conflict, NotFound
from ponderd.channels.text import one_line
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.views import RunView, run_view
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.contract import TRIGGER_TTL
from ponderd.workers.store.listings import Head

PORTION = 100
"""Most runs that one request looks at, so that it ends within seconds."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Which runs are meant. What is None does not matter."""

    agent: str | None = None
    since: datetime | None = None
    """They changed last at this time or later."""
    until: datetime | None = None
    """They changed last before this time."""
    error: str | None = None
    """A part of their error, in any case. One that was set aside says it in its question."""
    status: Literal["FAILED", "SET_ASIDE"] = "FAILED"

    def may_fit(self, head: Head) -> bool:
        """Whether all fits but the error, which the list does not know."""
        began = self.since is None or head.updated_at >= self.since.timestamp()
        return began and (self.until is None or head.updated_at < self.until.timestamp())

    def fits(self, run: Run) -> bool:
        wanted = (self.error or "").casefold()
        said = run.work.approval.text if run.work.approval else run.error or ""
        return run.status == self.status and wanted in said.casefold()


class Retried(BaseModel):
    """What became of one portion."""

    matched: int
    """Runs of this portion that are meant."""
    retried: list[str]
    """Those that go on now. Empty if they were only to be counted."""
    cursor: str | None
    """Where the next portion begins. None: this was the last one."""


class Retries:
    """Brings runs on from the step that failed, or came to nothing so often that the run was set
    aside. All methods raise `Unavailable`."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    async def retry(
        self, run_id: str, by: str, keys: tuple[str, ...] = (), digest: str = ""
    ) -> RunView:
        """Bring one run on. One that is only in the archive comes back. `keys` and `digest` as in
        `Trigger`.

        Raises `NotFound`; `Conflict` if it neither failed nor was set aside, or if it is archived
        and another run has its conversation by now.
        """
        again = bool(keys) and await self._knows(keys[0], run_id)
        if not again:
            _must_be_stuck(await self._log.latest(run_id))
        event = e.RunRetried(at=self._log.clock(), by=by)

        def is_it(run: Run) -> bool:
            return run.id == run_id

        if await self._log.admit_to_if(is_it, run_id, keys, event, digest) is None:
            raise Conflict(f"the conversation of run {run_id} goes on in another run by now")
        return run_view(await self._log.latest(run_id))

    async def retry_all(
        self,
        failed: Failed,
        by: str,
        *,
        cursor: str | None = None,
        limit: int = PORTION,
        dry_run: bool = False,
        key: str = "",
        digest: str = "",
    ) -> Retried:
        """Bring on those that are meant among the next `limit` runs, newest first; with
        `dry_run` only count them. With `key`, each goes on once, however often it is asked for.

        Raises `Conflict` if the key came with another `digest`, `Malformed` for a cursor that is
        not one of ours.
        """
        bound = f"retries:{key}"
        if key and (await self._log.store.recall(bound) or digest) != digest:
            raise Conflict("this Idempotency-Key came before with another request")
        page = await self._log.store.list_runs(
            status=Status(failed.status), agent=failed.agent, limit=limit, cursor=cursor
        )
        matched, retried = 0, list[str]()
        for head in filter(failed.may_fit, page.heads):
            if failed.error and not failed.fits(await self._log.latest(head.id)):
                continue
            matched += 1
            if dry_run or (key and await self._knows(f"{key}:{head.id}", head.id)):
                continue
            try:
                await self.retry(head.id, by, (f"{key}:{head.id}",) if key else (), digest)
            except (Conflict, NotFound):  # it went on meanwhile, or only the archive has it
                continue
            retried.append(head.id)
            if key and len(retried) == 1:  # a key is used up only by what was done
                await self._log.store.remember(bound, digest, TRIGGER_TTL)
        return Retried(matched=matched, retried=retried, cursor=page.cursor)

    async def _knows(self, key: str, run_id: str) -> bool:
        try:
            return await self._log.store.knows(key, run_id)
        except ValueError:
            raise NotFound(f"there is no run {one_line(run_id, 80)}") from None


def _must_be_stuck(run: Run) -> None:
    if run.is_set_aside and not run.ended:
        return
    match run.status:
        case Status.FAILED:
            return
        case Status.CANCELLED:
            raise Conflict(f"run {run.id} was cancelled; what was cancelled is not retried")
        case Status.COMPLETED:
            raise Conflict(f"run {run.id} is COMPLETED; there is nothing to retry")
        case status:
            raise Conflict(f"run {run.id} is {status}; it has not failed")
