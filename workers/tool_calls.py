"""Run one tool call: check its arguments once more, give it its context, bound its time."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any

from workers.agent import Agent, ToolContext
from workers.events import ToolCall


async def call_tool(agent: Agent, call: ToolCall, context: ToolContext) -> str:
    """Returns what the model gets to see. Raises whatever the tool raises, LookupError for a tool
    that the agent does not have (any more), `pydantic.ValidationError` and `TimeoutError`."""
    tool = agent.tool(call.tool)
    if tool is None:
        raise LookupError(f"agent {agent.name} has no tool {call.tool}")
    checked = tool.arguments.model_validate(call.arguments)
    arguments: dict[str, Any] = {
        name: getattr(checked, name) for name in type(checked).model_fields
    }
    if tool.context_parameter:
        arguments[tool.context_parameter] = context
    try:
        async with asyncio.timeout(tool.timeout):
            return storable(await _called(tool.function, arguments))
    except TimeoutError:
        raise TimeoutError(f"no result within {tool.timeout:.0f} s") from None


async def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        return await _in_thread(function, arguments)
    except (SystemExit, KeyboardInterrupt) as error:  # would end the worker's loop
        raise RuntimeError(f"the tool raised {error!r}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise RuntimeError("the tool was cancelled by itself") from error


async def _in_thread(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """A thread of its own. It cannot be stopped: past its time the tool goes on, and nobody
    listens. In the loop's pool a few such tools would leave no thread for name lookups and mail,
    and no worker would end before they do."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        elif isinstance(error, StopIteration):  # no future takes it
            outcome.set_exception(RuntimeError(repr(error)))
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(**arguments)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="tool", daemon=True).start()
    return await outcome


def storable(result: object) -> str:
    """Names of files, for example, may hold what no UTF-8 can."""
    return str(result).encode("utf-8", "replace").decode()
