"""Run one tool call: check its arguments again, give it its context, limit its time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from ponderd.channels.destination import allowed, write_destination
from ponderd.channels.text import storable
from ponderd.workers.agents.agent import Agent, Notify, Tool, ToolContext, ToolResult, WaitFor
from ponderd.workers.execution.threads import in_thread
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.events import Notice, ToolFailed, ToolFinished, Waiting

STORED_CHARS = 20_000
"""Most characters of a tool result or a model answer that are stored."""

ERROR_CHARS = 500
"""Most characters of an error that are stored."""

LONGEST_WAIT = 1e10
"""Most seconds that a run can wait (300 years). Infinity could not be stored."""


async def run_tool(
    agent: Agent, call: ToolCall, context: ToolContext, clock: Callable[[], float]
) -> ToolFinished | ToolFailed:
    """Run the tool. Never raises: an error of the tool is its outcome. `clock` is the store's,
    in Unix seconds."""
    started = time.monotonic()
    try:
        result = await call_tool(agent, call, context)
    except Exception as error:
        seconds = time.monotonic() - started
        return ToolFailed(at=clock(), error=_shown(error), seconds=seconds)
    seconds = time.monotonic() - started
    if isinstance(result, str):
        return ToolFinished(at=clock(), result=result[:STORED_CHARS], seconds=seconds)
    if isinstance(result, Notify):
        return _notifying(result, context, clock(), seconds)
    until = (
        None if result.seconds is None else clock() + min(max(0.0, result.seconds), LONGEST_WAIT)
    )
    if until is None and not result.event:
        return ToolFailed(at=clock(), error="it waits for nothing", seconds=seconds)
    wait = Waiting(event=storable(result.event), until=until)
    note = storable(result.note)[:STORED_CHARS]
    return ToolFinished(at=clock(), result=note, seconds=seconds, wait=wait)


async def call_tool(agent: Agent, call: ToolCall, context: ToolContext) -> ToolResult:
    """Return what the model will see, or what to wait for.

    Raises what the tool raises, LookupError if the agent does not have the tool (any more),
    `pydantic.ValidationError` and `TimeoutError`.
    """
    tool = agent.tool(call.tool)
    if tool is None:
        raise LookupError(f"agent {agent.name} has no tool {call.tool}")
    arguments = _arguments(tool, tool.function, call, context)
    result = await _in_time(tool, tool.function, arguments)
    return result if isinstance(result, WaitFor | Notify) else storable(result)


def _notifying(
    message: Notify, context: ToolContext, now: float, seconds: float
) -> ToolFinished | ToolFailed:
    """Send it only to where the operator lets agents write, whichever tool asks for it."""
    if not allowed(message.to, context.notify_allow):
        places = ", ".join(context.notify_allow) or "nowhere: PONDERD_NOTIFY_ALLOW is not set"
        error = f"agents may not write to {write_destination(message.to)}; they may to {places}"
        return ToolFailed(at=now, error=storable(error)[:ERROR_CHARS], seconds=seconds)
    text = storable(message.text)[:STORED_CHARS]
    return ToolFinished(
        at=now,
        result=storable(message.note)[:STORED_CHARS],
        seconds=seconds,
        notices=(Notice(to=message.to, text=text),),
    )


async def objection(agent: Agent, call: ToolCall, context: ToolContext) -> str | None:
    """Why the call could not succeed, according to the tool's own check. None: it could."""
    tool = agent.tool(call.tool)
    if tool is None or tool.check is None:
        return None
    try:
        await _in_time(tool, tool.check, _arguments(tool, tool.check, call, context))
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


async def _in_time(tool: Tool, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        async with asyncio.timeout(tool.timeout):
            return await _called(function, arguments)
    except TimeoutError:
        raise TimeoutError(f"no result within {tool.timeout:.0f} s") from None


async def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        return await in_thread(function, **arguments)
    except (SystemExit, KeyboardInterrupt) as error:  # would end the worker's loop
        raise RuntimeError(f"the tool raised {error!r}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise RuntimeError("the tool was cancelled by itself") from error


def _shown(error: Exception) -> str:
    return storable(str(error) or type(error).__name__)[:ERROR_CHARS]
