"""Duties of the daemon that go on beside its servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def running(duty: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let it run in the background, and end it with the block."""
    task = asyncio.create_task(duty)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
