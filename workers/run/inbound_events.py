"""What can happen to a run from outside: somebody writes to it. A part of `events`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import field_validator

from ponderd.channels.message import Address, Attachment, Frozen

_DESCRIPTION = re.compile(r"(.*) \((.*), ([0-9]{1,15}) bytes\)", re.DOTALL)


class EventBase(Frozen):
    at: float


class MessageReceived(EventBase):
    """A person or a program wrote. The fields are those of `channels.message.Trigger`; `via` is
    the channel."""

    type: Literal["message_received"] = "message_received"
    text: str
    sender: str
    name: str = ""
    via: str = ""
    authentic: bool = False
    reply_to: Address | None = None
    attachments: tuple[Attachment, ...] = ()
    cut: str = ""
    before: str = ""
    people: tuple[str, ...] = ()
    tag: str = ""
    people_proven: bool = True
    answers: tuple[str, ...] = ()
    written_at: float | None = None
    own: str | None = None

    @property
    def own_text(self) -> str:
        """What the sender wrote themselves."""
        return self.text if self.own is None else self.own

    @field_validator("attachments", mode="before")
    @classmethod
    def _from_descriptions(cls, files: Sequence[object]) -> tuple[object, ...]:
        """Older logs have only a description of each file: "a.csv (text/csv, 29 bytes)"."""
        return tuple(_described(file) if isinstance(file, str) else file for file in files)


class MessagesJoined(EventBase):
    """The messages that wait are answered together with the current one."""

    type: Literal["messages_joined"] = "messages_joined"


class MessageRefused(EventBase):
    """A message is not taken up. `text` tells its sender why; the agent may be busy, say."""

    type: Literal["message_refused"] = "message_refused"
    text: str


class MessagesTurnedAway(EventBase):
    """More messages wait than the inbox has room for. Those beyond the oldest `limit` are not taken
    up; `SendersTurnedAway` follows."""

    type: Literal["messages_turned_away"] = "messages_turned_away"
    limit: int


class SendersTurnedAway(EventBase):
    """Each sender of messages that were turned away is told how many, and that `limit` others
    waited."""

    type: Literal["senders_turned_away"] = "senders_turned_away"
    limit: int


class EventReceived(EventBase):
    """Something happened outside that the run waits for, or will wait for."""

    type: Literal["event_received"] = "event_received"
    name: str
    payload: str = ""
    by: str = ""


def _described(description: str) -> Attachment:
    match = _DESCRIPTION.fullmatch(description)
    if match is None:
        return Attachment(name=description, content_type="", size=0)
    name, content_type, size = match.groups()
    return Attachment(name=name, content_type=content_type, size=int(size))
