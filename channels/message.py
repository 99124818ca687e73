"""What comes in and what goes out, the same for every channel. Pure data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ReplyKind = Literal["answer", "question", "failure", "notice"]
"""A notice is said besides: it is no outcome of a message and ends nothing."""

Urgency = Literal["low", "normal", "high"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(Frozen):
    """Where an answer goes, in the terms of the channel that carries it.

    `to` is a Slack channel id, a mail address or a callback URL; `thread` the Slack thread_ts or
    the Message-ID being answered; `headers` what else the channel needs to answer there.
    """

    channel: str
    to: str
    thread: str = ""
    headers: dict[str, str] = Field(default_factory=dict)


class Attachment(Frozen):
    """A file that came with a message: named to the agent, its content not kept."""

    name: str
    content_type: str
    size: int = Field(ge=0, description="bytes")


class Trigger(Frozen):
    """One inbound message.

    `keys` are the sender's own ids of it (Slack event_id and channel:ts, Message-ID, webhook-id,
    Idempotency-Key), each prefixed by the channel; a trigger of which any key was seen before is a
    duplicate. Empty keys mean that the sender gave no id, so every delivery counts.
    `conversation` is where it belongs, within its channel and `source` (which webhook source, for
    example): others cannot reach it by using the same name. `agent` is the agent it names, if any.
    `run_id` is the run that this answers, where the channel can prove it.
    `authentic` says that the channel proved who wrote it: only such a message may approve things.
    `reply_to` is None when the answer waits in the run until somebody fetches it.
    """

    channel: str
    keys: tuple[str, ...] = ()
    conversation: str
    source: str = ""
    run_id: str | None = None
    text: str
    sender: str
    agent: str | None = None
    authentic: bool = False
    reply_to: Address | None = None
    attachments: tuple[Attachment, ...] = ()


class Inquiry(Frozen):
    """How a question may be answered other than by writing: by a button, a link or a mail.

    `id` (an `EventRef` as text) names the one approval or question that an answer is for.
    `choices` are the buttons' words; an approval has none, its buttons are approve and deny.
    """

    id: str
    kind: Literal["approval", "question"]
    choices: tuple[str, ...] = ()
    urgency: Urgency = "normal"


class Verdict(Frozen):
    """Somebody's answer to one `Inquiry`, given by a button, a signed link or a signed mail.

    `choice` is "approve" or "deny" for an approval, else one of its choices. `by` is the person
    as `principal` writes it, proven by the channel. `remark` is what else they wrote.
    """

    inquiry: str
    choice: str
    by: str
    remark: str = ""


class Reaction(Frozen):
    """Somebody reacted to one of our messages: `value` from 0 (bad) to 1 (good). `message` is the
    channel's id of it, `by` a `principal`."""

    channel: str
    message: str
    by: str
    value: float = Field(ge=0, le=1)


class Decided(Frozen):
    """The verdict counts. `text` tells its giver so."""

    text: str


class Reply(Frozen):
    """One outbound message. `key` (an `EventRef` as text) makes sending it idempotent.

    `inquiry` says how a question may be answered. A notice that `resolves` an earlier question
    carries the receipt of that question's message: a channel that can change what it sent takes
    the buttons away there; others send the text.
    """

    key: str
    run_id: str
    agent: str
    conversation: str
    kind: ReplyKind
    text: str
    to: Address
    inquiry: Inquiry | None = None
    resolves: str = ""


class Accepted(Frozen):
    """The trigger is stored. Only now may its sender be told so."""

    run_id: str
    duplicate: bool = False


class Ignored(Frozen):
    """What came in is well-formed but asks for no answer: a bot, a bounce, an edit."""

    reason: str


def principal(channel: str, person: str) -> str:
    """A person as approvers are listed: "slack:u0123", "email:ana@example.com". Lower case."""
    return f"{channel}:{person}".lower()
