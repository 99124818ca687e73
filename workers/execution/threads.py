"""The loop that our own code runs on, and the threads for the code of agents."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where there is one: CPython only."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run an agent's code in a thread of its own, and wait for it.

    The thread cannot be stopped: past its time it runs on, and its result is ignored. In the
    loop's own pool, a few such calls would leave no thread for name lookups and mail, and would
    keep the worker from ending.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        elif not isinstance(error, Exception) or isinstance(error, StopIteration):
            # No future takes a StopIteration. Others would end the worker's loop, or a task.
            outcome.set_exception(RuntimeError(f"it raised {error!r}"))
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(*args, **kwargs)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="tool", daemon=True).start()
    return await outcome
