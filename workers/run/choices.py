"""What a model may choose to do next: call a tool, answer, or ask. Pure data.

An agent's own `check` gets one of these.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from ponderd.channels.message import Frozen, Urgency


class ToolCall(Frozen):
    """Call one of the agent's tools."""

    action: Literal["tool"] = "tool"
    tool: str
    """The tool's name."""
    arguments: dict[str, Any]
    """By name, as JSON has them. The tool's own types check them before it runs."""


class Answer(Frozen):
    """Answer the sender, and end the work on their message."""

    action: Literal["answer"] = "answer"
    text: str
    output: dict[str, Any] | None = None
    """The typed result, if the agent declares one."""


class Question(Frozen):
    """Ask the people of the conversation, and wait for what they say."""

    action: Literal["question"] = "question"
    text: str
    format: Literal["text", "yes_no", "choices"] = "text"
    """Yes/no and choices become buttons, in a channel that has any. People may always answer in
    their own words."""
    choices: tuple[str, ...] = ()
    """The words on the buttons."""
    urgency: Urgency = "normal"


Choice = Annotated[ToolCall | Answer | Question, Field(discriminator="action")]


def chosen_in(content: str) -> Choice | None:
    """What the words of a model say, taken as they stand, without its agent's types. None if they
    are not one JSON object with an action.

    Logs leave out a choice that is this one, so this never changes.
    """
    try:
        said = from_json(content)
        action = said.pop("action") if isinstance(said, dict) else None
        match action, list(said.values()) if isinstance(said, dict) else []:
            case "reply" | "done", [str(text)]:
                return Answer(text=text)
            case "done", _:
                return Answer(text=json.dumps(said), output=said)
            case "ask_human", _:
                return Question.model_validate(said)
            case str(tool), _:
                return ToolCall(tool=tool, arguments=said)
    except (ValueError, KeyError, ValidationError):
        pass
    return None
