"""The pages of a listing, and the cursors by which they go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ponderd.channels.errors import Malformed
from ponderd.workers.store.contract import Head, HeadPage


def page(found: Sequence[Head], limit: int) -> HeadPage:
    """The first `limit` of `found`, with a cursor if there are more."""
    heads = tuple(found[:limit])
    more = len(found) > limit
    return HeadPage(heads, f"{heads[-1].created_at * 1000:.0f}:{heads[-1].id}" if more else None)


def parse_cursor(cursor: str | None) -> tuple[float, str]:
    """(created_at in ms, run id): the list continues with smaller pairs. Raises `Malformed`."""
    if cursor is None:
        return math.inf, ""
    created, _, run_id = cursor.partition(":")
    if not created.isdecimal() or len(created) > 16 or not run_id:
        raise Malformed(f"{cursor!r} is not a cursor of this list")
    return float(created), run_id
