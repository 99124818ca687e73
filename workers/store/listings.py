"""The lists in which runs are found: what they show, and how they are asked for.

A list costs what it shows, however many other runs there are. All times are Unix seconds by the
store's own clock. Every method raises `Unavailable` if the store cannot be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict, Unpack

REASONS = ("answer", "approval", "event", "time", "retry", "agent")
"""What a run may wait for. `lua/listings.lua` names them, too."""


@dataclass(frozen=True, slots=True)
class Head:
    """What lists show of a run."""

    id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    status: str
    waiting_for: str
    version: int
    """The number of its events."""
    created_at: float
    updated_at: float
    asleep: bool = False
    """Its log is in the archive."""


class Filters(TypedDict, total=False):
    """Which runs are wanted. What is None or missing does not matter."""

    status: str | None
    agent: str | None
    channel: str | None
    waiting_for: str | None
    person: str | None
    """A `principal`, who wrote to it."""


def fits(head: Head, filters: Filters) -> bool:
    """Whether all fits but the person, who is not in the head."""
    return (
        filters.get("status") in (None, head.status)
        and filters.get("agent") in (None, head.agent)
        and filters.get("channel") in (None, head.channel)
        and filters.get("waiting_for") in (None, head.waiting_for)
    )


@dataclass(frozen=True, slots=True)
class HeadPage:
    """One page of a list. It may be short, or empty, although others follow: where few of very many
    runs are wanted, a page ends after so many that were looked at."""

    heads: tuple[Head, ...]
    cursor: str | None
    """Pass this to get the next page. None on the last page."""
    unread: frozenset[str] = frozenset()
    """Runs of these of which only the log says whether the person wrote to them."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A run that asks for an approval."""

    run_id: str
    agent: str
    shown: bytes
    """What the `Projection` of its newest version said of it. Empty: ask its log."""
    cursor: str
    """Pass this to get those after it."""


@dataclass(frozen=True, slots=True)
class AskingPage:
    """One page of runs that ask."""

    runs: tuple[Asking, ...]
    cursor: str | None
    """Pass this to get the next page. None on the last page."""


class Origins(NamedTuple):
    """Where stored runs come from."""

    known: frozenset[tuple[str, str]]
    """Channels and agents."""
    all: bool
    """Whether there are no others: not while runs of an earlier version are unlisted."""


class StoreLists(Protocol):
    """A part of `RunStore`."""

    async def head(self, run_id: str) -> Head | None:
        """What lists show of a run. None if it does not exist."""

    async def list_runs(
        self, *, limit: int, cursor: str | None, **filters: Unpack[Filters]
    ) -> HeadPage:
        """Runs, newest first. Raises `Malformed` for a cursor that is not one of ours."""

    async def asking(self, *, limit: int, cursor: str | None) -> AskingPage:
        """Runs that wait for an approval, the one that asked first first. Raises `Malformed` as
        `list_runs` does."""

    async def origins(self) -> Origins:
        """Where all runs come from, those among them that have expired."""

    async def finished(self, before: float, limit: int) -> list[str]:
        """At most `limit` ended runs that did not change since `before`, oldest first."""

    async def index_runs(self, limit: int) -> int:
        """Put at most `limit` runs that an earlier version stored, of each shard, into the lists.
        Returns how many these were. May be called at any time, by anybody."""

    async def unread(self, limit: int) -> list[str]:
        """At most `limit` of those of which only the log says who wrote to them, or what they
        ask."""

    async def describe(
        self, run_id: str, version: int, people: Sequence[str], asked_at: float, asks: bytes
    ) -> None:
        """Record what was read in the log of an `unread` one. `people` are `principal`s; the rest
        as in `Projection`, and true at `version`."""

    async def tidy(self) -> None:
        """Take runs out of lists in which a worker of an earlier version left them."""
