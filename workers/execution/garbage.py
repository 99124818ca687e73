"""How often the collector of reference cycles looks."""

from __future__ import annotations

import asyncio
import gc
import itertools

THRESHOLDS = 50_000, 10, 10
"""So many new objects before the youngest are looked at, and so on. At Python's 700 a busy worker
gives a seventh of its time to it: hundreds of runs in flight are looked at again and again, and
hardly anything of ours stands in cycles."""

SECONDS = 1.0
"""Between two looks at the youngest, at most, in a process where anything happens. Cycles that
authors' code leaves may hold much, with few objects."""

OLDER = 10
"""So many of those looks to one at what outlived a look."""

FEW = 700
"""New objects for which it is not worth looking."""


async def collect_rarely() -> None:
    """Start this when all is loaded. What is there by then is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    for look in itertools.count(1):
        await asyncio.sleep(SECONDS)
        older = look % OLDER == 0
        if older or gc.get_count()[0] > FEW:
            gc.collect(int(older))
