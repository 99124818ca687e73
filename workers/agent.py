"""What an agent is: a name, a prompt, a few typed tools, limits. One file in `agents/` each."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from workers.events import ThinkingMode

ApprovalPolicy = Literal["never", "always"] | Callable[[Mapping[str, Any]], bool]


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
    """

    name: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., str] | Callable[..., Awaitable[str]]
    context_parameter: str | None
    idempotent: bool
    approval: ApprovalPolicy
    timeout: float

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


def tool(
    *, idempotent: bool = False, approval: ApprovalPolicy = "never", timeout: float = 60
) -> Callable[[Callable[..., str] | Callable[..., Awaitable[str]]], Tool]:
    """Turn a typed function into a `Tool`; its docstring is what the model reads.

    A plain function runs in a thread, a coroutine function on the worker's loop; both return the
    text that the model gets to see, and are given up after `timeout` seconds.
    """

    def decorate(function: Callable[..., str] | Callable[..., Awaitable[str]]) -> Tool:
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
    `describe` turns such a result into the text of the answer.
    """

    name: str
    description: str
    prompt: str
    tools: Sequence[Tool] = ()
    examples: Sequence[Example] = ()
    output: type[BaseModel] | None = None
    describe: Callable[[Any], str] | None = None
    thinking: ThinkingMode | Literal["auto"] = "auto"
    limits: Limits = field(default_factory=Limits)

    def tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    @functools.cached_property
    def version(self) -> str:
        """Changes whenever the prompt, an example, a tool or the output type changes."""
        described = {
            "prompt": self.prompt,
            "examples": [[example.said, dict(example.did)] for example in self.examples],
            "tools": {t.name: [t.description, t.arguments.model_json_schema()] for t in self.tools},
            "output": self.output.model_json_schema() if self.output else None,
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
