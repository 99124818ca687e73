"""What a model may say: one JSON object, told apart by its "action". Pure.

The agent's own tools by name, with their arguments beside the action; `reply` and `ask_human`
with a text (an agent that may ask in any form adds choices and urgency); `done` with a summary
or, for an agent with an output type, with that type's fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.json_schema import models_json_schema

from ponderd.channels.message import Urgency
from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.events import Answer, Question, RejectionReason, ToolCall


class Rejected(NamedTuple):
    """`detail` is written for the model: it says what to do better."""

    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of one agent: the types of their arguments, and the JSON schema of them all."""

    arguments: Mapping[str, type[BaseModel]]
    schema: dict[str, Any]


class _Question(BaseModel):
    text: str = Field(min_length=1)
    format: Literal["text", "yes_no", "choices"] = "text"
    choices: list[Annotated[str, Field(min_length=1, max_length=75)]] = Field([], max_length=10)
    urgency: Urgency = "normal"


_Text = create_model("Text", text=(str, Field(min_length=1)))
_Summary = create_model("Summary", summary=(str, Field(min_length=1)))

_actions: dict[tuple[str, str], Actions] = {}


def actions(agent: Agent) -> Actions:
    """Raises ValueError for a tool that cannot be told apart from the other actions."""
    key = agent.name, agent.version
    if key not in _actions:
        _actions[key] = _build(agent)
    return _actions[key]


def schema(agent: Agent) -> dict[str, Any]:
    return actions(agent).schema


def interpret(content: str, agent: Agent) -> ToolCall | Answer | Question | Rejected:
    """What the model wants, or why its answer is unusable. Never raises, whatever it wrote."""
    if not content.strip():
        return Rejected("empty", "The answer was empty. Answer with one JSON object.")
    try:
        said = json.loads(content, parse_constant=_refuse_constant)
        json.dumps(said, ensure_ascii=False).encode()  # lone surrogates cannot be stored
    except (ValueError, RecursionError) as error:
        if not content.lstrip().startswith(("{", "[", "```")):
            return Rejected("prose", "That was prose. Answer with one JSON object only.")
        return Rejected("invalid_json", f"That was not valid JSON ({str(error)[:100]}).")
    if not isinstance(said, dict):
        return Rejected("invalid_json", "That was JSON, but not an object with an action.")
    known = actions(agent).arguments
    name = said.pop("action", None)
    if not isinstance(name, str) or name not in known:
        return Rejected("unknown_action", f"The action must be one of: {', '.join(known)}.")
    try:
        arguments = known[name].model_validate(said)
        plain = arguments.model_dump(mode="json")
        json.dumps(plain, allow_nan=False)
    except ValidationError as error:
        return Rejected("invalid_arguments", f"{name}: {_explain(error)}")
    except (ValueError, RecursionError) as error:
        return Rejected("invalid_arguments", f"{name}: {str(error)[:100]}")
    return _choice(name, arguments, plain, agent)


def _choice(
    name: str, arguments: BaseModel, plain: dict[str, Any], agent: Agent
) -> ToolCall | Answer | Question | Rejected:
    match name:
        case "done" if agent.output is not None:
            text = agent.describe(arguments) if agent.describe else json.dumps(plain)
            return Answer(text=text, output=plain)
        case "reply" | "done" | "ask_human":
            text = next(iter(plain.values()))
            if not text.strip():
                return Rejected("invalid_arguments", f"{name}: the text was blank.")
            return Question.model_validate(plain) if name == "ask_human" else Answer(text=text)
        case _:
            return ToolCall(tool=name, arguments=plain)


def _build(agent: Agent) -> Actions:
    arguments: dict[str, type[BaseModel]] = {tool.name: tool.arguments for tool in agent.tools}
    if len(arguments) < len(agent.tools):
        raise ValueError("two tools have the same name")
    if taken := {"reply", "ask_human", "done"} & arguments.keys():
        raise ValueError(f"a tool must not be called {taken.pop()}")
    question = _Question if agent.questions == "any" else _Text
    arguments |= {"reply": _Text, "ask_human": question, "done": agent.output or _Summary}
    for name, model in arguments.items():
        if "action" in model.model_fields:
            raise ValueError(f"{name}: a field must not be called action")
    return Actions(arguments, _schema(arguments))


def _schema(arguments: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    references, shared = models_json_schema(
        [(model, "validation") for model in arguments.values()],
        ref_template="#/$defs/{model}",
    )
    definitions = shared.pop("$defs", {})
    options = []
    for name, model in arguments.items():
        reference = references[model, "validation"]
        described = definitions[reference["$ref"].rpartition("/")[2]]
        properties = {"action": {"const": name}, **described.get("properties", {})}
        options.append(strict({"type": "object", "properties": properties}))
    # What only the options themselves were made of is not referred to any more.
    text = json.dumps([options, definitions])
    used = {name: strict(d) for name, d in definitions.items() if f'"#/$defs/{name}"' in text}
    return {"anyOf": options} | ({"$defs": used} if used else {})


def strict(schema: Any) -> Any:
    """`schema` as the strict modes want it: every property required, no others, no prose."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: strict(value) if key not in ("properties", "enum", "const") else value
        for key, value in schema.items()
        if key not in ("title", "description", "default", "examples")
    }
    if "properties" in schema:
        properties = {name: strict(value) for name, value in schema["properties"].items()}
        closed |= {
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    return closed


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, p['loc'])) or 'it'}: {p['msg']}" for p in problems[:3]]
    return "; ".join(lines)[:300]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
