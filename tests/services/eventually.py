"""Wait for what must happen. A test fails because something did not happen, never because a busy
machine took long over it; only benchmarks measure time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds after which a test gives up: far more than anything here needs, on any machine."""


async def eventually(what: Callable[[], T | Awaitable[T]]) -> T:
    """The first true value of `what`, which may be a coroutine function."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = what()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE} s"
        await asyncio.sleep(0.02)


def wait_until(what: Callable[[], T]) -> T:
    """`eventually`, for a test that is no coroutine."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE} s"
        time.sleep(0.02)
    return found


async def quickly(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """What the first attempt found that took less than this: who is slower cannot see what must not
    have happened yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        found = await attempt()
        if time.monotonic() - began < seconds:
            return found
        assert time.monotonic() < deadline, f"no attempt took less than {seconds} s"


async def patiently(awaitable: Awaitable[T]) -> T:
    """Its result, as soon as it is there."""
    return await asyncio.wait_for(awaitable, PATIENCE)
