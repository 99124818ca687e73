"""What is true of a run at one version. Made only by `reducer.reduce`; never stored as such."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from channels.message import Address, ReplyKind
from workers import events as e
from workers.turns import Turn

WaitingFor = Literal["answer", "approval", "retry"]


class Status(StrEnum):
    """'Running' is missing on purpose: that is a live lease, so no run can be stuck in it."""

    READY = "READY"
    WAITING = "WAITING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something that must be said. `key` is set once sending it has begun."""

    kind: ReplyKind
    text: str
    to: Address | None
    key: str | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, call: e.ModelCall) -> Usage:
        return Usage(
            self.model_calls + 1,
            self.prompt_tokens + call.prompt_tokens,
            self.completion_tokens + call.completion_tokens,
            self.reasoning_tokens + call.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """What has been spent on the message at hand; starts anew with every message."""

    model_calls: int = 0
    rejections: int = 0
    last_rejection: e.RejectionReason | None = None
    model_failures: int = 0
    model_gone: bool = False
    """The model server failed too often: the sender is told so."""
    mode: e.ThinkingMode | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One conversation with one agent, folded from its events. `version` counts them."""

    id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    created_at: float
    updated_at: float
    source: str = ""
    traceparent: str = ""
    version: int = 1
    turns: tuple[Turn, ...] = ()
    text: str = ""
    """The message at hand; `reply_to` is where its answer goes."""
    reply_to: Address | None = None
    inbox: tuple[e.MessageReceived, ...] = ()
    """Messages that arrived meanwhile; each is handled, and answered, in its turn."""
    call: e.ToolCall | None = None
    """The tool call that was chosen and not yet settled."""
    call_key: str | None = None
    """Set from the intent (`ToolStarted`) until the outcome."""
    approved: bool = False
    verdict: e.MessageReceived | None = None
    """The message that answers the open approval, not yet judged."""
    outgoing: tuple[Outgoing, ...] = ()
    waiting_for: Literal["answer", "approval"] | None = None
    retry_at: float | None = None
    paused: bool = False
    over: Status | None = None
    effort: Effort = field(default_factory=Effort)
    usage: Usage = field(default_factory=Usage)
    reply: str | None = None
    output: dict[str, Any] | None = None
    error: str | None = None

    @property
    def status(self) -> Status:
        if self.over and not self.inbox:
            return self.over
        if self.paused:
            return Status.PAUSED
        return Status.WAITING if self.waiting_for or self.retry_at else Status.READY

    @property
    def waits_for(self) -> WaitingFor | None:
        """What a WAITING or PAUSED run waits for."""
        if self.over:
            return None
        return self.waiting_for or ("retry" if self.retry_at else None)

    @property
    def owes_an_outcome(self) -> bool:
        """Somebody wrote and has not yet got an answer, a question or a failure."""
        return self.over is None and self.waiting_for is None
