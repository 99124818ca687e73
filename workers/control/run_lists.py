"""Lists of runs, as people and programs ask for them; and how runs that an earlier version stored
get into them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Unpack

from ponderd.channels.errors import Malformed, NotFound, Unavailable
from ponderd.channels.text import one_line
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.views import RunPage, run_summary
from ponderd.workers.execution.leases import projection
from ponderd.workers.run.state import Status
from ponderd.workers.store.contract import Projection
from ponderd.workers.store.listings import REASONS, Filters, Head
from ponderd.workers.store.people import people_of

CHANNELS = ("api", "email", "schedule", "slack", "sms", "terminal", "webhook")

READ_AT_ONCE = 200
"""Most logs that are read for one page: of runs of which no list says who wrote to them."""

MOVED_AT_ONCE = 200
"""Runs of an earlier version that are moved at a time, of each shard."""

DESCRIBED_AT_ONCE = 20
"""Logs of an earlier version that are read at a time."""


class RunLists:
    """All methods raise `Unavailable` while the store is away."""

    def __init__(self, log: RunLog, agents: Collection[str] = ()) -> None:
        self._log = log
        self._agents = agents

    async def page(self, *, limit: int, cursor: str | None, **filters: Unpack[Filters]) -> RunPage:
        """List at most `limit` runs, newest first, from where `cursor` of the page before points.
        Raises `Malformed` for an unknown cursor or a value of a filter that no run can have."""
        if person := filters.get("person"):
            filters["person"] = person.lower()
            limit = min(limit, READ_AT_ONCE)
        await self._check(filters)
        found = await self._log.store.list_runs(limit=limit, cursor=cursor, **filters)
        heads = [
            head
            for head in found.heads
            if head.id not in found.unread or await self._wrote(person, head)
        ]
        return RunPage(runs=[run_summary(head) for head in heads], cursor=found.cursor)

    async def index(self) -> bool:
        """Put some runs that an earlier version stored into the lists. False if there are none."""
        store = self._log.store
        if await store.index_runs(MOVED_AT_ONCE):
            return True
        unread = await store.unread(DESCRIBED_AT_ONCE)
        for run_id in unread:
            await self._describe(run_id)
        return bool(unread)

    async def tidy(self) -> None:
        """Take runs out of lists in which a worker of an earlier version left them."""
        await self._log.store.tidy()

    async def _describe(self, run_id: str) -> None:
        store = self._log.store
        log, head = await store.load(run_id), await store.head(run_id)
        asking = Projection("")
        if head and head.waiting_for == "approval":
            with contextlib.suppress(Unavailable, NotFound):  # a newer ponderd wrote it; it is gone
                history = await self._log.read(run_id)
                log, asking = log[: len(history.events)], projection(history.run)
        people = people_of(log)
        await store.describe(run_id, len(log), people, asking.asked_at, asking.asks)

    async def _wrote(self, person: str | None, head: Head) -> bool:
        return person is None or person.lower() in people_of(await self._log.store.load(head.id))

    async def _check(self, filters: Filters) -> None:
        """Raises `Malformed` for what no run can have: a mistake would look like an empty list."""
        _one_of("status", filters.get("status"), tuple(Status))
        _one_of("waiting_for", filters.get("waiting_for"), REASONS)
        if (person := filters.get("person")) is not None:
            channel, _, name = person.partition(":")
            if channel not in CHANNELS or not name:
                raise Malformed(
                    "person is a channel and who somebody is there, such as email:ana@example.com "
                    f"or slack:t0123/u0123, not {one_line(person, 80)}"
                )
        agent, channel_wanted = filters.get("agent"), filters.get("channel")
        if agent in (None, *self._agents) and channel_wanted in (None, *CHANNELS):
            return
        origins = await self._log.store.origins()
        if origins.all:  # also agents that are gone have runs
            _one_of("agent", agent, {*self._agents, *(of for _, of in origins.known)})
            _one_of("channel", channel_wanted, {*CHANNELS, *(one for one, _ in origins.known)})


def _one_of(name: str, value: str | None, known: Collection[str]) -> None:
    if value is not None and value not in known:
        said = ", ".join(sorted(known)) or "none yet"
        raise Malformed(f"no {name} is called {one_line(value, 80)}; known: {said}")
