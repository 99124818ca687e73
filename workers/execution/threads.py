"""The loop that our own code runs on, and the threads for the code of agents."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from ponderd.workers.agents.contained import close_loop
from ponderd.workers.execution.mending import mend, remember

T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where there is one: CPython only."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run `function` in a thread that nothing else uses meanwhile, and wait for it.

    The thread cannot be stopped: past its time it runs on, and its result is ignored. In the
    loop's own pool, a few such calls would leave no thread for name lookups and mail, and would
    keep the worker from ending.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(cast(T, result))
        elif not isinstance(error, Exception) or isinstance(error, StopIteration):
            # No future takes a StopIteration. Others would end the worker's loop, or a task.
            outcome.set_exception(RuntimeError(f"it raised {type(error).__name__}"))
        else:
            outcome.set_exception(error)

    process = os.getpid()

    def run() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        if os.getpid() != process:  # it made a copy of the worker, which has nothing more to do
            os._exit(0)
        mend()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    remember()  # before the first tool
    _hand(partial(contextvars.copy_context().run, run))
    return await outcome


_Work = Callable[[], object]

SPARE = 32
"""Most threads that wait for work. Starting one takes longer than most tools."""

_waiting: list[SimpleQueue[_Work]] = []
"""The desks of threads that have nothing to do; the one that worked last comes last."""


def _hand(work: _Work) -> None:
    """Have a thread do it that does nothing else: one that waits, or a new one."""
    try:
        desk = _waiting.pop()
    except IndexError:
        desk = SimpleQueue()
        threading.Thread(target=_work, args=(desk,), name="tool", daemon=True).start()
    desk.put(work)


def _work(desk: SimpleQueue[_Work]) -> None:
    while True:
        desk.get()()
        if len(_waiting) >= SPARE:
            return close_loop()
        _waiting.append(desk)
