"""What is true of a run at one version. Made only by `reducer.reduce`; never stored as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from ponderd.channels.message import Address, Inquiry, ReplyKind
from ponderd.workers.run import events as e

WaitingFor = Literal["answer", "approval", "event", "time", "retry"]

Trouble = Literal["schema", "doubt", "tool error"]
"""What makes the next model call think harder: an unusable answer, one that is doubted, a failed
tool."""


class Turn(NamedTuple):
    """`person`: somebody wrote. `agent`: what the model wrote, word for word (JSON).
    `tool`: what a tool returned. `note`: ponderd tells the model something, such as an error.
    """

    role: Literal["person", "agent", "tool", "note"]
    text: str


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
    """Something that must be said. `key` is set once sending it has begun.

    `beside` the conversation: the run does not depend on it, so it is given up soon.
    """

    kind: ReplyKind
    text: str
    to: Address | None
    key: str | None = None
    attempts: int = 0
    inquiry: Inquiry | None = None
    resolves: str = ""
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a question was asked; `receipt` is the other side's id of the message."""

    to: Address
    receipt: str


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question of the model with choices; the first answer counts."""

    id: str
    text: str
    posted: tuple[Posted, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """One open question to people, bound to one exact tool call (by `digest`), to one limit of
    spending ("account.measure"), or to one version of the agent. Single-use."""

    id: str
    subject: Literal["tool", "limit", "version"]
    bound_to: str
    text: str
    asked_at: float
    allows: float = 0
    """Of a limit: how much may be used after a yes."""
    posted: tuple[Posted, ...] = ()
    reminded_at: float | None = None
    escalated: bool = False
    expired: bool = False
    """The time is over and the policy was to halt: it can still be answered."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the whole run has spent; `seconds` of model calls and tools, `cost` in money."""

    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    seconds: float = 0
    cost: float = 0

    def plus(self, call: e.ModelCall) -> Usage:
        return Usage(
            self.model_calls + 1,
            self.prompt_tokens + call.prompt_tokens,
            self.completion_tokens + call.completion_tokens,
            self.reasoning_tokens + call.reasoning_tokens,
            self.tool_calls,
            self.seconds + call.seconds,
            self.cost + call.cost,
        )

    def plus_dropped(self, seconds: float) -> Usage:
        """A model call that was dropped: the server did not say how many tokens it took."""
        return replace(self, model_calls=self.model_calls + 1, seconds=self.seconds + seconds)

    def plus_tool(self, seconds: float) -> Usage:
        return replace(self, tool_calls=self.tool_calls + 1, seconds=self.seconds + seconds)


