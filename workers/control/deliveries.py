"""What did not arrive, of all runs: listed, counted, and sent again."""

from __future__ import annotations

import asyncio
import re

from pydantic import BaseModel

from ponderd.channels.errors import Conflict, Malformed, NotFound
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.execution.deliveries import Delivery, deliveries_of
from ponderd.workers.execution.delivery_list import (
    UNDELIVERED,
    Undelivered,
    count_deliveries,
    list_deliveries,
    listed_rows,
)

SAMPLE = 20
"""Runs that are looked at anew whenever deliveries are counted."""

MOST = 1000
"""Most runs of a portion, if nobody says how many."""

BITE = 500
"""Rows that are read at once."""

LOOKED_THROUGH = 5000
"""Rows that are looked through for a portion, at most. Then it ends, and `next` goes on."""

AT_ONCE = 16
"""Runs that are changed at the same time."""


class Wanted(BaseModel):
    """Which deliveries are meant; None: any."""

    to: str | None = None
    """The beginning of their address, such as "slack:C0123" or "https://example.com/"."""
    agent: str | None = None
    error: str | None = None
    """A part of why they did not arrive, in any case."""

    def of(self, entry: Undelivered) -> list[Delivery]:
        return [found for found in entry.deliveries if self._fits(found)]

    def _fits(self, found: Delivery) -> bool:
        return (
            (self.to is None or found.to.startswith(self.to))
            and (self.agent is None or found.agent == self.agent)
            and (self.error is None or self.error.lower() in found.error.lower())
        )


ALL = Wanted()


class Portion(BaseModel):
    """Some deliveries of many."""

    deliveries: list[Delivery]
    left: int = 0
    """How many runs there are on the list after these, also such as are not wanted."""
    next: str | None = None
    """The cursor that goes on with those. None: there are none."""


class Deliveries:
    """Reads the list that workers keep. It may name what has arrived or was answered elsewhere
    since; such entries are tidied away when they are met. All methods raise `Unavailable`."""

    def __init__(self, log: RunLog, runs: Runs) -> None:
        self._log = log
        self._runs = runs
        self._counted_to = ""

    async def listed(
        self, wanted: Wanted = ALL, *, cursor: str | None = None, limit: int = MOST
    ) -> Portion:
        """Those of the next `limit` runs, oldest first. Raises `Malformed` for a cursor that is
        none of ours."""
        place, left, looked = _place(cursor), 1, 0
        runs, found = 0, list[Delivery]()
        while left and runs < limit and looked < LOOKED_THROUGH:
            left, bite = 0, BITE if wanted != ALL else min(BITE, limit - runs)
            async for row in listed_rows(self._log.store, place, bite):
                place, left, looked = row.place, row.left, looked + 1
                if row.entry is None or not wanted.of(row.entry):
                    continue
                entry = await self._current(row.run_id, row.entry)
                if fitting := wanted.of(entry) if entry else []:
                    runs, found = runs + 1, found + fitting
                if runs == limit:
                    break
        return Portion(
            deliveries=sorted(found, key=lambda delivery: delivery.since),
            left=left,
            next=place.replace(" ", ":", 1) if left else None,
        )

    async def counted(self) -> dict[str, int]:
        """How many there are by state: trying, mendable (trying, too, but an operator has to mend
        something) and undelivered."""
        left = 0
        async for row in listed_rows(self._log.store, self._counted_to, SAMPLE):
            self._counted_to, left = row.place, row.left
            if row.entry:
                await self._current(row.run_id, row.entry)
        if not left:  # begin anew
            self._counted_to = ""
        return await count_deliveries(self._log.store)

    async def retry(self, run_id: str, by: str, keys: tuple[str, ...] = ()) -> list[Delivery]:
        """Send again what of a run is undelivered, or the replies with these keys; return it.
        Raises `NotFound`, `Conflict` if there is nothing."""
        run = await self._runs.retry_deliveries(run_id, by, keys)
        return [found for found in deliveries_of(run) if not keys or found.key in keys]

    async def retry_all(
        self,
        by: str,
        wanted: Wanted = ALL,
        *,
        cursor: str | None = None,
        limit: int = MOST,
    ) -> Portion:
        """Send again what is undelivered of the next `limit` runs; return it. Raises `Malformed`
        as `listed` does."""
        portion = await self.listed(wanted, cursor=cursor, limit=limit)
        keys: dict[str, list[str]] = {}
        for delivery in portion.deliveries:
            keys.setdefault(delivery.run_id, []).append(delivery.key)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def retry(run_id: str) -> list[Delivery]:
            async with at_once:
                try:
                    return await self.retry(run_id, by, tuple(keys[run_id]))
                except (Conflict, NotFound):  # it arrived meanwhile, or nobody has it any more
                    return []

        found = await asyncio.gather(*map(retry, keys))
        return portion.model_copy(update={"deliveries": [sent for some in found for sent in some]})

    async def _current(self, run_id: str, entry: Undelivered) -> Undelivered | None:
        """The entry brought up to date: the run may have gone on without the worker's telling."""
        store = self._log.store
        current: Undelivered | None = entry
        try:
            while current and await self._log.version(run_id) != current.version:
                current = await list_deliveries(store, await self._log.latest(run_id))
        except NotFound:
            await store.drop_row(UNDELIVERED, run_id)
            return None
        return current


def _place(cursor: str | None) -> str:
    """Where a list goes on: after the moment and the run of a row."""
    if cursor is None:
        return ""
    if not re.fullmatch(r"\d{17}:\S+", cursor, re.ASCII):
        raise Malformed(f"{cursor[:50]!r} is not a cursor of this list")
    return cursor.replace(":", " ", 1)
