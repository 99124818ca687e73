"""Waking runs that are asleep (see `falling_asleep`): their logs come back from the archive of
PONDERD_ASLEEP.

Nothing is done with a run that is asleep before its log is back. The copy in the archive stays
until a longer one replaces it. So whoever dies in between leaves the log in both places.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.stranded import STRANDED, Stranded
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.asleep import AsleepError, length_of, mark_of
from ponderd.workers.store.contract import (
    Admission,
    Claim,
    Projection,
    RunStore,
    Tail,
    VersionConflict,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRIES = 3
"""Times that a run is woken for one thing: somebody may send it to sleep again in between."""

REST_SECONDS = 5.0
"""After the archive did not answer, it is asked again only after so long: each question may take
long, and holds a slot."""


def waking(store: RunStore, archive: Archive) -> RunStore:
    """`store`, with runs that are asleep woken for whoever writes to them, and read where they
    are for whoever reads. Where that cannot be, it raises `Unavailable`, and the run waits."""
    return cast(RunStore, Waking(store, archive))


class Waking:
    """What `waking` returns. All that is not here is the store's."""

    def __init__(self, store: RunStore, archive: Archive) -> None:
        self._store = store
        self.admit, self.commit = store.admit, store.commit  # for each step: looked up once
        self._archive = archive
        self._away_until = 0.0
        self._away = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, run_id: str, owner: str, lease: float, code: str = "") -> Claim | None:
        async def claim() -> Claim | None:
            asked_at = time.monotonic()  # waking may have taken longer than the lease
            found = await self._store.claim(run_id, owner, lease, code)
            return found and replace(found, asked_at=asked_at)

        return await self._awake(run_id, claim)

    async def signal(
        self,
        run_id: str,
        version: int,
        event: bytes,
        projection: Projection,
        people: Sequence[str] = (),
    ) -> Admission | VersionConflict:
        async def signal() -> Admission | VersionConflict:
            return await self._store.signal(run_id, version, event, projection, people)

        return await self._awake(run_id, signal)

    async def load(self, run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
        try:
            return await self._store.load(run_id, after, limit)
        except AsleepError as asleep:
            kept = length_of(asleep.mark)
            if after >= kept:  # what the archive has is not wanted
                found = asleep.late[after - kept :]
            else:
                found = (*(await self._read(run_id, asleep.mark))[after:], *asleep.late)
            return found[:limit] if limit else found

    async def latest(self, run_id: str, code: str, known: int = 0, last: bytes = b"") -> Tail:
        try:
            return await self._store.latest(run_id, code, known, last)
        except AsleepError as asleep:
            return Tail(0, b"", (*await self._read(run_id, asleep.mark), *asleep.late))

    async def wake_up(self, run_id: str) -> bool:
        """Wake a run, and do nothing else with it. Returns whether it was asleep."""
        try:
            await self._store.load(run_id, 0, 1)
        except AsleepError as asleep:
            return await self._bring_back(run_id, asleep.mark)
        return False

    async def _bring_back(self, run_id: str, mark: str) -> bool:
        try:
            kept = await self._read(run_id, mark)
        except Unavailable:
            await self._strand(run_id)
            raise
        if woken := await self._store.wake(run_id, mark, kept):
            await self._store.drop(STRANDED, run_id)
        return woken

    async def _awake(self, run_id: str, do: Callable[[], Awaitable[T]]) -> T:
        for _ in range(TRIES):
            try:
                return await do()
            except AsleepError as asleep:
                await self._bring_back(run_id, asleep.mark)
        raise Unavailable(f"run {run_id} falls asleep whenever it is woken")

    async def _strand(self, run_id: str) -> None:
        """Let operators see the run."""
        if head := await self._store.head(run_id):
            entry = Stranded(
                version=head.version, reason="archive", agent=head.agent, since=head.updated_at
            )
            await self._store.put(STRANDED, run_id, entry.model_dump_json().encode())

    async def _read(self, run_id: str, mark: str) -> tuple[bytes, ...]:
        """The log that was sent to sleep. Raises `Unavailable`."""
        if time.monotonic() < self._away_until:
            raise Unavailable(self._away)
        try:
            kept = await self._archive.get(run_id)
        except Unavailable as error:
            problem = f"the log of a run that sleeps cannot be had from PONDERD_ASLEEP: {error}"
            try:
                await self._archive.identity()
            except Unavailable:  # all of it is away, not one file
                self._away, self._away_until = problem, time.monotonic() + REST_SECONDS
            raise Unavailable(problem) from error
        found = (kept or ())[: length_of(mark)]
        if mark_of(found) != mark:
            raise Unavailable(
                f"PONDERD_ASLEEP {'has another' if kept else 'does not have the'} log of run "
                f"{run_id}, which sleeps: nothing can be done with the run until its file is back"
            )
        return found
