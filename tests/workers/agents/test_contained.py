"""Whatever a function raises or returns becomes short, plain data."""

from __future__ import annotations

import asyncio
import enum
import json
import math
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, create_model

from ponderd.channels.message import Address
from ponderd.workers.agents.agent import Agent, Notify, ToolContext, WaitFor, tool
from ponderd.workers.agents.author_calls import UseTool, runs_code
from ponderd.workers.agents.contained import (
    LONGEST_ERROR,
    LONGEST_TEXT,
    LONGEST_WAIT,
    Done,
    Raised,
    contained,
    finished,
    plain_result,
    text_of,
)
from ponderd.workers.run.choices import ToolCall
from tests.services.cpu import in_linear_time


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise self

    __repr__ = __str__


class Ends(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class Endless(Exception):
    def __str__(self) -> str:
        return "x" * 100_000_000


def deep() -> None:
    deep()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), "no"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "it raised SystemExit: 3"),
        (KeyboardInterrupt(), "it raised KeyboardInterrupt"),
        (GeneratorExit(), "it raised GeneratorExit"),
        (StopIteration("over"), "it raised StopIteration: over"),
        (asyncio.CancelledError(), "it raised CancelledError"),
        (Unspeakable(), "Unspeakable, which cannot be shown"),
        (Ends(), "Ends, which cannot be shown"),
        pytest.param(Endless(), "x" * LONGEST_ERROR, id="long"),
        (ValueError("\ud800"), "?"),
        (ExceptionGroup("many", [ValueError("one"), OSError("two")]),
         "many (2 sub-exceptions): one; two"),
    ],
)  # fmt: skip
def test_what_is_raised_is_told_in_words(error: BaseException, said: str) -> None:
    def fail() -> None:
        raise error

    with in_linear_time():
        raised = contained(fail)
    assert isinstance(raised, Raised)
    assert raised.error == said
    assert raised.expected == isinstance(error, ValueError)
    json.dumps(raised, ensure_ascii=False).encode()


def test_recursion_is_an_error_like_any_other() -> None:
    raised = contained(deep)
    assert isinstance(raised, Raised)
    assert raised.kind == "RecursionError"


class Text(str):
    def __str__(self) -> str:
        return self

    def __getitem__(self, _: Any) -> str:
        raise OSError

    def encode(self, *_: Any) -> bytes:
        raise OSError


class Shy:
    def __str__(self) -> str:
        raise OSError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (42, "42"),
        pytest.param("\ud800a\0", "?a\0", id="surrogate"),
        pytest.param(Text("plain"), "plain", id="own text"),
        (Shy(), "(what was returned cannot be shown: OSError)"),
        pytest.param(10**5000, "(what was returned cannot be shown: ValueError)", id="int"),
        ((n for n in range(3)), "(a generator was returned, which is no text)"),
        pytest.param("a" * 10**8, "a" * LONGEST_TEXT, id="long"),
    ],
)
def test_what_is_returned_is_a_short_text(value: object, text: str) -> None:
    with in_linear_time():
        found = text_of(value)
    assert found == text
    assert type(found) is str


@pytest.mark.parametrize(
    "value",
    [b"a" * 10**7, [0] * 10**7, dict.fromkeys(range(10**6)), set(range(10**6))],
    ids=["bytes", "list", "dict", "set"],
)
def test_only_the_beginning_of_much_is_written(value: object) -> None:
    with in_linear_time():
        assert len(text_of(value, 1_000)) == 1_000


TO = Address(channel="slack", to="C1")


@pytest.mark.parametrize(
    ("result", "plain"),
    [
        (WaitFor(5, "paid"), WaitFor(5, "paid")),
        (WaitFor(-1), WaitFor(0)),
        (WaitFor(math.inf), WaitFor(LONGEST_WAIT)),
        (WaitFor(10**400), WaitFor(LONGEST_WAIT)),
        (WaitFor(None, "\ud800", "a" * 10**7), WaitFor(None, "?", "a" * LONGEST_TEXT)),
        (WaitFor(1, note=None), WaitFor(1, note="None")),  # type: ignore[arg-type]
        (Notify(TO, "hello", "sent"), Notify(TO, "hello", "sent")),
        (Notify(TO, None, 3), Notify(TO, "None", "3")),  # type: ignore[arg-type]
    ],
)
def test_a_wait_or_a_notice_is_plain(result: object, plain: object) -> None:
    assert plain_result(result) == plain


