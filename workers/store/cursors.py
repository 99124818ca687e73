"""The cursors by which lists go on. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ponderd.channels.errors import Malformed


class Place(NamedTuple):
    """Where a run stands in a list. Places compare as lists are sorted."""

    ms: int
    run_id: str

    @property
    def cursor(self) -> str:
        return f"{self.ms}:{self.run_id}"


def parse_cursor(cursor: str | None) -> Place | None:
    """The place after which a list goes on. Raises `Malformed`."""
    if cursor is None:
        return None
    ms, _, run_id = cursor.partition(":")
    if not ms.isdecimal() or not ms.isascii() or len(ms) > 16 or not run_id:
        raise Malformed(f"{cursor[:50]!r} is not a cursor of this list")
    return Place(int(ms), run_id)
