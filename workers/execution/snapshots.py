"""What is true of a run at one version, kept beside its log so that nobody folds all of it.

A snapshot is never the truth. One that is gone, cannot be read, does not fit the log or was made by
other code is passed over, and the log is folded as a whole. Now and then a worker folds it all the
same, and compares.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from ponderd import channels
from ponderd.channels.errors import Unavailable
from ponderd.workers import run as run_package
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import RunStore, Tail
from ponderd.workers.store.redis_client import end_tasks
from ponderd.workers.thinking.outcomes import FROM_OUTSIDE

log = structlog.get_logger(__name__)

EVENTS = 64
"""Fewest events from one snapshot of a run to the next."""

AT_WORK = 4
"""So many times as many, while a worker goes on with the run."""

SHARE = 16
"""Events that a worker folds for checks, for each snapshot that it uses, on average."""

WORDS = ("event_ref", "message", "own_words", "people", "text", "words")
"""The parts of `channels` that a fold depends on, beside all of `workers.run`."""


@functools.cache
def code() -> str:
    """What tells the code that folds runs here from that of other versions of ponderd."""
    root = Path(str(channels.__file__)).parent
    parts = [root / name if (root / name).is_dir() else root / f"{name}.py" for name in WORDS]
    found = hashlib.sha1()
    for part in (Path(str(run_package.__file__)).parent, *parts):
        for file in sorted(part.glob("*.py")) if part.is_dir() else [part]:
            found.update(file.read_bytes())
    return found.hexdigest()


@functools.cache
def _codec() -> TypeAdapter[Run]:
    return TypeAdapter(Run)


def seal(run: Run, last: bytes) -> bytes:
    """A snapshot of `run`, of which `last` is the newest event. Empty if it cannot be written."""
    try:
        state = _codec().dump_json(run, exclude_defaults=True)
    except ValueError as error:
        log.warning("no snapshot", run=run.id, error=str(error)[:200])
        return b""
    return (
        b"%d %s %s\n" % (run.version, hashlib.sha1(last).hexdigest().encode(), code().encode())
        + state
    )


def unseal(snapshot: bytes, version: int) -> Run:
    """The run in a snapshot that the store found to fit. Raises `ValueError`."""
    try:
        run = _codec().validate_json(snapshot.partition(b"\n")[2])
    except ValidationError as error:
        raise ValueError(str(error)[:200]) from None
    if run.version != version:
        raise ValueError(f"it is one of version {run.version}, not {version}")
    return run


async def whole(store: RunStore, run_id: str, tail: Tail) -> tuple[Run | None, tuple[bytes, ...]]:
    """The run of which `tail` was read with no event known, as far as its snapshot goes, and the
    events after that. Without a snapshot, or with one that cannot be read: None, and all events."""
    if not tail.snapshot:
        return None, tail.log
    try:
        return unseal(tail.snapshot, tail.known), tail.log[1:]
    except ValueError as error:
        log.warning("a snapshot cannot be read", run=run_id, error=str(error))
        await store.drop_snapshot(run_id)
        return None, (await store.load(run_id))[: tail.version]


async def newest(store: RunStore, run_id: str) -> Run | None:
    """The run as it is now; None if the store does not have it. Raises `Unavailable`, and
    `pydantic.ValidationError` for events that only a newer ponderd knows."""
    tail = await store.latest(run_id, code())
    if not tail.log:
        return None
    run, rest = await whole(store, run_id, tail)
    return fold(e.decode_all(rest), run)


class Pace:
    """When the next snapshot of a run is worth its bytes: after `EVENTS` events that are together
    at least half as large as the last one."""

    def __init__(self, tail: Tail) -> None:
        self._events = tail.version - tail.known
        self._bytes = sum(map(len, tail.log))
        self._size = len(tail.snapshot)

    def saw(self, events: Sequence[bytes]) -> None:
        self._events += len(events)
        self._bytes += sum(map(len, events))

    def snapshot(self, run: Run, last: bytes, *, rests: bool) -> bytes:
        """A snapshot of `run` after its event `last`, if it is time for one; or empty. `rests`: the
        worker gives the run back."""
        if self._events < (EVENTS if rests else EVENTS * AT_WORK) or 2 * self._bytes < self._size:
            return b""
        # Who has the run next shows the observer what came from outside at the end of the log.
        return b"" if isinstance(e.decode(last), FROM_OUTSIDE) else seal(run, last)

    def kept(self, snapshot: bytes) -> None:
        if snapshot:
            self._events, self._bytes, self._size = 0, 0, len(snapshot)


class Snapshots:
    """The snapshots that one worker goes on from."""

    def __init__(self, store: RunStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._credit = 0
        self._checks: set[asyncio.Task[None]] = set()

    async def open(self, run_id: str, tail: Tail) -> tuple[Run | None, tuple[bytes, ...]]:
        """As `whole`, and looks after a share of the snapshots."""
        run, rest = await whole(self._store, run_id, tail)
        self._credit += SHARE if run else 0
        if run and self._credit >= run.version and not self._checks:
            self._credit -= run.version
            task = asyncio.create_task(self._check(run, tail.log[0]))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)
        return run, rest

    async def close(self) -> None:
        await end_tasks(self._checks)

    async def _check(self, run: Run, last: bytes) -> None:
        try:
            if await differs(self._store, run, last):
                log.error("a snapshot is not what the log says", run=run.id, version=run.version)
                self._metrics.snapshot_wrong()
                await self._store.drop_snapshot(run.id)
        except Unavailable as error:
            log.info("a snapshot was not checked", error=str(error))


async def differs(store: RunStore, run: Run, last: bytes) -> bool:
    """Whether the log up to the version of `run`, where `last` is, says something else. False, too,
    if the log is another one by now."""
    events = await store.load(run.id, 0, run.version)
    if len(events) < run.version or events[-1] != last:
        return False
    return await asyncio.to_thread(lambda: fold(map(e.decode, events))) != run
