"""One model call: how much it may think, what it cost, and what the model chose to do next."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ponderd.channels.message import Frozen, Urgency

# What a model may choose to do next. `ToolCall` is a tool of the agent's own.


class ToolCall(Frozen):
    action: Literal["tool"] = "tool"
    tool: str
    arguments: dict[str, Any]


class Answer(Frozen):
    """Answer the sender. `output` is the agent's typed result where it declares a type."""

    action: Literal["answer"] = "answer"
    text: str
    output: dict[str, Any] | None = None


class Question(Frozen):
    """Ask the people of the conversation. Yes/no and choices become buttons where there are any;
    a free answer is taken all the same."""

    action: Literal["question"] = "question"
    text: str
    format: Literal["text", "yes_no", "choices"] = "text"
    choices: tuple[str, ...] = ()
    urgency: Urgency = "normal"


Choice = Annotated[ToolCall | Answer | Question, Field(discriminator="action")]
