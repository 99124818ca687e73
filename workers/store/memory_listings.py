"""Lists of runs in memory, for unit tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from ponderd.workers.store.asleep import length_of
from ponderd.workers.store.contract import FINISHED, Projection
from ponderd.workers.store.cursors import Place, parse_cursor
from ponderd.workers.store.listings import (
    Asking,
    AskingPage,
    Filters,
    Head,
    HeadPage,
    Origins,
    fits,
)


@dataclass
class ListedRun:
    head: Head
    conversation_key: str
    log: list[bytes]
    token: int
    lease_until: float = 0  # in the lease time of its shard
    leased_at: float | None = None
    snapshot: bytes = b""
    deaths: int = 0
    people: set[str] = field(default_factory=set)
    asked_at: float = 0
    asks: tuple[int, bytes] = (0, b"")  # the version of which it was true
    asleep: str = ""  # its mark; then `log` holds what came since

    @property
    def version(self) -> int:
        return (length_of(self.asleep) if self.asleep else 0) + len(self.log)


class MemoryLists(ABC):
    """Implements `StoreLists`. There are no runs of earlier versions."""

    _runs: dict[str, ListedRun]
    _origins: set[tuple[str, str]]

    @abstractmethod
    def _now(self) -> float: ...

    async def head(self, run_id: str) -> Head | None:
        self._now()
        run = self._runs.get(run_id)
        return run.head if run else None

    async def list_runs(
        self, *, limit: int, cursor: str | None, **filters: Unpack[Filters]
    ) -> HeadPage:
        self._now()
        after, person = parse_cursor(cursor), filters.get("person")
        found = {
            _place(run.head): run.head
            for run in self._runs.values()
            if fits(run.head, filters) and (person is None or person in run.people)
        }
        places = sorted((place for place in found if after is None or place < after), reverse=True)
        shown = places[:limit]
        more = shown[-1].cursor if len(places) > limit else None
        return HeadPage(tuple(found[place] for place in shown), more)

    async def asking(self, *, limit: int, cursor: str | None) -> AskingPage:
        self._now()
        after = parse_cursor(cursor)
        found = dict(
            _asking(run) for run in self._runs.values() if run.head.waiting_for == "approval"
        )
        places = sorted(place for place in found if after is None or place > after)
        shown = places[:limit]
        more = shown[-1].cursor if len(places) > limit else None
        return AskingPage(tuple(found[place] for place in shown), more)

    async def origins(self) -> Origins:
        self._now()
        return Origins(frozenset(self._origins), True)

    async def finished(self, before: float, limit: int) -> list[str]:
        self._now()
        heads = [run.head for run in self._runs.values() if run.head.status in FINISHED]
        old = [(head.updated_at, head.id) for head in heads if head.updated_at < before]
        return [run_id for _, run_id in sorted(old)[:limit]]

    async def index_runs(self, limit: int) -> int:
        self._now()
        return 0

    async def unread(self, limit: int) -> list[str]:
        self._now()
        return []

    async def describe(
        self, run_id: str, version: int, people: Sequence[str], asked_at: float, asks: bytes
    ) -> None:
        self._now()

    async def tidy(self) -> None:
        self._now()

    def _project(self, run: ListedRun, projection: Projection, now: float) -> None:
        asked = run.head.waiting_for == "approval"
        run.head = replace(
            run.head,
            status=projection.status,
            waiting_for=projection.waiting_for,
            version=run.version,
            updated_at=now,
        )
        if projection.waiting_for != "approval":
            run.asks = (0, b"")
        elif projection.asks:
            run.asked_at, run.asks = projection.asked_at, (run.version, projection.asks)
        elif not asked:
            run.asked_at = now


def _place(head: Head) -> Place:
    return Place(round(head.created_at * 1000), head.id)


def _asking(run: ListedRun) -> tuple[Place, Asking]:
    place = Place(round(run.asked_at * 1000), run.head.id)
    version, shown = run.asks
    kept = shown if version == run.version else b""
    return place, Asking(run.head.id, run.head.agent, kept, place.cursor)
