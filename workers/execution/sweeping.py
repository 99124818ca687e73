"""Finding the runs that are due, and patience with their owners after the store was out of reach.

Where the link between workers and store breaks, but the daemon still has one, leases go on ending.
When it is back, the owner of a run that knows an outcome must write it before another worker takes
the run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ponderd.workers.store.contract import POKE_GRACE, RunStore

SWEEP_SECONDS = 0.5
BLIND = 0.5
"""Share of a lease for which a worker must have seen nothing of the store. A shorter break ends no
lease: they are renewed three times in one."""


@dataclass(slots=True)
class Sweeper:
    """The look of one worker at what is due. `lease` is in seconds."""

    store: RunStore
    lease: float
    _looked_at: float | None = None
    """When it last asked with success. None: never, so it has been blind to nobody."""
    _patient_until: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds between two looks. With short leases, longer ones would look like blindness."""
        return min(SWEEP_SECONDS, BLIND * self.lease / 3)

    async def sweep(self, limit: int) -> list[str]:
        """Runs to advance, at most `limit` from each shard. Raises `Unavailable`."""
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at > BLIND * self.lease:
            self._patient_until = now + self.lease
        found = await self.store.sweep(limit, POKE_GRACE, now >= self._patient_until)
        self._looked_at = now
        return found
