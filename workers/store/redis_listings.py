"""Lists of runs. `lua/listings.lua` keeps them in each shard, `lua/list.lua` finds runs there; here
that is put together. Raises `Unavailable`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store.cursors import Place, parse_cursor
from ponderd.workers.store.listings import (
    Asking,
    AskingPage,
    Filters,
    Head,
    HeadPage,
    Origins,
    fits,
)
from ponderd.workers.store.redis_client import awaited
from ponderd.workers.store.redis_many import Call
from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import OLD_SHARDS

STATUSES = ("READY", "WAITING", "PAUSED", "SET_ASIDE", "COMPLETED", "FAILED", "CANCELLED")

HEAD = (
    *("agent", "agent_version", "channel", "conversation", "status", "waiting_for", "version"),
    *("created_at", "updated_at", "asleep"),
)
"""The fields of a run's hash that `head_of` takes."""

LOOKS = 500
"""Entries that one script looks at: it holds the server up for some milliseconds at most."""

ROUNDS = 8
"""Most scripts of a shard for one page."""

TIDIED_AT_ONCE = 500
"""Entries that one script compares with their runs."""


class Entry(NamedTuple):
    """A run that was found."""

    place: Place
    unread: bool


@dataclass
class _Shard:
    """What was found in a shard, and up to which place it was looked through (None: to the end)."""

    number: int
    at: Place | None
    found: list[Entry] = field(default_factory=list)


