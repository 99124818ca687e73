"""Keep a daemon's schedules running: rounds of `Schedules` one after the other."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.control.schedules import Schedules

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
"""Seconds until the next round if the store is away."""


async def keep(schedules: Schedules) -> None:
    """Do what is due, for ever; return if there are no schedules. No error may end it."""
    while True:
        schedules.changed.clear()
        try:
            pause = await schedules.round()
        except Unavailable as error:
            log.warning("schedules wait: state server away", error=str(error))
            pause = RETRY_SECONDS
        except Exception:
            log.exception("a round of the schedules failed")
            pause = RETRY_SECONDS
        else:
            if schedules.idle:
                return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(schedules.changed.wait(), pause)
