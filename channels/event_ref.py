"""The name of one event: its run and its number there, written "run:version". Pure.

An event also stands for what it began. So the same text is the idempotency key of a tool call or a
reply, and the id of an approval, a question or a model call. It is stored, sent and signed as text,
and never changes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WRITTEN = re.compile(r"([^:\s]+):([1-9][0-9]{0,8})")


class EventRef(NamedTuple):
    """One event of one run."""

    run_id: str
    version: int
    """The event's number in the log, from 1."""

    def __str__(self) -> str:
        return f"{self.run_id}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> EventRef | None:
        """Read exactly what `str` writes, so that each event has one name. Otherwise None."""
        found = _WRITTEN.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None
