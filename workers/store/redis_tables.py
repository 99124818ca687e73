"""The tables of the store on Redis or Valkey. `lua/row.lua` says what is kept of one."""

from __future__ import annotations

from pathlib import Path

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store.redis_client import awaited as _answer
from ponderd.workers.store.replicas import Replicas
from ponderd.workers.store.tables import Row, RowPage

_ROW = Path(__file__).parent / "lua" / "row.lua"


class RedisTables:
    """Implements `Tables`."""

    def __init__(self, redis: Redis | RedisCluster, namespace: str, replicas: Replicas) -> None:
        self._redis = redis
        self._namespace = namespace
        self._replicas = replicas
        self._row = redis.register_script(_ROW.read_text())

    async def set_row(self, table: str, key: str, row: Row) -> None:
        prefix = self._table(table)
        counts = [word for name, count in row.counts.items() for word in (name, count)]
        await self._replicas.require(prefix)
        await _answer(self._row(keys=[prefix], args=[key, row.order, row.value, *counts]))
        await self._replicas.accept(prefix, "HEXISTS", f"{prefix}:rows", key)

    async def drop_row(self, table: str, key: str) -> None:
        await _answer(self._row(keys=[self._table(table)], args=[key]))

    async def rows(self, table: str, after: str, limit: int) -> RowPage:
        prefix = self._table(table)
        order, first = f"{prefix}:order", f"({after}" if after else "-"
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrangebylex(order, first, "+", start=0, num=limit)
        pipe.zlexcount(order, first, "+")
        found, count = await _answer(pipe.execute())
        places = [place.decode() for place in found]
        keys = [place.partition(" ")[2] for place in places]
        values = await _answer(self._redis.hmget(f"{prefix}:rows", keys)) if keys else []
        rows = zip(places, keys, values, strict=True)
        # A row that was dropped between the two questions has no value any more.
        return RowPage([row for row in rows if row[2] is not None], count - len(places))

    async def sums(self, table: str) -> dict[str, int]:
        found = await _answer(self._redis.hgetall(f"{self._table(table)}:sums"))
        return {name.decode(): int(total) for name, total in found.items() if int(total)}

    def _table(self, name: str) -> str:
        return f"{{{self._namespace}:table:{name}}}"
