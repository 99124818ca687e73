"""Finding the runs that are due, and patience with their owners after the store was out of reach.
Workers take turns at it (`turns`).

Where the link between workers and store breaks, but the daemon still has one, leases go on ending.
When it is back, the owner of a run that knows an outcome must write it before another worker takes
the run.
"""

from __future__ import annotations

import time

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.turns import Left, Turns
from ponderd.workers.store.contract import POKE_GRACE, RunStore

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 0.5
BLIND = 0.5
"""Share of a lease for which a worker must have seen nothing of the store. A shorter break ends no
lease: they are renewed three times in one."""


class Sweeper:
    """The look of one worker at what is due. `lease` is in seconds; `name` tells workers apart."""

    def __init__(self, store: RunStore, lease: float, name: str = "") -> None:
        self.store = store
        self.lease = lease
        self.turns = Turns(name, self.pause)
        self._saw_at: float | None = None
        """When it last asked with success, or heard of one who did. None: never, so it has been
        blind to nobody."""
        self._patient_until = 0.0

    @property
    def pause(self) -> float:
        """Seconds between two looks. With short leases, longer ones would look like blindness."""
        return min(SWEEP_SECONDS, BLIND * self.lease / 3)

    async def sweep(self, limit: int) -> list[str]:
        """At most `limit` runs to advance. Raises `Unavailable`."""
        self.turns.begin()
        now = time.monotonic()
        self._end_of_blindness(now)
        found = await self.store.sweep(limit, POKE_GRACE, now >= self._patient_until)
        self._saw_at = now
        return found

    async def tell(self, free: int, found: int) -> None:
        """Let others know of a look with so many free slots."""
        patient = time.monotonic() < self._patient_until  # others may take what has expired
        left: Left = "all" if not free else "more" if found >= free or patient else "nothing"
        try:
            await self.store.tell(self.turns.told(left))
        except Unavailable as error:  # or we may not: then everybody looks
            log.debug("others do not hear of the look", error=str(error))

    def heard(self, text: str) -> None:
        """Hear what other workers tell."""
        if self.turns.heard(text):
            now = time.monotonic()
            self._end_of_blindness(now)
            self._saw_at = now

    def _end_of_blindness(self, now: float) -> None:
        if self._saw_at is not None and now - self._saw_at > BLIND * self.lease:
            self._patient_until = now + self.lease
