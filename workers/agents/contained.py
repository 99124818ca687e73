"""Call what an agent's author wrote, and bring what came of it into short, plain data.

For a thread or a process of its own, never for a loop: it may take any time, and end anyhow.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import itertools
import threading
import traceback
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any, Literal, NamedTuple, TypeGuard, TypeVar

from pydantic import TypeAdapter

from ponderd.channels.message import Address
from ponderd.channels.text import storable
from ponderd.workers.agents.agent import Notify, ToolResult, WaitFor

T = TypeVar("T")

LONGEST_TEXT = 100_000
"""Most characters of a text that an author's function returns."""
LONGEST_ERROR = 5_000
"""Most characters of an error of such a function."""
LONGEST_TRACE = 2_000
LONGEST_NAME = 1_000
TIDY_SECONDS = 0.2
"""For what a coroutine left behind on its loop, until its result goes on its way."""
LONGEST_WAIT = 1e10
"""Most seconds that a run can wait (300 years). Infinity could not be stored."""

_ADDRESS = TypeAdapter(Address)


class Done(NamedTuple):
    """It returned. `value` is plain data of ours."""

    value: Any


class Raised(NamedTuple):
    """It raised an exception."""

    error: str
    """For the model or a person, at most `LONGEST_ERROR` characters."""
    kind: str
    """The name of its type."""
    expected: bool
    """It is a ValueError, by which a check says no."""
    trace: str
    """For the author: the end of the traceback."""


class Stopped(NamedTuple):
    """It did not return: it had no more time or memory, or its process died. What it did until
    then is done."""

    reason: Literal["time", "memory", "death"]
    why: str
    """"no result within 10 s"."""


Outcome = Done | Raised | Stopped


class Handle:
    """Cancels, from another thread, the awaitable that a call is waiting for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._cancel: Callable[[], object] | None = None

    def attach(self, cancel: Callable[[], object] | None) -> None:
        with self._lock:
            self._cancel = cancel
            if self._cancelled and cancel:
                cancel()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._cancel:
                self._cancel()


handle: contextvars.ContextVar[Handle | None] = contextvars.ContextVar("handle", default=None)
"""Is set where a call can be given up."""


def contained(function: Callable[..., object], *arguments: Any) -> Done | Raised:
    """Call `function`. Never raises, not even SystemExit; only the death of the process is left."""
    try:
        return Done(function(*arguments))
    except BaseException as error:
        return Raised(shown(error), _kind(error), isinstance(error, ValueError), _trace(error))


def finished(result: object) -> object:
    """`result`, or what it brings if it must be awaited, on an event loop that nobody else uses."""
    if not _is_awaitable(result):
        return result

    async def wait() -> object:
        return await result

    loop = _loop()
    cancellable, task = handle.get(), None
    try:
        task = loop.create_task(wait())
        if cancellable:
            cancellable.attach(lambda: loop.call_soon_threadsafe(task.cancel))
        return loop.run_until_complete(task)
    except BaseException:
        if task and not task.done():  # it was not the call that raised this: it was only left alone
            raise asyncio.CancelledError from None
        raise
    finally:
        if cancellable:
            cancellable.attach(None)
        _tidy(loop)


def _is_awaitable(result: object) -> TypeGuard[Awaitable[object]]:
    try:
        return inspect.isawaitable(result)
    except BaseException:  # it has a class that raises
        return False


_mine = threading.local()


class _Tasks:
    """Makes the tasks of one loop, and knows them. `asyncio.all_tasks` looks through those of all
    loops, and a worker's own has a thousand."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T],
        /,
        **options: Any,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        self._made.add(task)
        return task

    def left(self) -> set[asyncio.Task[Any]]:
        return {task for task in self._made if not task.done()}


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this thread. It serves one call after the other: making one takes longer than
    most tools."""
    loop: asyncio.AbstractEventLoop | None = getattr(_mine, "loop", None)
    if loop is None or loop.is_closed():
        loop = _mine.loop = asyncio.new_event_loop()
        loop.set_task_factory(_Tasks())
    return loop


def close_loop() -> None:
    """Call this at the end of a thread that called functions of agents."""
    loop, _mine.loop = getattr(_mine, "loop", None), None
    if loop is not None:
        loop.close()


def _tidy(loop: asyncio.AbstractEventLoop) -> None:
    """Only a loop on which nothing was left is used again. Whatever is left on another is cancelled
    elsewhere: it may take its time, and the call has its result."""
    left: set[asyncio.Task[Any]] = set()
    with contextlib.suppress(Exception):
        tasks: object = loop.get_task_factory()
        if isinstance(tasks, _Tasks):
            left = tasks.left()
            if not left and _is_as_new(loop):
                return
        else:  # the call gave the loop another one
            left = asyncio.all_tasks(loop)
    _mine.loop = None
    with contextlib.suppress(RuntimeError):  # there are too many threads
        closing = threading.Thread(target=_close, args=(loop, left), daemon=True)
        closing.start()
        closing.join(TIDY_SECONDS)


def _close(loop: asyncio.AbstractEventLoop, left: set[asyncio.Task[Any]]) -> None:
    """Cancel what was left, and give each of it one turn to notice. Waits for no thread."""
    with contextlib.suppress(BaseException):
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    with contextlib.suppress(BaseException):
        loop.close()


def _is_as_new(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the call left no timer, no callback, no connection and no generator behind. Another
    kind of loop than asyncio's own never is."""
    if not isinstance(loop, asyncio.SelectorEventLoop):
        return False
    own: Any = loop
    timers = [timer for timer in own._scheduled if not timer.cancelled()]
    watched = len(own._selector.get_map()) > 1  # its own wake-up pipe is one
    return not (own._ready or timers or watched or own._asyncgens or own._default_executor)


