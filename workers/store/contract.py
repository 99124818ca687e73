"""The contract of the state store. Two implementations pass tests/workers/store/test_contract.py:
`redis_store` and, for unit tests, `memory_store`.

The store keeps logs of opaque events; it does not know what they mean. What it must know to list
and wake runs travels beside them as a `Projection`. All times are the store's own clock, Unix
seconds. Every method raises `ponderd.channels.errors.Unavailable` when the store cannot be reached.
"""

from __future__ import annotations

import binascii
import math
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ponderd.channels.errors import Malformed

SHARDS = 16
"""Hash tags that the keys are spread over; part of every run id, so never changed."""

WORKER_TTL = 10.0
"""Seconds after its last report for which a worker counts as alive."""

AdmissionOutcome = Literal["launched", "appended", "duplicate"]

FINISHED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
"""Statuses of runs that nothing is owed to; `lua/common.lua` has them, too."""

RECEIPT_TTL = 30 * 24 * 3600.0
"""Seconds for which a reaction to an answer still finds its run."""

TRIGGER_TTL = 7 * 24 * 3600
"""Seconds for which a trigger's keys are remembered: GitHub redelivers after days."""

POKE_GRACE = 2.0
"""Seconds after which the sweeper asks for a run again that was poked and not claimed."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What listings and wake-ups need to know; always computed by folding the log."""

    status: str
    waiting_for: str = ""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A trigger, routed and encoded. `conversation_key` (see there) is what identifies the run; it
    and `run_id` share a shard. If there is no run yet, one begins with the events `history`;
    `received` comes after them."""

    run_id: str
    conversation_key: str
    keys: tuple[str, ...]
    agent: str
    agent_version: str
    channel: str
    conversation: str
    history: tuple[bytes, ...]
    received: bytes


@dataclass(frozen=True, slots=True)
class Admission:
    """`poke` says that nobody holds the run, so somebody should be told of it."""

    run_id: str
    outcome: AdmissionOutcome
    poke: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to advance a run until the lease ends. `token` fences off earlier holders."""

    run_id: str
    token: int
    now: float
    log: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    version: int


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """Nothing was written: these events were appended since the version you know."""

    missed: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was written: the lease ended and somebody else holds, or held, the run."""


@dataclass(frozen=True, slots=True)
class Release:
    """Give the lease back; the run is looked at again at `due`, or when something happens."""

    due: float | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What listings show of a run."""

    id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    status: str
    waiting_for: str
    version: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class HeadPage:
    heads: tuple[Head, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Gauges:
    """Runs in flight (held by a worker), runs overdue, seconds since which the oldest lease is
    held, runs by status, workers heard from lately, and the workers' counters added up."""

    in_flight: int
    overdue: int
    oldest_lease: float
    runs: dict[str, int]
    workers: int
    counters: dict[str, float]


class RunStore(Protocol):
    async def admit(self, message: NewMessage) -> Admission:
        """Store a message exactly once: dedupe by its keys, find or create the conversation's run,
        append, mark due. Durable when it returns. A trigger of a run that expired since is a
        'duplicate' with that run's id."""
        ...

    async def claim(self, run_id: str, owner: str, lease: float) -> Claim | None:
        """Take the lease for `lease` seconds; None if it is held or there is nothing to do."""
        ...

    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        """Prolong leases given as (run_id, token). Returns run id -> version (number of events)
        of those that are still the caller's; one that is missing was lost."""
        ...

    async def commit(
        self,
        run_id: str,
        token: int,
        version: int,
        events: Sequence[bytes],
        projection: Projection,
        release: Release | None = None,
    ) -> Committed | VersionConflict | Lost:
        """Append if the log still ends at `version` and `token` is the newest; all or nothing."""
        ...

    async def signal(
        self, run_id: str, version: int, event: bytes, projection: Projection
    ) -> Admission | VersionConflict:
        """Append without a lease if the log still ends at `version`, and mark due. Raises
        `NotFound` if there is no such run (any more)."""
        ...

    async def sweep(self, limit: int, grace: float) -> list[str]:
        """Runs that somebody should look at now: lost pokes, expired leases, ended sleeps; at most
        `limit` of each shard. Each is due again after `grace` seconds, so that any number of
        sweepers do no harm."""
        ...

    async def load(self, run_id: str) -> tuple[bytes, ...]:
        """The log; empty if there is no such run."""
        ...

    async def head(self, run_id: str) -> Head | None: ...

    async def finished(self, before: float, limit: int) -> list[str]:
        """Runs in one of `FINISHED` that were last written to before `before`, oldest first."""
        ...

    async def expire(self, run_id: str, version: int) -> bool:
        """Forget a run, if it is finished, not held, not due, and its log ends at `version`. The
        keys of its triggers stay until their time is over."""
        ...

    async def list_runs(
        self, *, status: str | None, agent: str | None, limit: int, cursor: str | None
    ) -> HeadPage:
        """Newest first. Raises `Malformed` for a cursor that is none."""
        ...

    def news(self) -> AsyncIterator[str]:
        """Ids of runs to which something was appended while they were leased. A hint: what happens
        before the first `anext` is awaited, or while the server is away, is missed (`renew` tells
        the version). Goes on by itself after errors; ends with `close`."""
        ...

    async def remember(self, key: str, value: str, ttl: float | None) -> str:
        """Keep `value` under `key`, for `ttl` seconds or (None) for ever, unless there is one;
        returns the one that is kept."""
        ...

    async def recall(self, key: str) -> str | None:
        """What `remember` or `overwrite` keeps under `key`."""
        ...

    async def overwrite(self, key: str, value: str) -> None:
        """Keep `value` under `key` for ever, in place of what was there."""
        ...

    async def note(self, ledger: str, entries: Sequence[bytes], keep: int) -> None:
        """Append to a ledger, of which at least the last `keep` entries stay, and not many more."""
        ...

    async def notes(self, ledger: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """At most `limit` entries of a ledger that came after the one with the id `after` ("" for
        the first), with their ids: "1700000000000-0", later ones are greater."""
        ...

    async def spend(
        self, amounts: Mapping[str, Mapping[str, float]], ttl: float
    ) -> dict[str, dict[str, float]]:
        """Add to accounts: account -> measure -> amount; returns what these sums then are. An
        account is forgotten `ttl` seconds after its last spending, so one that must end earlier
        carries its period in its name. If the answer is lost, some of it may have been added."""
        ...

    async def spent(self, accounts: Sequence[str]) -> list[dict[str, float]]:
        """Measure -> sum of each account, in the given order; empty for one that is not kept."""
        ...

    async def report(self, worker: str, counts: Mapping[str, float]) -> None:
        """A worker is alive; add `counts` to the counters."""
        ...

    async def gauges(self) -> Gauges: ...

    async def close(self) -> None: ...


def page(found: Sequence[Head], limit: int) -> HeadPage:
    """The first `limit` of `found`, and where to go on if there are more."""
    heads = tuple(found[:limit])
    more = len(found) > limit
    return HeadPage(heads, f"{heads[-1].created_at * 1000:.0f}:{heads[-1].id}" if more else None)


def parse_cursor(cursor: str | None) -> tuple[float, str]:
    """(created_at in ms, run id) that the list goes on below."""
    if cursor is None:
        return math.inf, ""
    created, _, run_id = cursor.partition(":")
    if not created.isdecimal() or len(created) > 16 or not run_id:
        raise Malformed(f"{cursor!r} is not a cursor of this list")
    return float(created), run_id


def conversation_key(agent: str, channel: str, source: str, conversation: str) -> str:
    return ":".join((agent, channel, source, conversation))


def receipt_key(channel: str, message: str) -> str:
    """What `remember` keeps about a message of ours, by the other side's id of it: the `EventRef`
    of the model call that it is the answer of, as text."""
    return f"receipt:{channel}:{message}"


def new_run_id(conversation_key: str) -> str:
    """Shard (two hex digits), then time and chance: `0c-mha1v2k8-9f3c1a2b7d`.

    All keys of a conversation live in one shard, so that one script may touch them.
    """
    shard = binascii.crc32(conversation_key.encode("utf-8", "replace")) % SHARDS
    return f"{shard:02x}-{_base36(int(time.time()))}-{secrets.token_hex(6)}"


def shard_of(run_id: str) -> int:
    """Raises ValueError for what cannot be a run id."""
    shard = int(run_id[:2], 16)
    if not 0 <= shard < SHARDS or run_id[2:3] != "-":
        raise ValueError(f"{run_id!r} is not a run id")
    return shard


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