@pytest.mark.parametrize(
    "result",
    [
        WaitFor(math.nan),
        WaitFor("soon"),  # type: ignore[arg-type]
        WaitFor(Shy()),  # type: ignore[arg-type]
        WaitFor(1, event=3),  # type: ignore[arg-type]
        Notify("slack:C1", "hello", "sent"),  # type: ignore[arg-type]
        Notify(None, "hello", "sent"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_an_error(result: object) -> None:
    raised = contained(plain_result, result)
    assert isinstance(raised, Raised)
    assert raised.error.startswith("it ")


def test_a_coroutine_is_awaited_and_what_it_left_is_cancelled() -> None:
    left: list[asyncio.Task[None]] = []

    async def act() -> str:
        left.append(asyncio.create_task(asyncio.sleep(3600)))
        await asyncio.sleep(0)
        return "done"

    assert contained(lambda: finished(act())) == Done("done")
    assert left[0].cancelled()


def test_a_coroutine_does_not_wait_for_threads_that_it_left() -> None:
    release = threading.Event()

    async def act() -> str:
        try:
            await asyncio.wait_for(asyncio.to_thread(release.wait), 0.01)
        except TimeoutError:
            return "gave up"
        return ""

    try:
        assert contained(lambda: finished(act())) == Done("gave up")
    finally:
        release.set()


def test_what_a_coroutine_left_may_take_its_time_but_the_result_does_not_wait_for_it() -> None:
    release = threading.Event()

    async def lingers() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            release.wait()

    async def act() -> str:
        act.left = asyncio.create_task(lingers())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "done"

    try:
        assert contained(lambda: finished(act())) == Done("done")
    finally:
        release.set()
    assert contained(lambda: finished(asyncio.sleep(0, "again"))) == Done("again")


async def stops_its_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(3600)


async def is_ended_by_another() -> None:
    async def end() -> None:
        raise SystemExit

    other = asyncio.create_task(end())
    await asyncio.sleep(3600)
    await other


@pytest.mark.parametrize("act", [stops_its_loop, is_ended_by_another])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_coroutine_that_was_left_alone_has_no_outcome(
    act: Callable[[], Coroutine[None, None, None]],
) -> None:
    raised = contained(lambda: finished(act()))
    assert isinstance(raised, Raised)
    assert raised.kind == "CancelledError"


class Unclassed:
    @property
    def __class__(self) -> Any:
        raise KeyboardInterrupt


def test_what_was_returned_makes_no_failure_of_a_call() -> None:
    value = Unclassed()
    assert finished(value) is value
    with pytest.raises(KeyboardInterrupt):
        plain_result(value)
    agent = Agent("a", "", "", tools=[returns])
    call = UseTool(ToolCall(tool="returns", arguments={}), ToolContext("r", "r:1", Path()))
    assert "done, but it returned what cannot be used" in str(call.run(agent))


@tool()
def returns() -> Any:
    """return what has no class"""
    return Unclassed()


class Colour(enum.Enum):
    RED = "red"


class Own(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.RED


def _model(annotation: Any, default: Any = ...) -> type[BaseModel]:
    return create_model("Model", x=(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (int, ..., False),
        (Colour, ..., False),
        (list[dict[str, float]], ..., False),
        (str, Field(pattern="a+"), False),
        (Own, ..., True),
        (str, Field(default_factory=str.lower), True),
    ],
)
def test_types_with_code_of_their_own_are_known(
    annotation: Any, default: Any, expected: bool
) -> None:
    assert runs_code((_model(annotation, default),)) == expected


def test_a_validator_is_code() -> None:
    check: Callable[[str], str] = str.strip
    assert runs_code((_model(Annotated[str, AfterValidator(check)]),))


def test_a_loop_is_used_again_only_if_nothing_is_left_on_it() -> None:
    left: list[asyncio.Task[None]] = []

    async def nothing() -> asyncio.AbstractEventLoop:
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        return asyncio.get_running_loop()

    async def leave() -> asyncio.AbstractEventLoop:
        left.append(asyncio.create_task(asyncio.Event().wait()))  # type: ignore[arg-type]
        return asyncio.get_running_loop()

    async def change() -> asyncio.AbstractEventLoop:
        asyncio.get_running_loop().set_task_factory(None)
        return await leave()

    first = finished(nothing())
    assert finished(nothing()) is first
    for last in (leave, change):
        assert finished(last()) is first
        assert left.pop().cancelled()
        first, before = finished(nothing()), first
        assert first is not before
