"""Runs that people watch live. All watchers of a process share one look at the store, and all of a
run share what is read of it; each has only its place in it, so that a slow one holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from ponderd.channels.errors import Unavailable
from ponderd.workers.control.run_log import RunLog, newer
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import FINISHED, Run

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.1
"""Between two looks whether any run that is watched has new events."""

KEPT = 128
"""New events of a run that are kept for its watchers. One that lags further behind reads them
itself."""

AT_ONCE = 8
"""Runs whose new events are read at the same time."""


class Step(NamedTuple):
    """What is new in a run."""

    events: tuple[tuple[int, str], ...]
    """Each with its number, written as `write_event` does it."""
    status: str
    """The run after them, as `write_run` writes it."""
    over: bool


class _Watched:
    """A run, as it is known to all its watchers."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.status = ""
        self.recent: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self.watchers = 0
        self.changed = asyncio.Event()
        self.failed: Unavailable | None = None

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Watching:
    """Follows runs. `write_event` and `write_run` are called once for all watchers of a run."""

    def __init__(
        self,
        run_log: RunLog,
        write_event: Callable[[int, e.Event], str],
        write_run: Callable[[Run], str],
    ) -> None:
        self._log = run_log
        self._write_event = write_event
        self._write_run = write_run
        self._watched: dict[str, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None

    async def follow(
        self, run_id: str, after: int, pause: float
    ) -> AsyncGenerator[Step | None, None]:
        """Yield what comes after event number `after`, until the run is over; the first time at
        once, even if nothing is new. None: nothing came for `pause` seconds. Waits for a store that
        is away. Raises `NotFound`, and `Unavailable` at first, or for what only a newer ponderd can
        read."""
        run = await self._log.latest(run_id)
        watched = self._watched.setdefault(run_id, _Watched(run))
        watched.watchers += 1
        try:
            if watched.run.version < run.version:
                await self._catch_up(watched)
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            sent = -1
            while True:
                changed = watched.changed
                if watched.failed:
                    raise watched.failed
                if sent < 0 or watched.run.version > sent:
                    step, sent = await self._step(watched, after if sent < 0 else sent)
                    yield step
                    if step.over:
                        return
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), pause)
                except TimeoutError:
                    yield None
        finally:
            watched.watchers -= 1
            if not watched.watchers and self._watched.get(run_id) is watched:
                del self._watched[run_id]
            if not self._watched and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _step(self, watched: _Watched, sent: int) -> tuple[Step, int]:
        """What comes after event number `sent`, and the number of the last one."""
        run, status = watched.run, watched.status or self._write_run(watched.run)
        watched.status = status
        kept = tuple(one for one in watched.recent if one[0] > sent)
        if sent < run.version and (not kept or kept[0][0] != sent + 1):
            kept = await self._read(run.id, sent, run.version)
        return Step(kept, status, run.status in FINISHED), run.version

    async def _read(self, run_id: str, after: int, until: int) -> tuple[tuple[int, str], ...]:
        """The events from after one number until another one, as they are written."""
        found = await self._log.between(run_id, after, until)
        return tuple((n, self._write_event(n, event)) for n, event in enumerate(found, after + 1))

    async def _look(self) -> None:
        """Look for news of all runs, for ever. No error may end it."""
        away = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                run_ids = list(self._watched)
                versions = await self._log.store.versions(run_ids)
                now = dict(zip(run_ids, versions, strict=True))
                grown = [
                    watched
                    for run_id, watched in self._watched.items()
                    if now.get(run_id, 0) not in (0, watched.run.version)
                ]
                for first in range(0, len(grown), AT_ONCE):
                    await asyncio.gather(*map(self._try, grown[first : first + AT_ONCE]))
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("watchers wait: state server away", error=str(error))
                away = True
            except Exception:
                log.exception("a look at the runs that are watched failed")

    async def _try(self, watched: _Watched) -> None:
        """Catch up, or end its streams: a run of which nothing can be made keeps no others back."""
        try:
            await self._catch_up(watched)
        except Unavailable:
            raise
        except Exception:
            log.exception("a run cannot be followed", run=watched.run.id)
            watched.failed = Unavailable("the run cannot be followed; the log says more")
            watched.wake()

    async def _catch_up(self, watched: _Watched) -> None:
        run, known = watched.run, watched.run.version
        found = await self._log.store.load(run.id, known)
        latest = run if found else await self._log.latest(run.id)
        if watched.run is not run:  # somebody else was faster
            return
        if not found:  # another server has taken over, which lacks the last ones
            watched.run, watched.status = latest, ""
            watched.recent.clear()
            return
        try:
            events = e.decode_all(found)
        except ValidationError:
            watched.failed = newer(run.id)
        else:
            watched.run, watched.status = fold(events, run), ""
            for number, event in enumerate(events, known + 1):
                watched.recent.append((number, self._write_event(number, event)))
        watched.wake()
