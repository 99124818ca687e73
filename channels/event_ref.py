"""The name of one event: its run and its version there, written "run:version". Pure.

An event can stand for what it began, so this one text is an idempotency key (of a tool call or a
reply), the id of an approval, of a question, of a model call. It is stored, sent and signed as
text, and never changes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WRITTEN = re.compile(r"([^:\s]+):([1-9][0-9]{0,8})")


class EventRef(NamedTuple):
    run_id: str
    version: int
    """The event's number in the log; the first is 1."""

    def __str__(self) -> str:
        return f"{self.run_id}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> EventRef | None:
        """Read what `str` wrote, and nothing else: each event has one name. None if `text` is not
        such a name."""
        found = _WRITTEN.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None
