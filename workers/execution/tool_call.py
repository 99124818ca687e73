"""Run one tool call: check its arguments again, give it its context, limit its time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from ponderd.channels.destination import allowed, write_destination
from ponderd.channels.own_secrets import hide_and_cut
from ponderd.channels.text import storable
from ponderd.workers.agents.agent import Agent, Notify, Tool, ToolContext, ToolResult, WaitFor
from ponderd.workers.execution.threads import in_thread
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

STORED_CHARS = 20_000
"""Most characters of a tool result or a model answer that are stored."""

ERROR_CHARS = 500
"""Most characters of an error that are stored."""

LONGEST_WAIT = 1e10
"""Most seconds that a run can wait (300 years). Infinity could not be stored."""


BEGINNINGS = 3
"""How often an idempotent tool is begun for one call, always with the same key, until a person is
asked why it gives no result in time."""

Follow = Callable[[asyncio.Task[ToolFinished | ToolFailed], float], None]
"""Is given a call that goes on though nobody waits for it any more, and when it began."""


async def run_tool(
    agent: Agent,
    call: ToolCall,
    context: ToolContext,
    clock: Callable[[], float],
    follow: Follow,
    interruptions: int = 0,
) -> ToolFinished | ToolFailed | ToolInterrupted | ToolOutcomeUnknown:
    """Run the tool. Never raises: an error of the tool is its outcome. `clock` is the store's,
    in Unix seconds. `interruptions`: how often this call gave no result in time before.

    What gave no result in time may have happened, and may happen yet. It is never said to have
    failed; it goes on, and is handed to `follow`.
    """
    tool, started = agent.tool(call.tool), time.monotonic()
    work = asyncio.create_task(_outcome(agent, call, context, clock))
    try:
        await asyncio.wait({work}, timeout=tool.timeout if tool else None)
    except asyncio.CancelledError:  # this worker ends, or has lost the run
        follow(work, started)
        raise
    if work.done() and not work.cancelled():
        return work.result()
    seconds = time.monotonic() - started
    if work.done():
        why: Why = "cancelled"
        known = "it was cancelled before I saw the outcome; it may have happened"
    else:
        follow(work, started)
        why = "timeout"
        known = f"got no result within {_limit(tool)} s; it may have happened, or still be running"
    if tool and tool.idempotent and interruptions + 1 < BEGINNINGS:
        reason = f"no result within {_limit(tool)} s" if why == "timeout" else "it was cancelled"
        return ToolInterrupted(at=clock(), reason=reason, seconds=seconds)
    return ToolOutcomeUnknown(at=clock(), why=why, seconds=seconds, known=known)


def _limit(tool: Tool | None) -> str:
    return f"{tool.timeout:.4g}" if tool else "?"


async def _outcome(
    agent: Agent, call: ToolCall, context: ToolContext, clock: Callable[[], float]
) -> ToolFinished | ToolFailed:
    started = time.monotonic()
    try:
        returned = await _returned(agent, call, context)
    except Exception as error:
        seconds = time.monotonic() - started
        return ToolFailed(at=clock(), error=_shown(error), seconds=seconds)
    seconds = time.monotonic() - started
    try:
        return _finished(agent, call, context, returned, clock(), seconds)
    except Exception as error:  # it ran: what it returned makes no failure of that
        result = f"done, but it returned what cannot be used: {_shown(error)}"
        return ToolFinished(at=clock(), result=result, seconds=seconds)


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
    if returned is None:
        return "done (it returned nothing)"
    text = storable(returned if isinstance(returned, str) else str(returned))
    return hide_and_cut(text, STORED_CHARS)


def _forbidden(message: Notify, context: ToolContext) -> str | None:
    """Why it is not sent, whichever tool asks for it: agents write only where the operator lets
    them. None: it is."""
    if allowed(message.to, context.notify_allow):
        return None
    places = ", ".join(context.notify_allow) or "nowhere: PONDERD_NOTIFY_ALLOW is not set"
    problem = f"agents may not write to {write_destination(message.to)}; they may to {places}"
    return storable(problem)[:ERROR_CHARS]


async def call_tool(agent: Agent, call: ToolCall, context: ToolContext) -> ToolResult:
    """Return what the model will see, or what to wait for.

    Raises what the tool raises, LookupError if the agent does not have the tool (any more),
    `pydantic.ValidationError` and `TimeoutError`.
    """
    tool = agent.tool(call.tool)
    async with asyncio.timeout(tool.timeout if tool else None):
        result = await _returned(agent, call, context)
    return result if isinstance(result, WaitFor | Notify) else _text(result)


async def _returned(agent: Agent, call: ToolCall, context: ToolContext) -> Any:
    tool = agent.tool(call.tool)
    if tool is None:
        raise LookupError(f"agent {agent.name} has no tool {call.tool}")
    return await _called(tool.function, _arguments(tool, tool.function, call, context))


async def objection(agent: Agent, call: ToolCall, context: ToolContext) -> str | None:
    """Why the call could not succeed, according to the tool's own check. None: it could."""
    tool = agent.tool(call.tool)
    if tool is None or tool.check is None:
        return None
    try:
        async with asyncio.timeout(tool.timeout):
            await _called(tool.check, _arguments(tool, tool.check, call, context))
    except TimeoutError as error:
        return str(error) or f"its check did not end within {_limit(tool)} s, so it was not begun"
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        return "its check was cancelled, so it was not begun"
    except Exception as error:
        return _shown(error)
    return None


def _arguments(
    tool: Tool, function: Callable[..., Any], call: ToolCall, context: ToolContext
) -> dict[str, Any]:
    arguments = tool.validated(call.arguments)
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if parameter.annotation is ToolContext:
            arguments[name] = context
    return arguments


async def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        return await in_thread(function, **arguments)
    except (SystemExit, KeyboardInterrupt) as error:  # would end the worker's loop
        raise RuntimeError(f"the tool raised {error!r}") from error


def _shown(error: Exception) -> str:
    return hide_and_cut(storable(str(error) or type(error).__name__), ERROR_CHARS)
