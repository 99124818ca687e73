"""Whose turn it is to look at what is due: one worker's at a time, as long as they hear each other.

Nobody is elected. Whoever looks tells the others, and goes on looking. A worker that heard of no
look for a little longer than the usual pause looks itself: then the one before is dead, stands
still, drains or cannot be heard. Where nobody can be heard, all look, as if each were alone. Two
who look at the same time do no harm, as each sweep puts off what it finds; the one that is heard
first goes on, and the other rests.

A worker without a free slot looks only to keep the time going in which leases count. Whoever
hears that, or that more was due than the one that looked could take, looks as soon as it has room.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from typing import Literal

Left = Literal["nothing", "more", "all"]
"""What a look left to others of what was due: nothing, perhaps more, or all of it, as there was no
free slot."""

PATIENCE = (1.3, 1.6)
"""After so many pauses without another's look a worker looks itself. By chance, so that not all do
at once."""

_LOOKED = "looked"


class Turns:
    """`name` tells workers apart. `pause` is that between two looks, in seconds."""

    def __init__(self, name: str, pause: float) -> None:
        self._name = name
        self._pause = pause
        self._looked_at = -math.inf
        self._must_at = -math.inf
        self._may_at = math.inf
        self._sooner = asyncio.Event()

    @property
    def must(self) -> bool:
        """Its turn came because nobody else was heard. Otherwise only what others left calls."""
        return time.monotonic() >= self._must_at

    async def come(self) -> None:
        """Return when it is this worker's turn."""
        while (left := min(self._must_at, self._may_at) - time.monotonic()) > 0:
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), left)

    def begin(self) -> None:
        """It looks now, so others need not for a while."""
        self._looked_at = time.monotonic()
        self._must_at, self._may_at = self._looked_at + self._pause, math.inf

    def decline(self) -> None:
        """It cannot take what others left."""
        self._may_at = math.inf

    def told(self, left: Left) -> str:
        """What others must hear of its look."""
        return f"{_LOOKED} {left} {self._name}"

    def heard(self, text: str) -> bool:
        """Hear what somebody told. Whether that was of another worker's look."""
        word, _, rest = text.partition(" ")
        left, _, name = rest.partition(" ")
        if word != _LOOKED or name in ("", self._name):
            return False
        now = time.monotonic()
        self._must_at = now + self._pause * random.uniform(*PATIENCE)
        if left == "nothing":
            self._may_at = math.inf
        else:
            soon = now + self._pause * random.uniform(0, 0.5)
            self._may_at = min(self._may_at, max(soon, self._looked_at + self._pause))
            self._sooner.set()
        return True
