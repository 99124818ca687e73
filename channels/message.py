"""Messages in and out, in one form for all channels. Pure data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ReplyKind = Literal["answer", "question", "failure", "notice"]
"""An answer, a question or a failure is the outcome of a message. A notice is only information."""

Urgency = Literal["low", "normal", "high"]


class Frozen(BaseModel):
    """An immutable value. An unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(Frozen):
    """Where an answer goes, in the terms of the channel that carries it."""

    channel: str
    to: str
    """A Slack channel id, a mail address or a callback URL."""
    thread: str = ""
    """The Slack thread_ts, or the Message-ID that is answered. Empty: a new thread."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Whatever else the channel needs to answer there."""


class Attachment(Frozen):
    """A file that came with a message."""

    name: str
    content_type: str
    size: int = Field(ge=0, description="bytes")
    blob: str = ""
    """Handle of its content in the blob store. Empty: the content is not kept."""
    text: str = ""
    """What the agent sees of it at once: all of a short text, the beginning of a long one."""
    text_blob: str = ""
    """Handle of its whole text, if `text` is only the beginning."""
    length: int = Field(0, ge=0, description="characters of the whole text")
    unread: str = ""
    """Why it cannot be read, in words for the agent and the person. Empty: it can."""


class Trigger(Frozen):
    """One inbound message."""

    channel: str
    keys: tuple[str, ...] = ()
    """The sender's own ids for it (Slack event_id and channel:ts, Message-ID, webhook-id,
    Idempotency-Key), each prefixed by the channel. If any of them was seen before, the trigger is a
    duplicate. Empty: the sender gave no id, so every delivery counts."""
    digest: str = ""
    """What tells another message with one of these keys from a repeat of this one. Empty: whatever
    has one of the keys is a repeat."""
    conversation: str
    """Which conversation it belongs to, within its channel and `source`."""
    source: str = ""
    """Which webhook source, for example. Two sources never share a conversation, even if they use
    the same name for it."""
    run_id: str | None = None
    """The run that this answers, if the channel can prove it."""
    text: str
    own: str | None = None
    """What the sender wrote themselves, where `text` holds more: what they forward or quote, say. A
    yes or a command is read from it. None: all of `text`."""
    sender: str
    name: str = ""
    """How the sender is called where they write. It proves nothing. Empty: the channel knows no
    name but `sender`."""
    agent: str | None = None
    """The agent that the message names, if any."""
    authentic: bool = False
    """The channel proved who wrote it. Only an authentic message may approve anything."""
    reply_to: Address | None = None
    """Where the answer goes. None: the answer waits in the run until somebody reads it."""
    attachments: tuple[Attachment, ...] = ()
    cut: str = ""
    """What was left out of `text`: the history that the conversation already has. It is kept so
    that it can be read again."""
    before: str = ""
    """What others said before it in the same thread, where the run does not have it: a line or more
    for each message, with its author."""
    people: tuple[str, ...] = ()
    """Who else reads along: the addresses of the other recipients."""
    tag: str = ""
    """The tag of the address written to: "invoices" of assistant+invoices@."""
    people_proven: bool = True
    """It really was `sender` who wrote this to `people`, in this conversation, as far as the
    channel was told to check that at all."""
    answers: tuple[str, ...] = ()
    """What it provably answers: the channel's ids of our messages, or an `Inquiry.id`. Empty: the
    channel proves that in another way, or `authentic` is False."""
    written_at: float | None = None
    """When it was written, Unix seconds, as its writer signed it. None: when it came."""


class Inquiry(Frozen):
    """A question that can also be answered by a button, a link or a mail."""

    id: str
    """The one approval or question that an answer is for: an `EventRef` as text."""
    kind: Literal["approval", "question"]
    choices: tuple[str, ...] = ()
    """The labels of the buttons. Empty for an approval, whose buttons are approve and deny."""
    urgency: Urgency = "normal"
    call: str = ""
    """Of an approval of a tool call: the call, word for word as it will run. Show it as it is, in
    no markup."""
    asked_by: str = ""
    """The person whose message led to this, as `principal` names them. Empty: a program, or it is
    not known."""
    asked_for: str = ""
    """The beginning of what they wrote."""


class Verdict(Frozen):
    """Somebody's answer to one `Inquiry`, given by a button, a signed link or a signed mail."""

    inquiry: str
    """The `Inquiry.id` that is answered."""
    choice: str
    """For an approval "approve" or "deny", otherwise one of the inquiry's choices."""
    by: str
    """The person, in the form that `principal` gives. The channel proved the identity."""
    remark: str = ""
    """Anything else they wrote."""
    answers: tuple[str, ...] = ()
    """What it provably answers, as in `Trigger`."""
    written_at: float | None = None
    """When it was written, as in `Trigger`."""
    key: str = ""
    """The channel's id of the message that says so, prefixed by the channel. It decides nothing
    else. Empty: nothing but this inquiry can be answered in the same way."""


class Reaction(Frozen):
    """Somebody's reaction to one of our messages."""

    channel: str
    message: str
    """The channel's id for our message, as `Channel.send` returned it."""
    by: str
    """The person, in the form that `principal` gives."""
    value: float = Field(ge=0, le=1)
    """From 0 (bad) to 1 (good)."""


class Reply(Frozen):
    """One outbound message."""

    key: str
    """Makes sending idempotent: an `EventRef` as text."""
    run_id: str
    agent: str
    conversation: str
    kind: ReplyKind
    text: str
    to: Address
    inquiry: Inquiry | None = None
    """How a question can be answered. None for everything else."""
    resolves: str = ""
    """In a notice: the id (as `Channel.send` returned it) of the earlier question that is now
    resolved. A channel that can edit its messages removes the buttons there; others send the
    text."""
    settles: Inquiry | None = None
    """In such a notice: that question."""
    outcome: str = ""
    """In such a notice: how it was resolved. `text` is the question and, below it, this."""


class Bounce(Frozen):
    """A report that a reply of ours did not reach somebody. Our mark proves which."""

    key: str
    """The `Reply.key`, or the `Inquiry.id` of the approval that it asked."""
    recipient: str
    reason: str
    """Why, in the words of the server that reports it."""
    permanent: bool
    """False: that server goes on trying."""


class Accepted(Frozen):
    """The trigger is stored. Only now may the channel acknowledge it to its sender."""

    run_id: str
    duplicate: bool = False


class Ignored(Frozen):
    """A well-formed message that asks for no answer: from a bot, a bounce, an edit."""

    reason: str


def principal(channel: str, person: str) -> str:
    """A person in the form that approvers are listed in: "slack:u0123", "email:ana@example.com".

    Always lower case, so that two spellings of one address compare equal.
    """
    return f"{channel}:{person}".lower()
