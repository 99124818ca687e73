"""How often the collector of reference cycles looks."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys

THRESHOLDS = 50_000, 10, 10
"""So many new objects before the youngest are looked at, and so on. At Python's 700 a busy worker
gives a seventh of its time to it: hundreds of runs in flight are looked at again and again, and
hardly anything of ours stands in cycles."""

SECONDS = 1.0
GROWTH = 64 * 2**20
"""Bytes that the process may grow, from one second to the next or over many, before everything is
looked at. Cycles that authors' code leaves may hold much, with few objects."""


async def collect_rarely() -> None:
    """Start this when all is loaded. What is there by then is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    peak = _peak()
    while True:
        await asyncio.sleep(SECONDS)
        if _peak() > peak + GROWTH:
            gc.collect()
            peak = _peak()


def _peak() -> int:
    """The most memory that this process ever had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
