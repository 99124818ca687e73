"""What of an agent's author is called, and with what. Each can be sent to another process.

`run` calls it, wherever that is: see contained.py.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from ponderd.workers.agents.actions import Rejected, actions, interpret, typed
from ponderd.workers.agents.agent import Agent, Tool, ToolContext, ToolResult
from ponderd.workers.agents.contained import finished, plain_result, shown, text_of
from ponderd.workers.agents.files import Files
from ponderd.workers.run.choices import Choice, ToolCall


class AuthorCall(Protocol):
    @property
    def what(self) -> str:
        """Its name in logs and errors."""
        ...

    def run(self, agent: Agent) -> Any:
        """Call it, and return plain data of ours. Raises whatever it raises."""
        ...


@dataclass(frozen=True, slots=True)
class CheckChoice:
    """`Agent.check`, which raises ValueError for what cannot be right."""

    choice: Choice
    what = "the agent's check"

    def run(self, agent: Agent) -> None:
        if agent.check is not None:
            finished(agent.check(self.choice))


@dataclass(frozen=True, slots=True)
class Describe:
    """`Agent.describe`, with the result that the model's answer `content` has."""

    content: str
    what = "describe"

    def run(self, agent: Agent) -> str:
        result = typed(self.content, agent)
        return text_of(finished(agent.describe(result))) if agent.describe else ""


@dataclass(frozen=True, slots=True)
class Interpret:
    """`interpret`, for types with code of the author's in them, such as a validator."""

    content: str
    what = "the agent's types"

    def run(self, agent: Agent) -> Choice | Rejected:
        return interpret(self.content, agent)


@dataclass(frozen=True, slots=True)
class CheckArguments:
    """Arguments of a person's for a tool, as its types make them, or why they are refused."""

    tool: str
    arguments: dict[str, Any]
    what = "the tool's types"

    def run(self, agent: Agent) -> dict[str, Any] | Rejected:
        tool = _tool(agent, self.tool)
        try:
            plain = tool.arguments.model_validate(self.arguments).model_dump(mode="json")
            # Or it cannot be stored.
            json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "it"
            return Rejected("invalid_arguments", f"{where}: {first['msg']}")
        except (ValueError, RecursionError):
            return Rejected("invalid_arguments", "the arguments hold something that is not JSON")
        return plain


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """A tool's own function that says which calls people must approve."""

    call: ToolCall
    what = "the approval function"

    def run(self, agent: Agent) -> bool:
        tool = _tool(agent, self.call.tool)
        if not callable(tool.approval):
            return tool.approval == "always"
        return bool(finished(tool.approval(dict(self.call.arguments))))


@dataclass(frozen=True, slots=True)
class CheckCall:
    """`Tool.check`, which raises if the call could not succeed anyway."""

    call: ToolCall
    context: ToolContext
    what = "the tool's check"

    def run(self, agent: Agent) -> None:
        tool = _tool(agent, self.call.tool)
        if tool.check is not None:
            finished(tool.check(**arguments_of(tool, tool.check, self.call, self.context)))


@dataclass(frozen=True, slots=True)
class UseTool:
    """The tool itself."""

    call: ToolCall
    context: ToolContext
    what = "the tool"

    def run(self, agent: Agent) -> ToolResult:
        tool = _tool(agent, self.call.tool)
        arguments = arguments_of(tool, tool.function, self.call, self.context)
        result = finished(tool.function(**arguments))
        try:
            return plain_result(result)
        except BaseException as error:  # it ran: what it returned makes no failure of that
            return f"done, but it returned what cannot be used: {shown(error)}"


def with_files(call: AuthorCall, get: Any) -> AuthorCall:
    """`call` with another way to get the contents of files. None can go to another process."""
    if not isinstance(call, CheckCall | UseTool):
        return call
    files = Files(call.context.files.attached, get, call.context.files.before)
    return replace(call, context=replace(call.context, files=files))


@lru_cache(maxsize=1_000)
def runs_code(agent_types: tuple[type[BaseModel], ...]) -> bool:
    """Whether validating one of these types calls functions, such as an author's validator."""
    return any(_calls(model.__pydantic_core_schema__) for model in agent_types)


def interprets_with_code(agent: Agent) -> bool:
    """Whether `interpret` would call code of the author's, besides `describe`."""
    return runs_code(tuple(actions(agent).arguments.values()))


def _calls(schema: object) -> bool:
    match schema:
        case dict():
            if schema.get("custom_init") or schema.get("post_init"):
                return True
            if schema.get("regex_engine") == "python-re" or _looks_up(schema.get("cls")):
                return True
            return any(_calls(value) for key, value in schema.items() if key != "metadata")
        case list() | tuple():
            return any(map(_calls, schema))
        case re.Pattern():
            return True
        case _:
            return callable(schema) and not isinstance(schema, type)


def _looks_up(cls: object) -> bool:
    """Whether it is an enumeration with a method for values that it does not have."""
    if not (isinstance(cls, type) and issubclass(cls, Enum)):
        return False
    return "_missing_" in {
        name for base in cls.__mro__[: -len(Enum.__mro__)] for name in vars(base)
    }


def _tool(agent: Agent, name: str) -> Tool:
    tool = agent.tool(name)
    if tool is None:
        raise LookupError(f"agent {agent.name} has no tool {name}")
    return tool


def arguments_of(
    tool: Tool, function: Callable[..., Any], call: ToolCall, context: ToolContext
) -> dict[str, Any]:
    """What `function`, the tool or its check, is called with. Raises `ValidationError`."""
    arguments = tool.validated(call.arguments)
    for name in _given_the_context(function):
        arguments[name] = context
    return arguments


@lru_cache(maxsize=1_000)
def _given_the_context(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of `function` that ponderd fills in."""
    parameters = inspect.signature(function, eval_str=True).parameters
    return tuple(name for name, found in parameters.items() if found.annotation is ToolContext)
