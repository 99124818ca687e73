"""Which layout of shards a store on Redis or Valkey has, and its move from the old one to the even
one (see `shards`).

`<namespace>:layout` says it: `old`, `moving` or `even`. It saves asking, and is not what makes a
move safe. That is the mark `closed` in each old shard, where the scripts see it: nothing begins
there any more. So whoever knows only an older layout is told, and whoever knows a newer one closes
the shard.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from redis.asyncio import Redis, RedisCluster

from ponderd.channels.errors import Conflict, Unavailable
from ponderd.workers.store.contract import TRIGGER_TTL
from ponderd.workers.store.redis_client import awaited
from ponderd.workers.store.redis_gauges import outdated_workers
from ponderd.workers.store.run_ids import new_run_id
from ponderd.workers.store.shards import OLD_SHARDS, SHARDS, shard_of_name

Layout = Literal["old", "moving", "even"]

BELIEVED = 2.0
"""Seconds for which a layout that may change is believed. Only `even` is for ever."""

MARGIN = 3600
"""Seconds for which a move waits longer than keys live: nodes do not agree about the time."""

ALL, OLD, EVEN = range(SHARDS), range(OLD_SHARDS), range(OLD_SHARDS, SHARDS)

Run = Callable[..., Awaitable[Any]]
"""Calls a script in a shard: name, shard, arguments."""


@dataclass(frozen=True, slots=True)
class Move:
    """How far a store has come."""

    layout: Layout
    runs: int
    """That are still in old shards."""
    keys_until: float
    """When the last trigger that old shards remember is forgotten, Unix seconds; 0: there are
    none."""
    now: float
    """The time by the server."""

    @property
    def can_end(self) -> bool:
        """Whether old shards know nothing any more that could come again."""
        return self.layout == "moving" and self.runs == 0 and self.now >= self.keys_until


class Layouts:
    """The layout, remembered, and steps of the move. Raises `Unavailable`."""

    def __init__(
        self, redis: Redis | RedisCluster, namespace: str, prefixes: Sequence[str], run: Run
    ) -> None:
        self._redis = redis
        self._namespace = namespace
        self._prefixes = prefixes
        self._run = run
        self._known: Layout | None = None
        self._asked_at = 0.0
        self._old_are_used = False
        self._looked_at = -math.inf

    async def now(self) -> Layout:
        """The layout. An empty store takes the even one, for ever."""
        fresh = time.monotonic() - self._asked_at < BELIEVED
        if self._known == "even" or (self._known and fresh):
            return self._known
        asked_at = time.monotonic()
        found = await self._read()
        if found is None:
            kept = self._redis.set(self._key, await self._look(), nx=True)
            await awaited(kept)
            found = await self._read() or "old"
        self._known, self._asked_at = found, asked_at
        return found

    async def used(self) -> Sequence[int]:
        """The shards in which runs may be. What another process began to use may be missing for
        `BELIEVED` seconds, when a move begins or an archived run of before comes back."""
        match await self.now():
            case "old":
                return OLD
            case "moving":
                return ALL
            case "even" if not self._old_are_used:
                if time.monotonic() - self._looked_at >= BELIEVED:
                    self._looked_at = time.monotonic()
                    self._old_are_used = any(await self._written(OLD))
        return ALL if self._old_are_used else EVEN

    def uses(self, shard: int) -> None:
        """This process has begun a run in that shard."""
        self._old_are_used = self._old_are_used or shard < OLD_SHARDS

    def forget(self) -> None:
        """Ask again the next time."""
        if self._known != "even":
            self._known = None

    async def new_run_id(self, name: str) -> str:
        """As the contract says it."""
        return new_run_id(name, old=await self.now() == "old")

    async def settle(self, name: str) -> None:
        """Let a checkpoint come where it belongs, if it has left the old shard."""
        old, new = shard_of_name(name, old=True), shard_of_name(name)
        if value := await awaited(self._redis.get(f"{self._prefixes[old]}:moved:{name}")):
            # Checkpoints are never deleted: whoever comes late finds one here.
            await awaited(
                self._redis.set(f"{self._prefixes[new]}:checkpoint:{name}", value, nx=True)
            )

    # -- the move --------------------------------------------------------------------------------

    async def outdated(self) -> int:
        """How many workers are at work that do not know the even layout."""
        now_ms = round(await self._server_time() * 1000)
        outdated = outdated_workers(self._redis, self._namespace, now_ms)
        return int(await awaited(outdated))

    async def begin(self) -> None:
        """Let all that is new begin in the even layout. May be repeated; nothing is changed in a
        store that has it."""
        self.forget()
        if await self.now() == "even":
            return
        await awaited(self._redis.set(self._key, "moving"))
        self.forget()
        for shard in range(OLD_SHARDS):
            await self._run("leave", shard)

    async def progress(self) -> Move:
        """How far it has come."""
        self.forget()
        layout = await self.now()
        pipe = self._redis.pipeline(transaction=False)
        for prefix in self._prefixes[:OLD_SHARDS]:
            pipe.zcard(f"{prefix}:runs")
            pipe.get(f"{prefix}:closed")
        found = await awaited(pipe.execute())
        last = max((int(ms) / 1000 for ms in found[1::2] if ms), default=0)
        until = last + TRIGGER_TTL + MARGIN if last else 0
        return Move(layout, sum(found[::2]), until, await self._server_time())

    async def end(self) -> None:
        """Ask old shards no more. Raises `Conflict` while they know something."""
        move = await self.progress()
        if move.layout == "even":
            return
        if not move.can_end:
            raise Conflict("the old shards still know runs, or triggers that may come again")
        for shard, prefix in enumerate(self._prefixes[:OLD_SHARDS]):
            beginning = f"{prefix}:checkpoint:"
            async for key in self._redis.scan_iter(match=f"{beginning}*", count=1000):
                name = key.decode().removeprefix(beginning)
                await self._run("leave", shard, name)
                await self.settle(name)
        await awaited(self._redis.set(self._key, "even"))
        self.forget()

    @property
    def _key(self) -> str:
        return f"{self._namespace}:layout"

    async def _read(self) -> Layout | None:
        found = await awaited(self._redis.get(self._key))
        text = found.decode() if found else None
        if text is None or text in get_args(Layout):
            return text
        raise Unavailable(f"the layout {text!r} of the store is one of a newer ponderd")

    async def _look(self) -> Layout:
        """What the shards say. Each that was ever written to has a clock."""
        written = await self._written(ALL)
        if not any(written[:OLD_SHARDS]):
            return "even"
        return "moving" if any(written[OLD_SHARDS:]) else "old"

    async def _written(self, shards: Sequence[int]) -> list[int]:
        pipe = self._redis.pipeline(transaction=False)
        for shard in shards:
            pipe.exists(f"{self._prefixes[shard]}:clock")
        return list(await awaited(pipe.execute()))

    async def _server_time(self) -> float:
        seconds, micros = await awaited(self._redis.time())
        return float(seconds) + float(micros) / 1e6