def text_of(value: object, limit: int = LONGEST_TEXT) -> str:
    """`value` as a text that can be stored, at most `limit` characters; of a large collection
    only its beginning is written. Says so if it cannot be shown."""
    try:
        if isinstance(value, types.GeneratorType | types.AsyncGeneratorType):
            return "(a generator was returned, which is no text)"
        text = str(_beginning(value, limit))
        return storable(str.__getitem__(text, slice(limit)))
    except BaseException as error:
        return f"(what was returned cannot be shown: {_kind(error)})"


def _beginning(value: object, limit: int) -> object:
    match value:
        case bytes() | bytearray() | list() | tuple() if len(value) > limit:
            return value[:limit]
        case dict() if len(value) > limit:
            return dict(_first(value.items(), limit))
        case set() | frozenset() if len(value) > limit:
            return set(_first(value, limit))
        case _:
            return value


def _first(items: Iterable[Any], limit: int) -> list[Any]:
    return list(itertools.islice(items, limit))


def shown(error: BaseException) -> str:
    """The words of an exception, or its name if it has none or cannot be shown."""
    try:
        said = str.__getitem__(str(error), slice(LONGEST_ERROR))
        kind = _kind(error)
        if isinstance(error, BaseExceptionGroup):
            inner = "; ".join(shown(each)[:100] for each in error.exceptions[:3])
            said = f"{said}: {inner}"
        if not isinstance(error, Exception) or isinstance(error, StopIteration):
            said = f"it raised {kind}: {said}" if said else f"it raised {kind}"
        return storable(said or kind)[:LONGEST_ERROR]
    except BaseException:
        return f"{_kind(error)}, which cannot be shown"


def _kind(error: BaseException) -> str:
    try:
        return storable(str.__getitem__(type(error).__name__, slice(100)))
    except BaseException:
        return "an exception"


def _trace(error: BaseException) -> str:
    try:
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__, limit=-8))
        return storable("".join(frames)[-LONGEST_TRACE:] + _kind(error) + ": " + shown(error))
    except BaseException:
        return ""


def plain_result(result: object) -> ToolResult:
    """What a tool returned, of which nothing can surprise any more. Raises ValueError if it asks
    for what cannot be done."""
    match result:
        case WaitFor():
            return _plain_wait(result)
        case Notify():
            return _plain_notice(result)
        case None:
            return "done (it returned nothing)"
        case _:
            return text_of(result)


def _plain_wait(wait: WaitFor) -> WaitFor:
    seconds = wait.seconds
    if seconds is not None:
        if not isinstance(seconds, int | float) or seconds != seconds:  # NaN
            raise ValueError(f"it waits for {text_of(seconds, 50)} seconds: not a number")
        seconds = float(min(max(0, seconds), LONGEST_WAIT))
    if not isinstance(wait.event, str):
        raise ValueError(f"it waits for an event that is no text: {_name(wait.event)}")
    return WaitFor(seconds, text_of(wait.event, LONGEST_NAME), text_of(wait.note))


def _plain_notice(notice: Notify) -> Notify:
    try:
        to = Address.model_validate_json(_ADDRESS.dump_json(_ADDRESS.validate_python(notice.to)))
    except Exception:
        raise ValueError(f"it notifies what is no address: {_name(notice.to)}") from None
    return Notify(to, text_of(notice.text), text_of(notice.note))


def _name(value: object) -> str:
    return text_of(value, 100)
