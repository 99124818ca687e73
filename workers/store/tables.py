"""Ordered tables that the store keeps beside the logs, for lists that may grow long. A part of
`contract`, which says what holds for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """What stands in a table under a key."""

    order: str
    """Rows stand in the order of these, then of their keys. ASCII, without a space."""
    value: bytes
    counts: Mapping[str, int] = field(default_factory=dict)
    """What it adds to the sums of the table. The names are as `order` is."""


class RowPage(NamedTuple):
    rows: list[tuple[str, str, bytes]]
    """Place, key and value of each."""
    left: int
    """How many come after these."""


class Tables(Protocol):
    """What a page or a sum costs does not depend on how many rows there are."""

    async def set_row(self, table: str, key: str, row: Row) -> None:
        """Put a row into a table, instead of the one that `key` had."""

    async def drop_row(self, table: str, key: str) -> None:
        """Take the row of `key` out of a table, if it is there."""

    async def rows(self, table: str, after: str, limit: int) -> RowPage:
        """At most `limit` rows after a place ("": from the beginning)."""

    async def sums(self, table: str) -> dict[str, int]:
        """By name, what all rows add up to. A name that adds up to 0 is not in it."""
