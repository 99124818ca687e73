"""An agent: a name, a prompt, a few typed tools, limits. Each is one file."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from pydantic import BaseModel, ConfigDict, create_model

from ponderd.channels.message import Address
from ponderd.workers.agents.files import Files
from ponderd.workers.agents.policies import Approvals, Budgets, Busy, Thinking
from ponderd.workers.run.choices import Answer, Question, ToolCall

ApprovalPolicy = Literal["never", "always"] | Callable[[Mapping[str, Any]], bool]
"""When a person must approve a call. A function decides by the arguments of the call."""


class WaitFor(NamedTuple):
    """A tool returns this to make its run wait, for a second or a month, without a worker.

    The wait ends when `event` arrives or when `seconds` have passed, whichever is first.
    """

    seconds: float | None = None
    """None: no limit."""
    event: str = ""
    """Name of an event from outside (POST /runs/{id}/events). One that came before counts, too."""
    note: str = "waiting"
    """What the model sees as the tool's result."""


@dataclass(frozen=True, slots=True)
class Notify:
    """A tool returns this to send a message to others, besides its result.

    It is sent as replies are: once, and again for hours if it does not arrive.
    """

    to: Address
    text: str
    note: str
    """What the model sees as the tool's result."""


ToolResult = str | WaitFor | Notify
"""A text is what the model sees as the result."""

ToolFunction = Callable[..., ToolResult] | Callable[..., Awaitable[ToolResult]]

ThinkingWord = Literal["auto", "never", "always", "none", "short", "long"]
"""Short for a `Thinking`. "none" means never; "short" and "long" mean always, with that arm."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The context of a tool call. A tool gets it if it has a parameter of this type."""

    run_id: str
    idempotency_key: str
    """An `EventRef` as text. It is the same if an idempotent tool runs again after a crash or
    a time-out."""
    data_dir: Path
    """The data folder of this installation."""
    files: Files = field(default_factory=Files)
    """The files that people attached in this run."""
    notify_allow: tuple[str, ...] = ()
    """Where `notify` may write, as PONDERD_NOTIFY_ALLOW lists it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. Make one with `@tool`."""

    name: str
    description: str
    """What the model reads about it."""
    arguments: type[BaseModel]
    """Validates and describes the parameters that the model fills in."""
    function: ToolFunction
    context_parameter: str | None
    """The parameter that gets the `ToolContext`, if there is one."""
    idempotent: bool
    """Running it twice with the same idempotency key does no more than running it once."""
    approval: ApprovalPolicy
    timeout: float
    """Seconds for which its result is waited for. After that its outcome is unknown."""
    check: Callable[..., object] | None = None
    """Takes the same parameters, and raises if the call could not succeed anyway. Nobody is asked
    to approve such a call."""
    destructive: bool = False
    """A wrong call does harm that cannot be undone. An agent that may choose this tool thinks at
    least briefly, unless its policy says otherwise."""
    isolated: bool = False
    """It runs in a process of its own, which is killed at its time-out, or when it takes more than
    `memory`. Otherwise in a thread of the worker."""
    memory: int = 512
    """Megabytes that it may take if it is isolated, besides what loading the agents takes."""

    def validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, converted to the types of the function. Raises `ValidationError`."""
        checked = self.arguments.model_validate(arguments)
        return {name: getattr(checked, name) for name in type(checked).model_fields}


@overload
def tool(function: ToolFunction, /) -> Tool: ...
@overload
def tool(
    *,
    idempotent: bool = ...,
    approval: ApprovalPolicy = ...,
    timeout: float = ...,
    check: Callable[..., object] | None = ...,
    destructive: bool | None = ...,
    isolated: bool = ...,
    memory: int = ...,
) -> Callable[[ToolFunction], Tool]: ...
def tool(
    function: ToolFunction | None = None,
    /,
    *,
    idempotent: bool = False,
    approval: ApprovalPolicy = "never",
    timeout: float = 60,
    check: Callable[..., object] | None = None,
    destructive: bool | None = None,
    isolated: bool = False,
    memory: int = 512,
) -> Tool | Callable[[ToolFunction], Tool]:
    """Turn a typed function into a `Tool`, as `@tool` or `@tool(…)`. The model reads its
    docstring as the description.

    It runs in a thread of its own, a coroutine function on an event loop of its own; or, if it is
    `isolated`, in a process of its own with at most `memory` megabytes. It returns the text that
    the model sees, or a `WaitFor`. The result is waited for `timeout` seconds; after that the
    outcome is unknown, see docs/agents.md. By default a tool is
    `destructive` if it may need approval and is not idempotent.
    """
    if memory < 1:
        raise ValueError("memory is in megabytes, at least 1")
    if not timeout > 0:
        raise ValueError("timeout is in seconds, more than 0")
    if destructive is None:
        destructive = approval != "never" and not idempotent

    def decorate(function: ToolFunction) -> Tool:
        fields: dict[str, Any] = {}
        context_parameter = None
        # eval_str: with `from __future__ import annotations` annotations are strings.
        parameters = inspect.signature(function, eval_str=True).parameters
        for name, parameter in parameters.items():
            if parameter.annotation is ToolContext:
                context_parameter = name
            elif parameter.annotation is inspect.Parameter.empty:
                where = f"the parameter {name} of the tool {function.__name__}"
                raise TypeError(f"{where} needs a type, such as {name}: str")
            elif parameter.default is inspect.Parameter.empty:
                fields[name] = (parameter.annotation, ...)
            else:
                fields[name] = (parameter.annotation, parameter.default)
        name = function.__name__
        return Tool(
            name=name,
            description=inspect.getdoc(function) or name,
            arguments=create_model(name, __config__=ConfigDict(extra="forbid"), **fields),
            function=function,
            context_parameter=context_parameter,
            idempotent=idempotent,
            approval=approval,
            timeout=timeout,
            check=check,
            destructive=destructive,
            isolated=isolated,
            memory=memory,
        )

    return decorate if function is None else decorate(function)


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example. The model sees it as turns of a real conversation."""

    said: str
    """What a user or a tool said."""
    did: Mapping[str, Any]
    """The JSON object with which the model should answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may cost before the agent stops."""

    model_calls: int = 12
    """Model calls per message. After that the agent gives up and says so."""
    rejections: int = 3
    """Unusable answers of the model in a row. After that a person is asked."""
    answer_tokens: int = 512
    """Tokens of one answer of the model, not counting its thinking."""


