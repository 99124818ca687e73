"""Wait for a word from elsewhere beside tasks of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any


class Signal:
    """As `asyncio.Event`, for one that waits: without a task for each wait, which every model call
    would pay for."""

    def __init__(self) -> None:
        self._set = False
        self._wake: Callable[[], None] | None = None

    def set(self) -> None:
        self._set = True
        if self._wake:
            self._wake()

    def is_set(self) -> bool:
        return self._set

    def clear(self) -> None:
        self._set = False

    async def or_any(
        self, tasks: Collection[asyncio.Future[Any]], seconds: float | None = None
    ) -> bool:
        """Wait until it is set or one of `tasks` is done, for at most `seconds`. Returns whether it
        is set."""
        if self._set or any(task.done() for task in tasks):
            return self._set
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake(_: object = None) -> None:
            if not waiter.done():
                waiter.set_result(None)

        timer = None if seconds is None else loop.call_later(seconds, wake)
        self._wake = wake
        for task in tasks:
            task.add_done_callback(wake)
        try:
            await waiter
        finally:
            self._wake = None
            for task in tasks:
                task.remove_done_callback(wake)
            if timer:
                timer.cancel()
        return self._set
