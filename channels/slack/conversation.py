"""To which conversation a message in Slack belongs, as far as its words and its place say. Pure.

A thread in a channel is a conversation. All direct messages of a person at top level are one, until
they are silent for long or begin another by a word; so is a thread of theirs that we do not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NEW = "!new"
"""The word that begins a new conversation in direct messages, alone or in front."""

_NEW = re.compile(r"\s*[!/！／]new(?:[.!:,]?[^\S\n]*\n|[.!:,]?[^\S\n]+|[.!:,]?\s*$)", re.IGNORECASE)
_OTHERS = re.compile(r"[\s>*_~`]{0,20}<(?:@|!subteam\^)([A-Z0-9]{1,80})")


@dataclass(frozen=True, slots=True)
class Current:
    """The conversation that goes on in the direct messages with one person."""

    name: str
    heard_at: float
    """When the newest message of it came, Unix seconds."""

    def encode(self) -> str:
        return f"{self.heard_at:.3f} {self.name}"

    @classmethod
    def decode(cls, text: str | None) -> Current | None:
        at, _, name = (text or "").partition(" ")
        try:
            return cls(name, float(at)) if name else None
        except ValueError:
            return None

    def goes_on(self, at: float, silence: float, busy_until: float | None) -> bool:
        """Whether a message that comes at `at` belongs to it. `silence` in seconds. `busy_until`:
        when the agent last did or said something in it; infinite while it is not done."""
        return at - max(self.heard_at, busy_until or 0) <= silence


def begins_anew(text: str) -> tuple[bool, str]:
    """Whether `text` begins a new conversation, and the rest of it."""
    found = _NEW.match(text)
    return (True, text[found.end() :].strip()) if found else (False, text)


def is_for_others(text: str, own_user: str | None) -> bool:
    """Whether a message, in Slack's markup, speaks to somebody else first, and not to us."""
    found = _OTHERS.match(text)
    return found is not None and found[1] != own_user
