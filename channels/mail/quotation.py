"""What a person wrote, apart from the mails below it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ponderd.channels.mail.text import latest_reply


@dataclass(frozen=True, slots=True)
class Thread:
    """What the header alone says about the thread of a mail."""

    is_ours: Callable[[str], bool]
    """Whether an address is one of ours."""
    subject: str = ""
    answers_us: bool = False
    """The mail that it answers directly is ours."""
    knows_us: bool = False
    """Some mail above it in the thread is ours: the conversation has the history."""
    is_forward: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One text of a mail, read."""

    text: str
    """What reaches the agent: the person's words, and history that the conversation lacks."""
    own: str
    """Only the person's own new words. Verdicts and commands are read from these."""
    cut: str = ""
    """What was left out: history that the conversation has, and text that relays added."""


def read_plain(text: str, thread: Thread) -> Reading:
    own = latest_reply(text)
    if thread.knows_us and not thread.is_forward:
        return Reading(own, own)
    return Reading(text, own)
