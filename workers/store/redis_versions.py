"""How long the logs of many runs are, asked again and again by who watches them."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store.redis_client import awaited
from ponderd.workers.store.redis_clocks import Clock, ShardClocks, is_settled
from ponderd.workers.store.run_ids import shard_of


class Versions:
    """Remembers what it read of each run that it was asked for last. A run is read again only if
    its shard was written to."""

    def __init__(
        self, redis: Redis | RedisCluster, clocks: ShardClocks, prefixes: Sequence[str]
    ) -> None:
        self._redis = redis
        self._clocks = clocks
        self._prefixes = prefixes
        self._known: dict[str, int] = {}
        self._settled: dict[int, Clock] = {}
        """The clock of each shard since which all that is known of it holds."""

    async def read(self, run_ids: Sequence[str]) -> list[int]:
        """As the contract says it."""
        clocks, server = await self._clocks.read()
        known, before, self._known = self._known, self._settled, {}
        shards = [shard_of(run_id) for run_id in run_ids]
        same = {n for n in set(shards) if n in before and before[n] == clocks[n]}
        asked = [
            (run_id, shard)
            for run_id, shard in zip(run_ids, shards, strict=True)
            if shard not in same or run_id not in known
        ]
        found = dict(zip((run_id for run_id, _ in asked), await self._lengths(asked), strict=True))
        self._known = {run_id: found.get(run_id, known.get(run_id, 0)) for run_id in run_ids}
        self._settled = {n: clocks[n] for n in set(shards) if is_settled(clocks[n], server)}
        return [self._known[run_id] for run_id in run_ids]

    async def _lengths(self, asked: list[tuple[str, int]]) -> list[int]:
        if not asked:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for run_id, shard in asked:
            pipe.hget(f"{self._prefixes[shard]}:run:{run_id}", "version")
        return [int(version or 0) for version in await awaited(pipe.execute())]
