"""The words a person wrote in a mail, apart from the mails below them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ponderd.channels.mail.text import latest_reply


@dataclass(frozen=True, slots=True)
class Thread:
    """What the header of a mail tells about the mails before it."""

    is_ours: Callable[[str], bool]
    """Whether an address is one of ours."""
    subject: str = ""
    answers_us: bool = False
    """The mail that it directly answers is ours."""
    knows_us: bool = False
    """Some mail above it is ours, so the conversation has that part of the history."""
    is_forward: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One text of a mail, taken apart."""

    text: str
    """What reaches the agent: the person's words, and history that the conversation lacks."""
    own: str
    """Only the person's own new words: a verdict or a command is read from them."""
    cut: str = ""
    """What is left out of `text`: history that the conversation has, text that relays added."""


def read_plain(text: str, thread: Thread) -> Reading:
    """Take a plain text apart."""
    own = latest_reply(text)
    if thread.is_forward or not thread.knows_us:
        return Reading(text=text.strip(), own=own)
    return Reading(text=own, own=own, cut=text.strip() if own != text.strip() else "")
