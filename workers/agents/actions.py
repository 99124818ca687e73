"""What a model may answer: one JSON object, whose "action" says what it wants. Pure.

The actions are the agent's tools by name, with the tool's arguments as further fields; `reply` and
`ask_human` with a text (and with choices and urgency if the agent may ask any question); and `done`
with a summary or, if the agent has an output type, with the fields of that type.
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
from ponderd.workers.run.choices import Answer, Question, ToolCall
from ponderd.workers.run.model_call import RejectionReason


class Rejected(NamedTuple):
    """Why an answer of the model cannot be used."""

    reason: RejectionReason
    detail: str
    """Written for the model: what to do better."""


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of one agent."""

    arguments: Mapping[str, type[BaseModel]]
    """The type of the arguments, by action."""
    schema: dict[str, Any]
    """The JSON schema of all actions together."""


class _Question(BaseModel):
    text: str = Field(min_length=1)
    format: Literal["text", "yes_no", "choices"] = "text"
    choices: list[Annotated[str, Field(min_length=1, max_length=75)]] = Field([], max_length=10)
    urgency: Urgency = "normal"


_Text = create_model("Text", text=(str, Field(min_length=1)))
_Summary = create_model("Summary", summary=(str, Field(min_length=1)))

# By name and version of the agent: building them takes milliseconds, and every model call asks.
_actions: dict[tuple[str, str], Actions] = {}


def actions(agent: Agent) -> Actions:
    """The actions of `agent`. Raises ValueError if a tool has the name of another action."""
    key = agent.name, agent.version
    if key not in _actions:
        _actions[key] = _build(agent)
    return _actions[key]


def schema(agent: Agent) -> dict[str, Any]:
    """The JSON schema that the model's answers must fit. Raises ValueError, as `actions` does."""
    return actions(agent).schema


def interpret(content: str, agent: Agent) -> ToolCall | Answer | Question | Rejected:
    """What the model wants, or why its answer cannot be used. Never raises, whatever it wrote.

    The text of a typed answer is its JSON; an agent's `describe` is called by others."""
    said = _said(content)
    if isinstance(said, Rejected):
        return said
    known = actions(agent).arguments
    name = said.pop("action", None)
    if not isinstance(name, str) or name not in known:
        return Rejected("unknown_action", f"The action must be one of: {', '.join(known)}.")
    try:
        plain = known[name].model_validate(said).model_dump(mode="json")
        _ENCODER.encode(plain)
    except ValidationError as error:
        return Rejected("invalid_arguments", f"{name}: {_explain(error)}")
    except (ValueError, RecursionError) as error:
        return Rejected("invalid_arguments", f"{name}: {str(error)[:100]}")
    return _choice(name, plain, agent)


def typed(content: str, agent: Agent) -> Any:
    """The typed result in an answer that `interpret` took for one. Raises ValueError."""
    said = _said(content)
    if isinstance(said, Rejected) or agent.output is None:
        raise ValueError("this answer has no typed result")
    said.pop("action", None)
    return agent.output.model_validate(said)


def _said(content: str) -> dict[str, Any] | Rejected:
    if not content.strip():
        return Rejected("empty", "The answer was empty. Answer with one JSON object.")
    try:
        said = _DECODER.decode(content)
        if "\\u" in content or not content.isascii():
            json.dumps(said, ensure_ascii=False).encode()  # lone surrogates cannot be stored
    except (ValueError, RecursionError) as error:
        if not content.lstrip().startswith(("{", "[", "```")):
            return Rejected("prose", "That was prose. Answer with one JSON object only.")
        return Rejected("invalid_json", f"That was not valid JSON ({str(error)[:100]}).")
    if not isinstance(said, dict):
        return Rejected("invalid_json", "That was JSON, but not an object with an action.")
    return said


def _choice(
    name: str, plain: dict[str, Any], agent: Agent
) -> ToolCall | Answer | Question | Rejected:
    match name:
        case "done" if agent.output is not None:
            return Answer(text=json.dumps(plain), output=plain)
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
    # Drop the definitions of the actions themselves: they are written out in the options.
    text = json.dumps([options, definitions])
    used = {name: strict(d) for name, d in definitions.items() if f'"#/$defs/{name}"' in text}
    return {"anyOf": options} | ({"$defs": used} if used else {})


def strict(schema: Any) -> Any:
    """`schema` as strict modes want it: all properties required, no others allowed, no prose."""
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


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(allow_nan=False)
