"""What is true of a run at one version. Only `reduce` makes it; it is never stored as the truth.

A run has four parts by idea: the message that it answers, the inbox of what came meanwhile, the
work on a tool call with its approval, and the outbox of what is still to be said. Next to them
stands the effort that the current message took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from ponderd.channels.message import Address, Attachment, Inquiry, ReplyKind
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.copies import replace
from ponderd.workers.run.effort import Effort, Usage

WaitingFor = Literal["answer", "approval", "event", "time", "retry", "agent"]


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
    SET_ASIDE = "SET_ASIDE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True)
class Trouble:
    """Why a reply did not arrive so far."""

    since: float
    """When the first attempt failed, Unix seconds."""
    renewed: float
    """From when on its attempts are counted: `since`, or when somebody asked to try again."""
    error: str
    mendable: bool
    """An operator has to mend something first."""
    attempts: int = 1
    """All of them."""
    retry_at: float | None = None
    """When it is tried again, Unix seconds. None: when somebody asks for it."""


@dataclass(frozen=True)
class Outgoing:
    """Something that must be said."""

    kind: ReplyKind
    text: str
    to: Address | None
    """None: it is kept in the run until somebody reads it."""
    key: str | None = None
    """The idempotency key, set once sending it has begun."""
    attempts: int = 0
    """Failed attempts in a row that an operator has to mend, or that time may mend."""
    trouble: Trouble | None = None
    """None: no attempt has failed."""
    inquiry: Inquiry | None = None
    resolves: str = ""
    """The receipt of an earlier question that this notice settles."""
    settles: Inquiry | None = None
    """That question."""
    outcome: str = ""
    """How it was settled: the end of the text of this notice."""
    beside: bool = False
    """It goes out beside the conversation. No outcome hangs on it, so nothing waits for it."""
    late: bool = False
    """The conversation went on without it. Nothing follows from its arrival."""


@dataclass(frozen=True)
class Posted:
    """Where a question was asked; `receipt` is the other side's id of the message."""

    to: Address
    receipt: str


@dataclass(frozen=True)
class OpenQuestion:
    """A question of the model with choices; the first answer counts."""

    id: str
    text: str
    posted: tuple[Posted, ...] = ()


@dataclass(frozen=True)
class Approval:
    """One open question to people, bound to one exact tool call (by `digest`), to one limit of
    spending ("account.measure"), to one version of the agent, or, for `again`, to a step that came
    to nothing too often. Single-use."""

    id: str
    subject: Literal["tool", "limit", "version", "again"]
    bound_to: str
    text: str
    asked_at: float
    allows: float = 0
    """For a limit: how much may be used after a yes."""
    posted: tuple[Posted, ...] = ()
    reminded_at: float | None = None
    escalated: bool = False
    expired: bool = False
    """The time ran out and the policy is to halt. It can still be answered."""
    asked_by: str = ""
    """Who wrote the message that led to it, as `channels.message.principal` names people."""
    asked_for: str = ""
    """The beginning of that message."""


@dataclass(frozen=True)
class UnknownOutcome:
    """A tool call of which nobody saw how it ended."""

    key: str
    """Its idempotency key."""
    call: ToolCall
    question: str
    """What people were asked about it."""
    to: tuple[Address | None, ...]
    """Where they were asked; None: in the run."""
    asked: bool = False
    """The question reached them."""
    came: bool = False
    """Its result came late, and they were told."""
    heard: bool = False
    """Somebody has spoken since they were asked, or told."""


@dataclass(frozen=True)
class CurrentMessage:
    """The message that the run answers now, together with those that were joined to it."""

    text: str = ""
    sender: str = ""
    """Who wrote it, as `channels.message.principal` names people."""
    reply_to: Address | None = None
    """Where its answer goes; None: the answer waits in the run."""
    listeners: tuple[Address, ...] = ()
    """Where else the answer goes: to the senders of joined messages."""
    since: float = 0
    """When it came, Unix seconds. Joining others does not change it."""
    joined: int = 0
    """How often other messages were joined to it."""
    under_way: bool = False
    """It goes on with something that the agent began before."""
    asked_again: bool = False
    """It asks once more for what was just answered."""


