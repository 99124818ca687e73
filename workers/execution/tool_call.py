"""Run one tool call: check its arguments again, give it its context, limit its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from ponderd.channels.destination import allowed, write_destination
from ponderd.channels.own_secrets import hide_and_cut
from ponderd.channels.text import storable
from ponderd.workers.agents.agent import Agent, Notify, Tool, ToolContext, ToolResult, WaitFor
from ponderd.workers.agents.author_calls import CheckCall, UseTool
from ponderd.workers.agents.contained import Done, Raised, Stopped
from ponderd.workers.execution.answers import CHECK_SECONDS
from ponderd.workers.execution.author_code import AuthorCode, Place, in_thread_place
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.events import (
    Notice,
    ToolFailed,
    ToolFinished,
    ToolInterrupted,
    ToolOutcomeUnknown,
    Waiting,
)
from ponderd.workers.run.tool_events import Why
from ponderd.workers.steps.attempts import BEGINNINGS

STORED_CHARS = 20_000
"""Most characters of a tool result or a model answer that are stored."""

ERROR_CHARS = 500
"""Most characters of an error that are stored."""

LONGEST_WAIT = 1e10
"""Most seconds that a run can wait (300 years). Infinity could not be stored."""


Follow = Callable[[asyncio.Task[ToolFinished | ToolFailed], float], None]
"""Is given a call that goes on though nobody waits for it any more, and when it began."""


class ToolStoppedError(Exception):
    """The tool was stopped before it returned: what it did until then is done."""

    def __init__(self, why: Why, reason: str) -> None:
        super().__init__(reason)
        self.why, self.reason = why, reason


async def run_tool(
    agent: Agent,
    call: ToolCall,
    context: ToolContext,
    clock: Callable[[], float],
    place: Place,
    follow: Follow,
    begun: int = 1,
) -> ToolFinished | ToolFailed | ToolInterrupted | ToolOutcomeUnknown:
    """Run the tool. Never raises: an error of the tool is its outcome. `clock` is the store's,
    in Unix seconds. `begun`: how often this call was begun by now.

    What gave no result in time may have happened, and may happen yet. It is never said to have
    failed; it goes on, and is handed to `follow`.
    """
    tool, started = agent.tool(call.tool), time.monotonic()
    work = asyncio.create_task(_outcome(agent, call, context, clock, place))
    try:
        # An isolated tool is killed after its time by its place.
        await asyncio.wait({work}, timeout=None if tool is None or tool.isolated else tool.timeout)
    except asyncio.CancelledError:  # this worker ends, or has lost the run
        follow(work, started)
        raise
    stopped = None
    if work.done():
        try:
            return work.result()
        except ToolStoppedError as error:
            stopped = error
    seconds = time.monotonic() - started
    if stopped:
        why, reason = stopped.why, stopped.reason
        known = f"got {reason}" if why == "timeout" else reason
        known += "; it was ended, but may have happened before"
    else:
        follow(work, started)
        why, reason = "timeout", f"no result within {_limit(tool)} s"
        known = f"got {reason}; it may have happened, or still be running"
    if tool and tool.idempotent and begun < BEGINNINGS:
        return ToolInterrupted(at=clock(), reason=reason, seconds=seconds)
    if begun > 1:
        known += f"; I began it {begun} times, with the same key"
    return ToolOutcomeUnknown(at=clock(), why=why, seconds=seconds, known=known)


def _limit(tool: Tool | None) -> str:
    return f"{tool.timeout:.4g}" if tool else "?"


async def _outcome(
    agent: Agent,
    call: ToolCall,
    context: ToolContext,
    clock: Callable[[], float],
    place: Place,
) -> ToolFinished | ToolFailed:
    """Raises `ToolStoppedError`."""
    started = time.monotonic()
    outcome = await place(agent, UseTool(call, context))
    seconds = time.monotonic() - started
    match outcome:
        case Done(returned):
            return _finished(agent, call, context, returned, clock(), seconds)
        case Raised(kind=asyncio.CancelledError.__name__):
            raise ToolStoppedError("cancelled", "it was cancelled before I saw the outcome")
        case Raised() as raised:
            return ToolFailed(
                at=clock(), error=hide_and_cut(raised.error, ERROR_CHARS), seconds=seconds
            )
        case Stopped() as stopped:
            why: Why = "timeout" if stopped.reason == "time" else "interrupted"
            raise ToolStoppedError(why, stopped.why)


def _finished(
    agent: Agent, call: ToolCall, context: ToolContext, returned: Any, now: float, seconds: float
) -> ToolFinished | ToolFailed:
    tool = agent.tool(call.tool)
    if isinstance(returned, Notify):
        if problem := _forbidden(returned, context):
            if tool and tool.idempotent:
                return ToolFailed(at=now, error=problem, seconds=seconds)
            problem = f"done, but its message was not sent: {problem}"
            return ToolFinished(at=now, result=problem, seconds=seconds)
        notices = (Notice(to=returned.to, text=_text(returned.text)),)
        note = _text(returned.note)
        return ToolFinished(at=now, result=note, seconds=seconds, notices=notices)
    if not isinstance(returned, WaitFor):
        return ToolFinished(at=now, result=_text(returned), seconds=seconds)
    until = (
        None if returned.seconds is None else now + min(max(0.0, returned.seconds), LONGEST_WAIT)
    )
    if until is None and not returned.event:
        return ToolFinished(at=now, result="done, but it waits for nothing", seconds=seconds)
    wait = Waiting(event=storable(returned.event), until=until)
    return ToolFinished(at=now, result=_text(returned.note), seconds=seconds, wait=wait)


def _text(returned: object) -> str:
    """What the model sees of what a tool returned."""
    return hide_and_cut(str(returned), STORED_CHARS)


def _forbidden(message: Notify, context: ToolContext) -> str | None:
    """Why it is not sent, whichever tool asks for it: agents write only where the operator lets
    them. None: it is."""
    if allowed(message.to, context.notify_allow):
        return None
    places = ", ".join(context.notify_allow) or "nowhere: PONDERD_NOTIFY_ALLOW is not set"
    problem = f"agents may not write to {write_destination(message.to)}; they may to {places}"
    return storable(problem)[:ERROR_CHARS]


async def call_tool(
    agent: Agent, call: ToolCall, context: ToolContext, place: Place = in_thread_place
) -> ToolResult:
    """Return what the model will see, or what to wait for. Raises RuntimeError with the words of
    what the tool raised, `ToolStoppedError` and `TimeoutError`."""
    tool = agent.tool(call.tool)
    async with asyncio.timeout(tool.timeout if tool else None):
        outcome = await place(agent, UseTool(call, context))
    match outcome:
        case Done(result):
            return cast(ToolResult, result)
        case Raised() as raised:
            raise RuntimeError(raised.error)
        case Stopped() as stopped:
            raise ToolStoppedError("interrupted", stopped.why)


async def objection(
    agent: Agent, call: ToolCall, context: ToolContext, code: AuthorCode
) -> str | None:
    """Why the call could not succeed, according to the tool's own check. None: it could. Raises
    `Unavailable`."""
    tool = agent.tool(call.tool)
    if tool is None or tool.check is None:
        return None
    match await code.call(agent, CheckCall(call, context), min(tool.timeout, CHECK_SECONDS)):
        case Done():
            return None
        case Raised() as raised:
            return hide_and_cut(raised.error, ERROR_CHARS)
        case Stopped() as stopped:
            return f"it could not be checked, so it was not begun: {stopped.why}"
