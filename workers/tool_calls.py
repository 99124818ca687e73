"""Run one tool call: check its arguments once more, give it its context, bound its time."""

from __future__ import annotations

import asyncio
import inspect
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
            if inspect.iscoroutinefunction(tool.function):
                return str(await tool.function(**arguments))
            # A thread cannot be stopped: past its time the tool goes on, and nobody listens.
            return str(await asyncio.to_thread(tool.function, **arguments))
    except TimeoutError:
        raise TimeoutError(f"no result within {tool.timeout:.0f} s") from None