@dataclass(frozen=True)
class TurnedAway:
    """Somebody whose messages found the inbox full, and who is not yet told."""

    to: Address | None
    sender: str
    """As `channels.message.principal` names people."""
    count: int


@dataclass(frozen=True)
class Inbox:
    """What came in and is not yet taken up, oldest first."""

    waiting: tuple[e.MessageReceived, ...] = ()
    """Messages; each one is answered in its turn."""
    early: tuple[e.MessageReceived, ...] = ()
    """Messages that came while the question of an approval was on its way."""
    commands: tuple[e.MessageReceived, ...] = ()
    """Messages like /pause, not yet carried out."""
    events: tuple[e.EventReceived, ...] = ()
    """Events that nobody waits for yet."""
    heard_at: float = 0
    """When the newest message came, Unix seconds."""
    turned_away: tuple[TurnedAway, ...] = ()
    turned_away_since: float | None = None
    """When the first message was turned away of which nobody is told yet, Unix seconds."""
    not_taken: int = 0
    """All messages that were ever turned away."""


@dataclass(frozen=True)
class Work:
    """What the agent is doing, and what it needs from people before it may go on."""

    call: ToolCall | None = None
    """The tool call that the model chose, until it is settled."""
    call_key: str | None = None
    """The idempotency key of `call`, from its intent (`ToolStarted`) until its outcome."""
    begun: int = 0
    """How often `call` was begun since a person last agreed to it."""
    begun_at: float = 0
    """When it was begun last, Unix seconds."""
    approval: Approval | None = None
    """The open approval."""
    approved: str = ""
    """The digest of the call that a person said yes to."""
    reply_to_approval: e.MessageReceived | None = None
    """A message that answers the open approval and is not yet judged."""
    question: OpenQuestion | None = None
    """The open question of the model, if a button can answer it."""
    waiting_for: Literal["answer", "approval", "delivery"] | None = None
    """What people owe the run, set when their question was sent; or "delivery": nothing is left to
    do but to deliver the outcome of the message, which is tried again."""
    wait: e.Waiting | None = None
    """The event or the time that a tool asked to wait for."""
    extended: Mapping[str, float] = field(default_factory=dict)
    """How much of an account ("account.measure") people allow this run to see used."""


@dataclass(frozen=True)
class Missing:
    """No worker has the run's agent."""

    untold: tuple[Address | None, ...] = ()
    """Where people wrote since everybody was told."""


@dataclass(frozen=True)
class Outbox:
    """What is still to be said, and the newest answer."""

    queue: tuple[Outgoing, ...] = ()
    """Replies to send, in this order. Sending the first one may have begun."""
    undelivered: tuple[Outgoing, ...] = ()
    """Replies that did not arrive and that nothing waits for, each with its trouble. They are sent
    again at their time, when somebody writes from there, or when somebody asks for it."""
    posts: Mapping[str, Address] = field(default_factory=dict)
    """For places ("channel:to") that name no thread: the thread that the first answer there began,
    into which the others go."""
    reply: str | None = None
    """The last thing that was said to the conversation."""
    output: dict[str, Any] | None = None
    """The typed result of the newest answer."""
    answered_by: int = 0
    """The event of the model call that became the newest answer, from the moment sending begins."""
    answered_at: float | None = None
    """When everybody who waits for the newest answer had it, Unix seconds."""


