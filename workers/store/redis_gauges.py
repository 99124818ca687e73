"""What is counted of all runs and workers together. Raises redis-py's errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store import contract as s

_TTL = round(s.WORKER_TTL * 1000)

_KNOWS_SHARDS = "#64"
"""Behind the names of workers that know all shards. Those of an earlier version know 16."""


async def now_ms(redis: Redis | RedisCluster) -> int:
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


async def report(
    redis: Redis | RedisCluster,
    namespace: str,
    worker: str,
    counts: Mapping[str, float],
    alive: bool,
    now: int,
) -> None:
    """As the contract says it. `now` in ms."""
    pipe = redis.pipeline(transaction=False)
    pipe.zadd(f"{namespace}:workers", {worker + _KNOWS_SHARDS: now if alive else 0})
    if not alive:  # whoever ends tidies up what others left
        pipe.zremrangebyscore(f"{namespace}:workers", 0, now - _TTL)
        # Reports from before the server's clock was set back.
        pipe.zremrangebyscore(f"{namespace}:workers", now + _TTL, "+inf")
    for name, value in counts.items():
        pipe.hincrbyfloat(f"{namespace}:counters", name, value)
    await pipe.execute()


async def outdated_workers(redis: Redis | RedisCluster, namespace: str, now: int) -> int:
    """How many are at work that do not know all shards. `now` in ms."""
    names: list[Any] = await redis.zrangebyscore(f"{namespace}:workers", now - _TTL, now + _TTL)
    return sum(not name.endswith(_KNOWS_SHARDS.encode()) for name in names)


async def gauges(
    redis: Redis | RedisCluster,
    namespace: str,
    prefixes: Sequence[str],
    now: int,
    counted: Sequence[list[Any]],
) -> s.Gauges:
    """As the contract says it. `prefixes` are those of the shards, `now` is in ms, `counted` what
    `lua/count.lua` says of each."""
    pipe = redis.pipeline(transaction=False)
    for prefix in prefixes:
        pipe.get(f"{prefix}:clock")
    kept = await pipe.execute()
    clocks = [max(now, int(clock.split()[1])) if clock else now for clock in kept]
    pipe = redis.pipeline(transaction=False)
    for prefix, clock in zip(prefixes, clocks, strict=True):
        pipe.zcard(f"{prefix}:leased")
        pipe.zcount(f"{prefix}:due", "-inf", clock)
        pipe.zrange(f"{prefix}:leased", 0, 0, withscores=True)
        pipe.get(f"{prefix}:asleep")
    pipe.zcount(f"{namespace}:workers", now - _TTL, now + _TTL)
    pipe.hgetall(f"{namespace}:counters")
    *flat, workers, counters = await pipe.execute()
    rows = _rows(flat, 4)
    ages = [clock - row[2][0][1] for clock, row in zip(clocks, rows, strict=False) if row[2]]
    return s.Gauges(
        in_flight=sum(row[0] for row in rows),
        overdue=sum(row[1] for row in rows),
        oldest_lease=max(0.0, *ages, 0.0) / 1000,
        runs=_by_status(counted),
        workers=workers,
        counters={name.decode(): float(value) for name, value in counters.items()},
        asleep=sum(int(row[3] or 0) for row in rows),
    )


def _by_status(counted: Sequence[list[Any]]) -> dict[str, int]:
    runs: Counter[str] = Counter()
    for names in counted:
        for status, count in zip(names[::2], names[1::2], strict=True):
            runs[status.decode()] += count
    return dict(runs)


def _rows(flat: list[Any], width: int) -> list[list[Any]]:
    return [flat[i : i + width] for i in range(0, len(flat), width)]