class RedisLists(ABC):
    """Implements `StoreLists`."""

    _redis: Redis | RedisCluster

    @abstractmethod
    async def _run_all(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """Call one script many times in one round trip."""

    @abstractmethod
    async def _read_all(
        self, name: str, keys: Sequence[Sequence[str]], arguments: tuple[Any, ...]
    ) -> list[Any]:
        """Call one script with keys of each shard, in one round trip."""

    @abstractmethod
    async def _used(self) -> Sequence[int]:
        """The shards in which runs may be."""

    @abstractmethod
    def _prefix(self, shard: int) -> str: ...

    async def head(self, run_id: str) -> Head | None:
        key = f"{self._prefix(shard_of(run_id))}:run:{run_id}"
        row = await awaited(self._redis.hmget(key, HEAD))
        return None if row[0] is None else head_of(run_id, row)

    async def list_runs(
        self, *, limit: int, cursor: str | None, **filters: Unpack[Filters]
    ) -> HeadPage:
        wishes = ("status", "waiting_for", "agent", "channel", "person")
        wanted = [str(filters.get(name) or "") for name in wishes]
        found, more = await self._walk("runs", wanted, limit, cursor)
        rows = await self._read([entry.place.run_id for entry in found], HEAD)
        heads = [head_of(run_id, row) for run_id, row in rows.items() if row[0] is not None]
        unread = frozenset(entry.place.run_id for entry in found if entry.unread)
        return HeadPage(tuple(head for head in heads if fits(head, filters)), more, unread)

    async def asking(self, *, limit: int, cursor: str | None) -> AskingPage:
        found, more = await self._walk("approvals", ["", "approval", "", "", ""], limit, cursor)
        fields = ("waiting_for", "agent", "version", "asks")
        rows = await self._read([entry.place.run_id for entry in found], fields)
        asking = [
            Asking(place.run_id, (agent or b"").decode(), _shown(version, asks), place.cursor)
            for (place, _), (waiting_for, agent, version, asks) in zip(
                found, rows.values(), strict=True
            )
            if waiting_for == b"approval"
        ]
        return AskingPage(tuple(asking), more)

    async def origins(self) -> Origins:
        pipe = self._redis.pipeline(transaction=False)
        used = await self._used()
        for shard in used:
            pipe.smembers(f"{self._prefix(shard)}:origins")
        for shard in range(OLD_SHARDS):
            pipe.exists(*(f"{self._prefix(shard)}:runs:{status}" for status in STATUSES))
        found = await awaited(pipe.execute())
        known = (origin.decode().partition(":") for some in found[: len(used)] for origin in some)
        pairs = frozenset((channel, agent) for channel, _, agent in known)
        return Origins(pairs, not any(found[len(used) :]))

    async def finished(self, before: float, limit: int) -> list[str]:
        pipe = self._redis.pipeline(transaction=False)
        for shard in await self._used():
            key, below = f"{self._prefix(shard)}:finished", f"({round(before * 1000)}"
            pipe.zrangebyscore(key, "-inf", below, 0, limit, withscores=True)
        found = [(ms, run_id) for ids in await awaited(pipe.execute()) for run_id, ms in ids]
        return [run_id.decode() for _, run_id in sorted(found)[:limit]]

    async def index_runs(self, limit: int) -> int:
        return sum(await self._run_all("index", [(shard, (limit,)) for shard in range(OLD_SHARDS)]))

    async def unread(self, limit: int) -> list[str]:
        pipe = self._redis.pipeline(transaction=False)
        for shard in await self._used():
            pipe.zrange(f"{self._prefix(shard)}:unread", 0, limit - 1)
        found = [run_id.decode() for ids in await awaited(pipe.execute()) for run_id in ids]
        return found[:limit]

    async def describe(
        self, run_id: str, version: int, people: Sequence[str], asked_at: float, asks: bytes
    ) -> None:
        described = (run_id, version, round(asked_at * 1000), asks, *people)
        await self._run_all("describe", [(shard_of(run_id), described)])

    async def tidy(self) -> None:
        for shard in range(OLD_SHARDS):  # workers of that version know no others
            [lists] = await self._run_all("tidy", [(shard, ())])
            for key in lists:
                start: bytes | None = b"-inf"
                while start is not None:
                    [start] = await self._run_all("tidy", [(shard, (key, start, TIDIED_AT_ONCE))])

    async def _walk(
        self, kind: str, wanted: Sequence[str], limit: int, cursor: str | None
    ) -> tuple[list[Entry], str | None]:
        """At most `limit` runs after the cursor, and the cursor after them if there may be more.
        No shard is looked at further than a page needs, nor for longer than `ROUNDS`."""
        start = parse_cursor(cursor)
        newest = kind == "runs"
        first = Place(2**53, "") if newest else Place(-1, "")
        shards = [_Shard(number, start or first) for number in await self._used()]
        # Of each, at first as many as it has if they are spread.
        most = limit // len(shards) * 2 + 2 + 96 // len(shards)
        for _ in range(ROUNDS):
            going = [shard for shard in shards if shard.at and len(shard.found) <= limit]
            calls: list[Call] = []
            for shard in going:
                after = ("", "") if shard.at == first else shard.at or ("", "")
                calls.append((shard.number, (kind, *after, most, LOOKS, *wanted)))
            most = limit + 1
            for shard, answer in zip(going, await self._run_all("list", calls), strict=True):
                _take(shard, answer)
            found = _certain(shards, newest)
            if len(found) > limit:
                return found[:limit], found[limit - 1].place.cursor
            if not any(shard.at for shard in shards):
                return found, None
        ends = [shard.at for shard in shards if shard.at]
        return found, (max(ends) if newest else min(ends)).cursor

    async def _read(
        self, run_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, list[bytes | None]]:
        """The fields of runs, in the order of `run_ids`."""
        by_shard: dict[int, list[str]] = {}
        for run_id in run_ids:
            by_shard.setdefault(shard_of(run_id), []).append(run_id)
        keys = [
            [f"{self._prefix(shard)}:run:{run_id}" for run_id in ids]
            for shard, ids in by_shard.items()
        ]
        rows_read = await self._read_all("heads", keys, tuple(fields))
        in_order = (run_id for ids in by_shard.values() for run_id in ids)
        rows = dict(zip(in_order, rows_read, strict=True))
        await asyncio.sleep(0)  # a long page lets others have their turn
        return {run_id: rows[run_id] for run_id in run_ids}


def _take(shard: _Shard, answer: list[Any]) -> None:
    done, ms, run_id, *found = answer
    shard.at = None if done else Place(int(ms), run_id.decode())
    places = zip(found[::3], found[1::3], found[2::3], strict=True)
    shard.found += [Entry(Place(int(ms), one.decode()), bool(unread)) for ms, one, unread in places]


def _certain(shards: Sequence[_Shard], newest: bool) -> list[Entry]:
    """What was found up to the place to which all were looked through, in order; each run once."""
    ends = [shard.at for shard in shards if shard.at]
    end = (max(ends) if newest else min(ends)) if ends else None
    found = sorted((entry for shard in shards for entry in shard.found), reverse=newest)
    each = {entry.place.run_id: entry for entry in reversed(found)}
    return [
        entry
        for entry in found
        if each[entry.place.run_id] is entry
        and (end is None or (entry.place >= end if newest else entry.place <= end))
    ]


def _shown(version: bytes | None, asks: bytes | None) -> bytes:
    """What lists show of an approval, if that is of this version."""
    of, _, shown = (asks or b"").partition(b" ")
    return shown if of == version else b""


def head_of(run_id: str, row: list[bytes | None]) -> Head:
    (
        agent,
        agent_version,
        channel,
        conversation,
        status,
        waiting_for,
        version,
        created_at,
        updated_at,
        asleep,
    ) = [(field or b"").decode() for field in row]
    return Head(
        run_id,
        agent,
        agent_version,
        channel,
        conversation,
        status,
        waiting_for,
        int(version or 0),
        int(created_at or 0) / 1000,
        int(updated_at or 0) / 1000,
        bool(asleep),
    )