@dataclass(frozen=True)
class Agent:
    """A small, focused agent."""

    name: str
    description: str
    prompt: str
    tools: Sequence[Tool] = ()
    examples: Sequence[Example] = ()
    output: type[BaseModel] | None = None
    """The type of its result. None: it answers in text."""
    describe: Callable[[Any], str] | None = None
    """Turns a result of type `output` into the text of the answer. None: the text is its JSON."""
    check: Callable[[ToolCall | Answer | Question], object] | None = None
    """Looks at what the model chose, and raises ValueError if it cannot be right. The model is told
    why, and thinks harder."""
    thinking: Thinking | ThinkingWord = "auto"
    limits: Limits = field(default_factory=Limits)
    questions: Literal["text", "any"] = "text"
    """With "any" the model may also ask for a yes or no, offer choices, and set the urgency."""
    listens: Literal["mentions", "thread"] = "mentions"
    """What it hears in a thread of Slack where no question is open: what mentions it, or all that
    is written there."""
    approvals: Approvals = field(default_factory=Approvals)
    busy: Mapping[str, Busy] = field(default_factory=dict)
    """By channel. "default" holds for all others."""
    budgets: Budgets = field(default_factory=Budgets)

    @functools.cached_property
    def limited(self) -> Mapping[str, Mapping[str, float]]:
        """The limits of `budgets` that there are: scope -> measure -> limit."""
        found = {}
        for scope, budget in self.budgets:
            if limits := {name: limit for name, limit in budget if limit is not None}:
                found[scope] = limits
        return found

    @functools.cached_property
    def thinks(self) -> Thinking:
        """`thinking` as a policy, even if it was given as one word."""
        match self.thinking:
            case Thinking() as policy:
                return policy
            case "none":
                return Thinking(mode="never")
            case "short" | "long" as arm:
                return Thinking(mode="always", arms=(arm,))
            case mode:
                return Thinking(mode=mode)

    def tool(self, name: str) -> Tool | None:
        """The tool with this name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def busy_in(self, channel: str) -> Busy:
        """What becomes of a message on `channel` while the agent is busy."""
        return self.busy.get(channel) or self.busy.get("default") or Busy()

    @functools.cached_property
    def version(self) -> str:
        """A digest that changes with the prompt, the examples, the tools and the output type."""
        described = {
            "prompt": self.prompt,
            "examples": [[example.said, dict(example.did)] for example in self.examples],
            "tools": {t.name: [t.description, t.arguments.model_json_schema()] for t in self.tools},
            "output": self.output.model_json_schema() if self.output else None,
            # Left out by default, so that agents from before this option keep their version.
        } | ({"questions": self.questions} if self.questions != "text" else {})
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
