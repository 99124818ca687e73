"""What is needed to read any part of a message. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ponderd.channels.slack.reading.names import NO_NAMES, Names
from ponderd.channels.text import clean

DEEPEST = 12
"""Levels. What is nested deeper is named, not read."""
TOO_DEEP = "[what is nested deeper is left out]"

US = "\x00"
"""Stands for the mention of us until `address.without_us` takes it away. `clean` leaves none in
what others write."""


@dataclass(frozen=True, slots=True)
class View:
    """Who reads, and what they know of names."""

    own_user: str | None = None
    names: Names = NO_NAMES
    emoji: Mapping[str, str] = field(default_factory=dict)
    """Characters by Slack's name, as the event itself tells them."""
    depth: int = 0
    """How deep what is read lies in the message."""

    @property
    def is_too_deep(self) -> bool:
        return self.depth > DEEPEST

    def deeper(self) -> View:
        """For what lies one level below."""
        return replace(self, depth=self.depth + 1)

    def person(self, user: str, label: str = "") -> str:
        """A mention of a person: `US`, or such as "@Ann"."""
        return US if user == self.own_user else self.names.person(user, label)


def words(value: object) -> str:
    """`value` cleaned if it is text, a number as text, otherwise empty."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return clean(str(value)) if abs(value) < 1e300 else ""
    return ""


def listed(value: object) -> list[dict[str, object]]:
    """The objects in a list; nothing else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def fields(value: object) -> dict[str, object]:
    """`value` if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def lines(*parts: str) -> str:
    """The parts that say something, one below the other."""
    return "\n".join(part.strip("\n") for part in parts if part.strip())


def objects_in(found: object) -> Iterator[dict[str, object]]:
    """Every object in `found`, however deep."""
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            yield value
            waiting.extend(part for part in value.values() if isinstance(part, dict | list))
