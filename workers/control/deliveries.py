"""What did not arrive, of all runs: listed, counted, and sent again."""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydantic import ValidationError

from ponderd.channels.errors import Conflict, NotFound
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


class Deliveries:
    """Reads the list that workers keep. It may name what has arrived or was answered elsewhere
    since; such entries are tidied away when they are met. All methods raise `Unavailable`."""

    def __init__(self, log: RunLog, runs: Runs) -> None:
        self._log = log
        self._runs = runs

    async def listed(self) -> list[Delivery]:
        """All of them, oldest first."""
        listed = await self._listed()
        await self._check(listed, listed.copy())
        found = (delivery for entry in listed.values() for delivery in entry.deliveries)
        return sorted(found, key=lambda delivery: delivery.since)

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

    async def retry(self, run_id: str, by: str) -> list[Delivery]:
        """Send again what of a run is undelivered; return it. Raises `NotFound`, `Conflict` if
        there is nothing."""
        await self._runs.retry_deliveries(run_id, by)
        return list(deliveries_of((await self._log.read(run_id)).run))

    async def retry_all(self, by: str) -> list[Delivery]:
        """Send again all that is undelivered; return it."""
        found: list[Delivery] = []
        for run_id in sorted({delivery.run_id for delivery in await self.listed()}):
            try:
                found += await self.retry(run_id, by)
            except (Conflict, NotFound):  # it arrived meanwhile, or only the archive has it
                continue
        return found

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
                run = (await self._log.read(run_id)).run
                entry = Undelivered(version=run.version, deliveries=deliveries_of(run))
                if entry.deliveries:
                    await store.put(UNDELIVERED, run_id, entry.model_dump_json().encode())
                else:
                    await store.drop(UNDELIVERED, run_id)
        except NotFound:
            await store.drop(UNDELIVERED, run_id)
            return None
        return entry if entry.deliveries else None
