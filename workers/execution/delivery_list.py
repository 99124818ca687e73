"""The list of what did not arrive, which the store keeps for operators. Raises `Unavailable`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from ponderd.workers.execution.deliveries import Delivery, deliveries_of
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import RunStore
from ponderd.workers.store.tables import Row

UNDELIVERED = "undelivered"
"""The table in which they stand by run, those that failed first in front."""

ADOPTED_AT_ONCE = 64


class Undelivered(BaseModel):
    """What of one run is undelivered, as it was at one version of it."""

    version: int
    deliveries: tuple[Delivery, ...]


class ListedRow(NamedTuple):
    place: str
    run_id: str
    entry: Undelivered | None
    """None: a newer ponderd wrote it."""
    left: int
    """How many rows come after it."""


async def list_deliveries(store: RunStore, run: Run) -> Undelivered | None:
    """Let operators see what of the run is undelivered, and return it. None: nothing is."""
    if found := deliveries_of(run):
        entry = Undelivered(version=run.version, deliveries=found)
        await _put(store, run.id, entry)
        return entry
    await store.drop_row(UNDELIVERED, run.id)
    return None


async def listed_rows(store: RunStore, after: str, limit: int) -> AsyncIterator[ListedRow]:
    """At most `limit` rows after a place ("": from the beginning)."""
    await _adopt(store)
    page = await store.rows(UNDELIVERED, after, limit)
    left = page.left + len(page.rows)
    for place, run_id, value in page.rows:
        left -= 1
        yield ListedRow(place, run_id, _parse(value), left)


async def count_deliveries(store: RunStore) -> dict[str, int]:
    """By state: trying, mendable (trying, too, but an operator has to mend something) and
    undelivered."""
    await _adopt(store)
    return {"trying": 0, "mendable": 0, "undelivered": 0} | await store.sums(UNDELIVERED)


async def _put(store: RunStore, run_id: str, entry: Undelivered) -> None:
    since = min(delivery.since.timestamp() for delivery in entry.deliveries)
    counts = Counter(
        "mendable" if found.state == "trying" and found.mendable else found.state
        for found in entry.deliveries
    )
    row = Row(f"{max(0, round(since * 1e6)):017d}", entry.model_dump_json().encode(), counts)
    await store.set_row(UNDELIVERED, run_id, row)


async def _adopt(store: RunStore) -> None:
    """Take over what workers of an earlier version put into a box. They may do so until the last of
    them is gone. If this ends early, the next one goes on."""

    async def move(run_id: str, entry: Undelivered) -> None:
        await _put(store, run_id, entry)
        await store.drop(UNDELIVERED, run_id)

    box = await store.box(UNDELIVERED)
    found = [(run_id, entry) for run_id, value in box.items() if (entry := _parse(value))]
    for start in range(0, len(found), ADOPTED_AT_ONCE):
        some = found[start : start + ADOPTED_AT_ONCE]
        await asyncio.gather(*(move(*one) for one in some))


def _parse(value: bytes) -> Undelivered | None:
    try:
        return Undelivered.model_validate_json(value)
    except ValidationError:
        return None
