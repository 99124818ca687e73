"""Tell which archive this daemon reads, so that runs fall asleep only where it can read them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.archive_readers import READERS, TELL_SECONDS, tell
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.contract import RunStore

log = structlog.get_logger(__name__)


async def keep(store: RunStore, archive: Archive, pause: float = TELL_SECONDS) -> None:
    """Do so until it is cancelled. No other error may end it."""
    owner = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
    try:
        while True:
            try:
                await tell(store, archive, owner)
            except Unavailable as error:
                log.warning("nobody knows which archive is read here", error=str(error))
            except Exception:
                log.exception("telling which archive is read failed")
            await asyncio.sleep(pause)
    finally:
        with contextlib.suppress(Unavailable):
            await store.drop(READERS, owner)