@dataclass(frozen=True)
class Run:
    """One conversation with one agent, folded from its events."""

    id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    created_at: float
    updated_at: float
    source: str = ""
    version: int = 1
    """How many events were folded."""
    turns: tuple[Turn, ...] = ()
    """The newest of the conversation: see `turns`."""
    turn_chars: int = 0
    """How long these are together."""
    turns_gone: int = 0
    """How many came before them."""
    first_sender: str = ""
    """Who began the conversation, as the channel names them."""
    files: tuple[Attachment, ...] = ()
    """The newest files that came with its messages, in the order in which the model was told."""
    files_gone: int = 0
    """How many came before them."""
    people: frozenset[str] = frozenset()
    """Who takes part by mail: addresses in lower case."""
    message: CurrentMessage = field(default_factory=CurrentMessage)
    inbox: Inbox = field(default_factory=Inbox)
    work: Work = field(default_factory=Work)
    outbox: Outbox = field(default_factory=Outbox)
    unknown: tuple[UnknownOutcome, ...] = ()
    """Tool calls that may have happened or not, oldest first."""
    effort: Effort = field(default_factory=Effort)
    effort_before: Effort = field(default_factory=Effort)
    """What the message before took, the newest one for which the model was asked."""
    chosen_by: int = 0
    """The event in which the model chose what was done last."""
    drafts: Mapping[int, int] = field(default_factory=dict)
    """For each event in which a doubted answer stood after all, the event in which it was doubted:
    whatever comes of the first is an outcome of the second."""
    usage: Usage = field(default_factory=Usage)
    retry_at: float | None = None
    """When a receiver or a failed step is tried again, Unix seconds."""
    told_away: tuple[str, ...] = ()
    """Places ("channel:to") where people know that the model is away."""
    failed_steps: int = 0
    """How often in a row a step failed without an outcome."""
    bounces: tuple[e.ReplyBounced, ...] = ()
    """What mail servers reported of its replies."""
    missing: Missing | None = None
    paused: bool = False
    ended: Status | None = None
    """How the last message ended; None while there is a current one."""
    detached: bool = False
    """It is a copy of another run and talks to nobody outside."""
    error: str | None = None

    @property
    def status(self) -> Status:
        if self.ended and not (self.inbox.waiting or self.inbox.commands):
            return self.ended
        if self.paused:
            return Status.PAUSED
        if self.inbox.commands or self.ended:
            return Status.READY
        if self.is_set_aside and self.waits_for == "approval":
            return Status.SET_ASIDE
        return Status.WAITING if self.waits_for else Status.READY

    @property
    def waits_for(self) -> WaitingFor | None:
        """What a WAITING, SET_ASIDE or PAUSED run waits for, once what was said is looked at."""
        if self.ended or self.inbox.commands or self._hears_soon:
            return None
        if self.missing and not self.missing.untold:
            return "agent"
        if self.work.wait and not self.retry_at:
            return "event" if self.work.wait.event else "time"
        waits, retries = self.work.waiting_for, self.retry_at or self.effort.retry_at
        return "retry" if waits == "delivery" or (waits is None and retries) else waits

    @property
    def is_asking(self) -> bool:
        """The question of the open approval is on its way: it may have been read, or not."""
        first, asked = self.outbox.queue[0] if self.outbox.queue else None, self.work.approval
        begun = first is not None and first.key is not None and not first.beside
        return bool(begun and first and asked and not self.ended and _asks(first, asked))

    @property
    def _hears_soon(self) -> bool:
        """Somebody spoke where the open approval did not arrive: it is tried there at once."""
        asked, heard_at = self.work.approval, self.inbox.heard_at
        tries = (out.trouble for out in self.outbox.undelivered if asked and _asks(out, asked))
        hurried = any(one and one.retry_at and one.retry_at <= heard_at for one in tries)
        return bool(self.inbox.early) and (self.is_asking or hurried)

    @property
    def is_set_aside(self) -> bool:
        """A step came to nothing too often, and people are asked whether to try again."""
        return self.work.approval is not None and self.work.approval.subject == "again"

    @property
    def owes_an_outcome(self) -> bool:
        """Somebody wrote and has not yet got an answer, a question or a failure."""
        return self.ended is None and self.work.waiting_for is None

    @property
    def fresh(self) -> bool:
        """Nothing was begun yet for the current message."""
        return self.effort == Effort() and self.work.call is None

    @property
    def pinned(self) -> bool:
        """Something was begun that must end with the agent as it was then."""
        return self.message.under_way or not self.fresh


def _asks(out: Outgoing, approval: Approval) -> bool:
    return out.inquiry is not None and out.inquiry.id == approval.id


def add(run: Run, *turns: Turn) -> Run:
    chars = run.turn_chars + sum(len(turn.text) for turn in turns)
    return replace(run, turns=run.turns + turns, turn_chars=chars)


def others(places: tuple[Address | None, ...], reply_to: Address | None) -> tuple[Address, ...]:
    """The places besides `reply_to`, each once: one answer serves all who are there."""
    seen = {(reply_to.channel, reply_to.to)} if reply_to else set()
    others = []
    for place in places:
        if place and (place.channel, place.to) not in seen:
            seen.add((place.channel, place.to))
            others.append(place)
    return tuple(others)
