"""How many runs a worker advances at the same time. Any thread may use it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

AWAY = 2000
"""Most runs of one worker that hold no slot although they are claimed."""


class Slots:
    """A run holds a slot while something is done for it, but not while it only waits for the
    receiver of a reply: then another run may have the slot.

    Whoever comes back is not made to wait for one, because what it knows is to be written down.
    Instead it owes one: the next slot that becomes free is not given to anybody.
    """

    def __init__(self, slots: int) -> None:
        self._free = threading.Semaphore(slots)
        self._lock = threading.Lock()
        self._owed = 0
        self._away = 0

    def acquire(self, *, blocking: bool = True, timeout: float | None = None) -> bool:
        """Whether a slot was free, at the latest after `timeout` seconds."""
        return self._free.acquire(blocking=blocking, timeout=timeout)

    def release(self) -> None:
        with self._lock:
            if self._owed:
                self._owed -= 1
                return
        self._free.release()

    @contextlib.contextmanager
    def left(self) -> Iterator[None]:
        """Give the slot to others within."""
        with self._lock:
            leaves = self._away < AWAY
            self._away += leaves
        if not leaves:
            yield
            return
        self.release()
        try:
            yield
        finally:
            with self._lock:
                self._away -= 1
                if not self._free.acquire(blocking=False):
                    self._owed += 1
