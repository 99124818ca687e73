"""What can happen to a tool call. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ponderd.channels.message import Frozen
from ponderd.workers.run.inbound_events import EventBase
from ponderd.workers.run.reply_events import Notice


class ToolStarted(EventBase):
    """The intent to run the tool, written before its effect. `key` is the idempotency key."""

    type: Literal["tool_started"] = "tool_started"
    key: str


class Waiting(Frozen):
    """A durable wait for `event`, at most until `until` (Unix seconds; None: for ever)."""

    event: str = ""
    until: float | None = None


class ToolFinished(EventBase):
    """The tool ran. `notices` are sent from now on, as replies are."""

    type: Literal["tool_finished"] = "tool_finished"
    result: str
    seconds: float = Field(ge=0)
    wait: Waiting | None = None
    notices: tuple[Notice, ...] = ()


class ToolFailed(EventBase):
    """The tool itself said that it failed, or objected, or was not begun at all."""

    type: Literal["tool_failed"] = "tool_failed"
    error: str
    seconds: float = Field(ge=0)


class ToolInterrupted(EventBase):
    """An idempotent tool gave no result in time. It is begun again, with the same key."""

    type: Literal["tool_interrupted"] = "tool_interrupted"
    reason: str
    seconds: float = Field(ge=0)


Why = Literal["", "interrupted", "timeout", "cancelled"]


class ToolOutcomeUnknown(EventBase):
    """The tool was begun, and nobody saw how it ended. It may have happened, and is not repeated.

    `why` is "" in events from before this field. `known` completes "I started it and …".
    `seconds` is how long it was waited for.
    """

    type: Literal["tool_outcome_unknown"] = "tool_outcome_unknown"
    why: Why = ""
    seconds: float = Field(0, ge=0)
    known: str = "was interrupted before I saw the outcome"


class LateResultReceived(EventBase):
    """What became of the call with this key after all, whose outcome was unknown until now.

    `failed`: the tool said so, and `result` is its error. `seconds` is how long it took in all.
    """

    type: Literal["late_result_received"] = "late_result_received"
    key: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    result: str
    failed: bool = False
    seconds: float = Field(ge=0)
