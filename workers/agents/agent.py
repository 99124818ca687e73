"""What an agent is: a name, a prompt, a few typed tools, limits. One file in `agents/` each."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, create_model

from ponderd.workers.agents.policies import Approvals, Budgets, Busy, Thinking
from ponderd.workers.run.choices import Answer, Question, ToolCall

ApprovalPolicy = Literal["never", "always"] | Callable[[Mapping[str, Any]], bool]


class WaitFor(NamedTuple):
    """What a tool returns to make the run wait, without a worker, for a second or a month.

    Until `event` arrives (POST /runs/{id}/events; one that came before is not lost), or for
    `seconds`, whichever is first. `note` is the result that the model gets to see.
    """

    seconds: float | None = None
    event: str = ""
    note: str = "waiting"


ToolResult = str | WaitFor

ThinkingWord = Literal["auto", "never", "always", "none", "short", "long"]
"""Short for a `Thinking`: "none" is never, "short" and "long" are always so."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool gets besides its arguments, if it has a parameter of this type.

    `idempotency_key` ("run:version") is the same when an idempotent tool is run again after a
    crash. `data_dir` is the data folder of this installation.
    """

    run_id: str
    idempotency_key: str
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. Make one with `@tool`.

    `arguments` validates and describes its parameters; `idempotent` says that running it twice
    with the same key does no more than once; `approval` says when a person must agree first.
    `check` takes the same parameters and raises for what could not be done anyway: nobody is
    asked to approve that. `destructive` says that a wrong call does harm that cannot be undone: an
    agent that may choose it thinks at least shortly (unless its policy says otherwise).
    """

    name: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., ToolResult] | Callable[..., Awaitable[ToolResult]]
    context_parameter: str | None
    idempotent: bool
    approval: ApprovalPolicy
    timeout: float
    check: Callable[..., object] | None = None
    destructive: bool = False

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        match self.approval:
            case "never":
                return False
            case "always":
                return True
            case predicate:
                try:
                    return predicate(arguments)
                except Exception:  # a policy that cannot decide leaves it to a person
                    return True

    def validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them. Raises `pydantic.ValidationError`."""
        checked = self.arguments.model_validate(arguments)
        return {name: getattr(checked, name) for name in type(checked).model_fields}


def tool(
    *,
    idempotent: bool = False,
    approval: ApprovalPolicy = "never",
    timeout: float = 60,
    check: Callable[..., object] | None = None,
    destructive: bool | None = None,
) -> Callable[[Callable[..., ToolResult] | Callable[..., Awaitable[ToolResult]]], Tool]:
    """Turn a typed function into a `Tool`; its docstring is what the model reads.

    A plain function runs in a thread, a coroutine function on the worker's loop; both return the
    text that the model gets to see (or `WaitFor`), and are given up after `timeout` seconds.
    Unless said, a tool is `destructive` if it needs approval and must not be repeated.
    """
    if destructive is None:
        destructive = approval != "never" and not idempotent

    def decorate(
        function: Callable[..., ToolResult] | Callable[..., Awaitable[ToolResult]],
    ) -> Tool:
        fields: dict[str, Any] = {}
        context_parameter = None
        parameters = inspect.signature(function, eval_str=True).parameters
        for name, parameter in parameters.items():
            if parameter.annotation is ToolContext:
                context_parameter = name
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
        )

    return decorate


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example, shown to the model as real turns: what was said, what it then did.

    `said` is what a user or a tool said; `did` the JSON object with which the model answered.
    """

    said: str
    did: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    model_calls: int = 12
    """Model calls per message before the agent gives up and says so."""
    rejections: int = 3
    """Unusable model answers in a row before a person is asked."""
    answer_tokens: int = 512
    """Tokens of one model answer, without its thinking."""


@dataclass(frozen=True)
class Agent:
    """A small, focused agent. `output` is the type of its result, if it has one;
    `describe` turns such a result into the text of the answer. `check` looks at what the model
    chose and raises ValueError for what cannot be right: the model is told, and thinks harder.
    """

    name: str
    description: str
    prompt: str
    tools: Sequence[Tool] = ()
    examples: Sequence[Example] = ()
    output: type[BaseModel] | None = None
    describe: Callable[[Any], str] | None = None
    check: Callable[[ToolCall | Answer | Question], object] | None = None
    thinking: Thinking | ThinkingWord = "auto"
    limits: Limits = field(default_factory=Limits)
    questions: Literal["text", "any"] = "text"
    """any: the model may also ask for yes or no, or offer choices, and say how urgent it is."""
    approvals: Approvals = field(default_factory=Approvals)
    busy: Mapping[str, Busy] = field(default_factory=dict)
    """By channel; "default" for all others."""
    budgets: Budgets = field(default_factory=Budgets)

    @functools.cached_property
    def thinks(self) -> Thinking:
        """Its policy of thinking, also where `thinking` is one word."""
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
        return next((tool for tool in self.tools if tool.name == name), None)

    def busy_in(self, channel: str) -> Busy:
        return self.busy.get(channel) or self.busy.get("default") or Busy()

    @functools.cached_property
    def version(self) -> str:
        """Changes whenever the prompt, an example, a tool or the output type changes."""
        described = {
            "prompt": self.prompt,
            "examples": [[example.said, dict(example.did)] for example in self.examples],
            "tools": {t.name: [t.description, t.arguments.model_json_schema()] for t in self.tools},
            "output": self.output.model_json_schema() if self.output else None,
        } | ({"questions": self.questions} if self.questions != "text" else {})
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
