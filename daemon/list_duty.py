"""Bring runs that an earlier version stored into the lists, in small bites, beside everything else.
What is done stands in the lists themselves, so a daemon that is killed goes on where it was."""

from __future__ import annotations

import asyncio

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.control.run_lists import RunLists

log = structlog.get_logger(__name__)

PAUSE = 0.05
"""Seconds between two bites."""

ROUND = 60.0
"""Seconds between two looks for what workers write that have not been replaced yet."""


async def keep(lists: RunLists, pause: float = PAUSE, round: float = ROUND) -> None:
    """Do so for ever. No error may end it."""
    untidy = True
    while True:
        rest = round
        try:
            if await lists.index():
                untidy, rest = True, pause
            elif untidy:
                await lists.tidy()
                untidy = False
        except Unavailable as error:
            log.warning("lists wait: state server away", error=str(error))
        except Exception:
            log.exception("a round of the lists failed")
        await asyncio.sleep(rest)
