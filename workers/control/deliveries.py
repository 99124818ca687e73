"""What did not arrive, of all runs: listed, counted, and sent again."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from ponderd.channels.errors import Conflict, Malformed, NotFound
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.execution.deliveries import (
    UNDELIVERED,
    Delivery,
    Undelivered,
    deliveries_of,
)

SAMPLE = 20
"""Runs that are looked at anew whenever deliveries are counted."""


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
    """How many runs with others there are after these."""
    next: str | None = None
    """The cursor that goes on with those. None: there are none."""


class Deliveries:
    """Reads the list that workers keep. It may name what has arrived or was answered elsewhere
    since; such entries are tidied away when they are met. All methods raise `Unavailable`."""

    def __init__(self, log: RunLog, runs: Runs) -> None:
        self._log = log
        self._runs = runs

    async def listed(
        self, wanted: Wanted = ALL, *, cursor: str | None = None, limit: int | None = None
    ) -> Portion:
        """Those of the next `limit` runs (None: of all others), oldest first. Raises
        `Malformed` for a cursor that is none of ours."""
        after, entries = _place(cursor), await self._listed()
        places = {
            run_id: (min(found.since.timestamp() for found in wanted.of(entry)), run_id)
            for run_id, entry in entries.items()
            if wanted.of(entry)
        }
        chosen = sorted((place, run_id) for run_id, place in places.items() if place > after)
        portion = {run_id: entries[run_id] for _, run_id in chosen[:limit]}
        left = len(chosen) - len(portion)
        last = places[next(reversed(portion))] if left else None
        await self._check(portion, portion.copy())
        found = [delivery for entry in portion.values() for delivery in wanted.of(entry)]
        return Portion(
            deliveries=sorted(found, key=lambda delivery: delivery.since),
            left=left,
            next=f"{last[0]!r}:{last[1]}" if last else None,
        )

    async def counted(self) -> dict[str, int]:
        """How many there are by state: trying, mendable (trying, too, but an operator has to mend
        something) and undelivered."""
        listed = await self._listed()
        await self._check(listed, random.sample(sorted(listed), min(SAMPLE, len(listed))))
        counts = {"trying": 0, "mendable": 0, "undelivered": 0}
        for entry in listed.values():
            for delivery in entry.deliveries:
                tries = delivery.state == "trying"
                counts["mendable" if tries and delivery.mendable else delivery.state] += 1
        return counts

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
        limit: int | None = None,
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

    async def _listed(self) -> dict[str, Undelivered]:
        listed = {}
        for run_id, entry in (await self._log.store.box(UNDELIVERED)).items():
            try:
                listed[run_id] = Undelivered.model_validate_json(entry)
            except ValidationError:  # a newer ponderd wrote it
                continue
        return listed

    async def _check(self, listed: dict[str, Undelivered], run_ids: Iterable[str]) -> None:
        """Bring entries up to date: the run may have gone on without the worker's telling."""
        for run_id in run_ids:
            if current := await self._current(run_id, listed[run_id]):
                listed[run_id] = current
            else:
                del listed[run_id]

    async def _current(self, run_id: str, entry: Undelivered) -> Undelivered | None:
        store = self._log.store
        try:
            while await self._log.version(run_id) != entry.version:
                run = await self._log.latest(run_id)
                entry = Undelivered(version=run.version, deliveries=deliveries_of(run))
                if entry.deliveries:
                    await store.put(UNDELIVERED, run_id, entry.model_dump_json().encode())
                else:
                    await store.drop(UNDELIVERED, run_id)
        except NotFound:
            await store.drop(UNDELIVERED, run_id)
            return None
        return entry if entry.deliveries else None


def _place(cursor: str | None) -> tuple[float, str]:
    """Where a list goes on: after a moment and a run."""
    if cursor is None:
        return -math.inf, ""
    since, _, run_id = cursor.partition(":")
    try:
        return float(since), run_id
    except ValueError:
        raise Malformed(f"{cursor[:50]!r} is not a cursor of this list") from None