@dataclass(frozen=True, slots=True)
class Effort:
    """What has been spent on the message at hand; starts anew with every message."""

    model_calls: int = 0
    rejections: int = 0
    last_rejection: e.RejectionReason | None = None
    model_failures: int = 0
    model_gone: bool = False
    """The model server failed too often: the sender is told so."""
    arm: str | None = None
    """Of the last model call, see `ponderd.workers.agents.arms`; None: there was none."""
    first_arm: str | None = None
    """Of the first one, before anything went wrong."""
    doubts: int = 0
    draft: str = ""
    """What the newest doubted answer said, and `drafted_by` the event of its call."""
    drafted_by: int = 0
    episode: int = 0
    """The event of the first model call for this message, by its number."""
    trouble: Trouble | None = None
    """What went wrong since the last model call was chosen."""
    calm: int = 0
    """Model calls since something last went wrong."""
    steps: int = 0
    """All model calls for this message; those above begin anew when people step in. Likewise, how
    often something went wrong, and how often that was a tool."""
    setbacks: int = 0
    tool_errors: int = 0

    def asked(self, version: int, arm: str, trouble: Trouble | None = None) -> Effort:
        """After one more model call, the outcome of which is the event `version`."""
        return replace(
            self,
            episode=self.episode or version,
            model_calls=self.model_calls + 1,
            steps=self.steps + 1,
            arm=arm,
            first_arm=self.first_arm or arm,
            trouble=None,
            calm=self.calm + 1,
        ).troubled(trouble)

    def troubled(self, trouble: Trouble | None) -> Effort:
        if trouble is None:
            return self
        return replace(
            self,
            trouble=trouble,
            calm=0,
            setbacks=self.setbacks + 1,
            tool_errors=self.tool_errors + (trouble == "tool error"),
        )

    def afresh(self) -> Effort:
        """Something new came, but no new message: what was chosen to think stays, and the sums."""
        return Effort(
            arm=self.arm,
            first_arm=self.first_arm,
            episode=self.episode,
            steps=self.steps,
            setbacks=self.setbacks,
            tool_errors=self.tool_errors,
        )


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
    version: int = 1
    turns: tuple[Turn, ...] = ()
    text: str = ""
    """The message at hand; `reply_to` is where its answer goes."""
    reply_to: Address | None = None
    listeners: tuple[Address, ...] = ()
    """Where else the answer goes: to those whose messages were joined to the one at hand."""
    sender: str = ""
    """Who wrote the message at hand, as `ponderd.channels.message.principal` names people."""
    first_sender: str = ""
    heard_at: float = 0
    heard_since: float = 0
    """When the message at hand came; `heard_at` is when the newest did."""
    joined: int = 0
    """How often others were joined to the message at hand."""
    inbox: tuple[e.MessageReceived, ...] = ()
    """Messages that arrived meanwhile; each is handled, and answered, in its turn."""
    early: tuple[e.MessageReceived, ...] = ()
    """Messages that came while the question of an approval was on its way."""
    commands: tuple[e.MessageReceived, ...] = ()
    """Messages like /pause, not yet carried out."""
    call: e.ToolCall | None = None
    """The tool call that was chosen and not yet settled."""
    call_key: str | None = None
    """Set from the intent (`ToolStarted`) until the outcome."""
    approval: Approval | None = None
    """The open one."""
    approved: str = ""
    """Digest of the call that a person said yes to."""
    reply_to_approval: e.MessageReceived | None = None
    """The message that answers the open approval, not yet judged."""
    question: OpenQuestion | None = None
    """The open one, if it can be answered by a button."""
    extended: Mapping[str, float] = field(default_factory=dict)
    """How much of an account ("account.measure") people allowed this run to see used."""
    wait: e.Waiting | None = None
    mailbox: tuple[e.EventReceived, ...] = ()
    """Events that nobody waited for yet."""
    outgoing: tuple[Outgoing, ...] = ()
    waiting_for: Literal["answer", "approval"] | None = None
    retry_at: float | None = None
    paused: bool = False
    over: Status | None = None
    detached: bool = False
    """It is a copy of another run, and talks to nobody outside."""
    under_way: bool = False
    """The message at hand goes on with something that the agent has begun before."""
    effort: Effort = field(default_factory=Effort)
    asked_again: bool = False
    """The message at hand asks once more for what was just answered."""
    before: Effort = field(default_factory=Effort)
    """What the newest message took that the model was asked about before this one."""
    chosen_by: int = 0
    """The event, by its number, in which the model chose what was done last."""
    drafts: Mapping[int, int] = field(default_factory=dict)
    """Events in which a doubted answer stood after all, and those of the calls that had brought
    them: what comes of the one is an outcome of the other."""
    answered_by: int = 0
    """The one that became the newest answer, which is sent or being sent."""
    answered_at: float | None = None
    """When the newest answer was sent to all who wait for it."""
    usage: Usage = field(default_factory=Usage)
    reply: str | None = None
    output: dict[str, Any] | None = None
    error: str | None = None

    @property
    def status(self) -> Status:
        if self.over and not (self.inbox or self.commands):
            return self.over
        if self.paused:
            return Status.PAUSED
        if self.commands or self.over:
            return Status.READY
        return Status.WAITING if self.waits_for else Status.READY

    @property
    def waits_for(self) -> WaitingFor | None:
        """What a WAITING or PAUSED run waits for."""
        if self.over:
            return None
        if self.wait and not self.retry_at:
            return "event" if self.wait.event else "time"
        return self.waiting_for or ("retry" if self.retry_at else None)

    @property
    def is_asking(self) -> bool:
        """The question of the open approval is on its way, and may have been read or not."""
        first = self.outgoing[0] if self.outgoing else None
        if first is None or first.key is None or first.beside or self.over:
            return False
        return bool(first.inquiry and self.approval and first.inquiry.id == self.approval.id)

    @property
    def owes_an_outcome(self) -> bool:
        """Somebody wrote and has not yet got an answer, a question or a failure."""
        return self.over is None and self.waiting_for is None

    @property
    def fresh(self) -> bool:
        """Nothing was begun yet for the message at hand."""
        return self.effort == Effort() and self.call is None

    @property
    def pinned(self) -> bool:
        """Something is under way that is to be ended with the agent as it was."""
        return self.under_way or not self.fresh


def add(run: Run, *turns: Turn) -> Run:
    return replace(run, turns=run.turns + turns)


def others(places: tuple[Address | None, ...], reply_to: Address | None) -> tuple[Address, ...]:
    """The places besides `reply_to`, each once: one answer serves all who are there."""
    seen = {(reply_to.channel, reply_to.to)} if reply_to else set()
    others = []
    for place in places:
        if place and (place.channel, place.to) not in seen:
            seen.add((place.channel, place.to))
            others.append(place)
    return tuple(others)
