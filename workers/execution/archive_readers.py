"""Which archive of logs that sleep each process reads: runs fall asleep only where all can wake
them.

A folder that is not shared looks the same on each host. So each archive has a name of its own.
Workers tell it with their agents (`fleet`), daemons here.
"""

from __future__ import annotations

import structlog
from pydantic import BaseModel, ValidationError

from ponderd.workers.execution.fleet import live_workers
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.contract import RunStore

log = structlog.get_logger(__name__)

READERS = "archive readers"
"""The box in which daemons tell."""

FIRST = "archive of runs that sleep"
"""Under it the store remembers the one in which runs sleep."""

TELL_SECONDS = 20.0
LIVE_SECONDS = 60.0
"""Seconds for which a daemon counts as alive after it told."""


class Reader(BaseModel):
    """What one daemon told."""

    at: float
    """Unix seconds, by the store's time."""
    archive: str


async def tell(store: RunStore, archive: Archive, owner: str) -> None:
    """Tell which archive this daemon reads. Call it every `TELL_SECONDS`. Raises `Unavailable`;
    then it counts as one that reads none."""
    reader = Reader(at=await store.now(), archive="")
    try:
        reader.archive = await archive.identity()
    finally:
        await store.put(READERS, owner, reader.model_dump_json().encode())


async def all_read(store: RunStore, archive: Archive) -> bool:
    """Whether at least one worker and one daemon live, and all that do read `archive`, and it is
    the one that was read first: not a folder where nothing is mounted today. A worker of an earlier
    version tells of none. Raises `Unavailable`."""
    now, mine = await store.now(), await archive.identity()
    daemons = set()
    for owner, told in (await store.box(READERS)).items():
        try:
            reader = Reader.model_validate_json(told)
        except ValidationError:  # a newer ponderd wrote it
            return False
        if abs(now - reader.at) <= LIVE_SECONDS:
            daemons.add(reader.archive)
        else:
            await store.drop(READERS, owner)
    workers = {known.archive for known in await live_workers(store, now)}
    if not daemons == workers == {mine}:
        return False
    first = await store.remember(FIRST, mine, ttl=None)
    if first != mine and not (await store.gauges()).asleep:  # nobody misses that one
        await store.overwrite(FIRST, mine)
    if line := await misplaced(store, archive):
        log.warning("no run falls asleep", why=line)
    return line is None


async def misplaced(store: RunStore, archive: Archive) -> str | None:
    """What is wrong if runs sleep elsewhere than in `archive`, and what to do. Raises
    `Unavailable`."""
    first = await store.recall(FIRST)
    if first is None or (mine := await archive.identity()) == first:
        return None
    return (
        f"PONDERD_ASLEEP is {mine} here, and runs sleep in {first}: mount that one; or, if all "
        f"their logs are here, write {first} into its file `identity`"
    )
