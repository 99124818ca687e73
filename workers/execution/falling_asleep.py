"""Runs that wait for long fall asleep: what is kept of them in the store is a head, and their logs
go to the archive. `waking` brings them back."""

from __future__ import annotations

from functools import partial

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.archive_readers import all_read
from ponderd.workers.execution.waking import Waking
from ponderd.workers.store.archive import ROUND, Archive, each_of
from ponderd.workers.store.asleep import mark_of
from ponderd.workers.store.contract import RunStore
from ponderd.workers.store.cursors import Place

log = structlog.get_logger(__name__)

IDLE = 3600.0
"""Seconds for which a run must not become due: one that wakes soon is left alone."""

LOOKED_AT = 2_000
"""Most runs that one round looks at, of each status. The next one goes on there."""

PAGE = 200

_PLACE = "falling asleep:"
"""Before the status: how far the rounds have come, in the store."""


async def send_to_sleep(store: RunStore, archive: Archive, run_id: str, idle: float = IDLE) -> bool:
    """Move the log of a run to the archive. Returns whether it was done: not if it does not wait,
    is held, due within `idle` seconds, or changed meanwhile, or its file cannot be written. Raises
    `Unavailable` if nothing can; then the run is as it was."""
    events = await store.load(run_id)
    if not events:
        return False
    mark = mark_of(events)
    try:
        await archive.put(run_id, events)
        kept = await archive.get(run_id) or ()
    except Unavailable as error:
        await archive.identity()  # if only this file cannot be written, others may sleep
        log.warning("a run stays awake", run=run_id, error=str(error))
        return False
    if mark_of(kept[: len(events)]) != mark:
        log.error("the archive does not give back what it was given", run=run_id)
        return False
    return await store.sleep(run_id, len(events), events[-1], mark, idle)


def pause(after: float) -> float:
    """Seconds between two rounds, where runs fall asleep after `after` seconds (0: never)."""
    return max(1.0, min(after / 4, ROUND)) if after else ROUND


async def sleep_round(store: RunStore, archive: Archive, *, owner: str, after: float) -> int:
    """Send to sleep whatever waits and did not change for `after` seconds; returns how many did
    fall asleep. Every worker calls this with a `pause`, and the first one in a round does it.
    Raises `Unavailable`."""
    if await store.remember("falling asleep", owner, pause(after) * 0.9) != owner:
        return 0
    if not await all_read(store, archive):
        log.debug("no run falls asleep: not all processes are known to read the same archive")
        return 0
    asleep, before = 0, await store.now() - after
    send = partial(send_to_sleep, store, archive, idle=min(IDLE, after))
    for status in ("WAITING", "PAUSED"):
        place = await store.recall(_PLACE + status)
        cursor = place or Place(round(before * 1000), "~").cursor  # those made since are awake
        for _ in range(0, LOOKED_AT, PAGE):
            page = await store.list_runs(limit=PAGE, cursor=cursor, status=status)
            tired = [h.id for h in page.heads if h.updated_at < before and not h.asleep]
            asleep += sum(await each_of(tired, send))
            cursor = page.cursor or ""
            if not cursor:
                break
        await store.overwrite(_PLACE + status, cursor)
    if asleep:
        log.info("runs fell asleep", runs=asleep)
    return asleep


async def wake_round(store: Waking, *, owner: str) -> int:
    """Wake all runs, where none is to sleep any more; returns how many woke. Every worker calls
    this every `ROUND` seconds, and the first one does it. Raises `Unavailable`, after the others
    were woken."""
    first = await store.remember("falling asleep", owner, ROUND * 0.9)
    if first != owner or not (await store.gauges()).asleep:
        return 0
    woken, problems = 0, list[Unavailable]()
    for status in ("WAITING", "PAUSED", "READY", "SET_ASIDE"):
        cursor: str | None = None
        while True:
            page = await store.list_runs(limit=PAGE, cursor=cursor, status=status)
            for head in page.heads:
                if head.asleep:
                    try:
                        woken += await store.wake_up(head.id)
                    except Unavailable as error:
                        problems.append(error)
            cursor = page.cursor
            if cursor is None:
                break
    if woken:
        log.info("runs woke", runs=woken)
    if problems:
        raise problems[0]
    return woken
