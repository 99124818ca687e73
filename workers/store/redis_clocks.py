"""The clocks of all shards in one look, and what they say about what is known of a shard.

Every script that writes keeps the time in the clock of its shard (`lua/clock.lua`). So a shard
whose clock is the same is the same, and one command shows that of all. A clock is not written anew
within `BUSY` ms: what was read of a shard holds only if it was read later than that.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store.memory_clock import BUSY, LONGEST_GAP
from ponderd.workers.store.redis_client import awaited

TIME_SECONDS = 5.0
"""For how long the server's time is reckoned from its last answer. Somebody may set its clock."""

EARLY = 20.0
"""Milliseconds by which the time that is reckoned may be wrong."""

Clock = bytes | None
"""As it stands in the store. None: nothing was ever written in that shard."""


class ShardClocks:
    """Reads them. `prefixes` are those of the shards; `time_ms` asks for the server's time."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        prefixes: Sequence[str],
        time_ms: Callable[[], Awaitable[int]],
    ) -> None:
        self._redis = redis
        self._keys = [f"{prefix}:clock" for prefix in prefixes]
        self._time_ms = time_ms
        self.ask_again = TIME_SECONDS
        self._ahead = 0.0
        self._asked_at: float | None = None

    async def read(self) -> tuple[list[Clock], float]:
        """All clocks, and the server's time in ms. Raises `Unavailable`."""
        if isinstance(self._redis, RedisCluster):
            pipe = self._redis.pipeline(transaction=False)
            for key in self._keys:
                pipe.get(key)
            clocks = list(await awaited(pipe.execute()))
        else:
            clocks = list(await awaited(self._redis.mget(self._keys)))
        if self._asked_at is None or time.monotonic() - self._asked_at >= self.ask_again:
            self._ahead = await self._time_ms() - time.monotonic() * 1000
            self._asked_at = time.monotonic()
        return clocks, time.monotonic() * 1000 + self._ahead


def is_settled(clock: Clock, server: float) -> bool:
    """Whether what was read at the server's time `server`, or later, holds as long as the shard has
    this clock."""
    return clock is None or int(clock.split()[0]) + BUSY + EARLY <= server


def now_in(clock: bytes, server: float) -> float:
    """The time of events in a shard, in ms, as `lua/clock.lua` has it."""
    seen, now, _ = map(int, clock.split())
    gap = min(max(server - seen, 0.0), LONGEST_GAP)
    return max(server, now + gap)


def is_ahead(clock: bytes, server: float) -> bool:
    """Whether a shard's time is later than the server's, which was set back."""
    return int(clock.split()[1]) > server
