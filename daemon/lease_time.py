"""Keep the time going in which leases count, also while no worker runs: what a worker held that was
killed is then free by the time the next one starts, however long that takes."""

from __future__ import annotations

import asyncio

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.store.contract import POKE_GRACE, RunStore

log = structlog.get_logger(__name__)

SECONDS = 0.7
"""Between two looks at all shards. A longer gap would not count in full (`lua/clock.lua`)."""


async def keep(store: RunStore) -> None:
    """Look at the clocks of all shards, for ever. No error may end it."""
    while True:
        try:
            await store.sweep(0, POKE_GRACE)
        except Unavailable:
            pass  # then that time counts in no lease, so that its holder can still write
        except Exception:
            log.exception("the lease time was not kept")
        await asyncio.sleep(SECONDS)
