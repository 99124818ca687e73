"""What can happen to a run. A run is the list of these events; all its state is a fold of them.

Every event carries `at`, Unix seconds. Events never change once written; new fields get defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from channels.message import Address, Frozen, ReplyKind

ThinkingMode = Literal["none", "short", "long"]
RejectionReason = Literal["prose", "invalid_json", "empty", "unknown_action", "invalid_arguments"]


class Decision(Frozen):
    """How much one model call may think, and why. `budget` is in tokens."""

    mode: ThinkingMode = "none"
    reason: str = "default"
    budget: int = Field(0, ge=0)


class ModelCall(Frozen):
    """The receipt of one model call: what was asked, what it cost.

    `prompt_hash` is the SHA-256 of the exact request body; `seconds` the wall time of all
    attempts; token counts are the server's own where it reports them.
    """

    model: str
    decision: Decision
    prompt_hash: str
    seconds: float = Field(ge=0)
    attempts: int = Field(1, ge=1)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


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
    action: Literal["question"] = "question"
    text: str


Choice = Annotated[ToolCall | Answer | Question, Field(discriminator="action")]


class _Event(Frozen):
    at: float


class RunLaunched(_Event):
    type: Literal["run_launched"] = "run_launched"
    run_id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    source: str = ""
    traceparent: str = ""


class MessageReceived(_Event):
    """A person or program wrote; see `channels.message.Trigger` for the fields."""

    type: Literal["message_received"] = "message_received"
    text: str
    sender: str
    authentic: bool = False
    reply_to: Address | None = None
    attachments: tuple[str, ...] = ()


class ModelAnswered(_Event):
    """The model chose what to do next; `content` is what it wrote, word for word."""

    type: Literal["model_answered"] = "model_answered"
    choice: Choice
    content: str
    call: ModelCall


class ModelRejected(_Event):
    """The model wrote something that is not one of the agent's actions."""

    type: Literal["model_rejected"] = "model_rejected"
    reason: RejectionReason
    detail: str
    content: str
    call: ModelCall


class ModelFailed(_Event):
    """The model server gave no answer; the run waits until `retry_at` and asks again, or gives
    up (None)."""

    type: Literal["model_failed"] = "model_failed"
    error: str
    retry_at: float | None


class ApprovalRequested(_Event):
    """The chosen tool call waits for a person's yes."""

    type: Literal["approval_requested"] = "approval_requested"
    text: str


class ApprovalAnswered(_Event):
    """`remark` is what the person wrote when it was neither a clear yes nor a clear no."""

    type: Literal["approval_answered"] = "approval_answered"
    approved: bool
    by: str
    remark: str = ""


class QuestionAsked(_Event):
    """ponderd itself asks (the model's own questions are a `ModelAnswered`)."""

    type: Literal["question_asked"] = "question_asked"
    text: str


class ToolStarted(_Event):
    """Intent, written before the effect. `key` ("run:version") is the idempotency key."""

    type: Literal["tool_started"] = "tool_started"
    key: str


class ToolFinished(_Event):
    type: Literal["tool_finished"] = "tool_finished"
    result: str
    seconds: float = Field(ge=0)


class ToolFailed(_Event):
    type: Literal["tool_failed"] = "tool_failed"
    error: str
    seconds: float = Field(ge=0)


class ToolOutcomeUnknown(_Event):
    """The worker died between `ToolStarted` and the outcome, and the tool is not idempotent."""

    type: Literal["tool_outcome_unknown"] = "tool_outcome_unknown"


class ReplyStarted(_Event):
    """Intent, written before sending. `key` ("run:version") is the idempotency key."""

    type: Literal["reply_started"] = "reply_started"
    key: str
    kind: ReplyKind
    text: str


class ReplySent(_Event):
    """`receipt` is the other side's id of the message; "held" when it waits in the run."""

    type: Literal["reply_sent"] = "reply_sent"
    receipt: str


class ReplyFailed(_Event):
    """Sending failed. It is tried again at `retry_at`; None gives the reply up."""

    type: Literal["reply_failed"] = "reply_failed"
    error: str
    retry_at: float | None


class RunFailed(_Event):
    """The agent cannot go on; the sender is told `error`."""

    type: Literal["run_failed"] = "run_failed"
    error: str


class RunPaused(_Event):
    type: Literal["run_paused"] = "run_paused"
    by: str


class RunResumed(_Event):
    type: Literal["run_resumed"] = "run_resumed"
    by: str


class RunCancelled(_Event):
    type: Literal["run_cancelled"] = "run_cancelled"
    by: str
    reason: str = ""


Event = Annotated[
    RunLaunched
    | MessageReceived
    | ModelAnswered
    | ModelRejected
    | ModelFailed
    | ApprovalRequested
    | ApprovalAnswered
    | QuestionAsked
    | ToolStarted
    | ToolFinished
    | ToolFailed
    | ToolOutcomeUnknown
    | ReplyStarted
    | ReplySent
    | ReplyFailed
    | RunFailed
    | RunPaused
    | RunResumed
    | RunCancelled,
    Field(discriminator="type"),
]

_codec: TypeAdapter[Event] = TypeAdapter(Event)


def encode(event: Event) -> bytes:
    return event.model_dump_json(exclude_defaults=False).encode()


def decode(data: bytes | str) -> Event:
    """Raises `pydantic.ValidationError` for what no known event looks like."""
    return _codec.validate_json(data)


def decode_all(log: Sequence[bytes | str]) -> tuple[Event, ...]:
    return tuple(decode(entry) for entry in log)
