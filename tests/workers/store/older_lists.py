"""What a version from before lists by agent, channel, person and reason left in the store, and what
its workers write beside those of today."""

from __future__ import annotations

from typing import Any, cast

from redis.asyncio import Redis

from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import prefixes


def prefix_of(run_id: str) -> str:
    return prefixes("ponderd")[shard_of(run_id)]


async def store_as_before(redis: Redis, run_id: str) -> None:
    """As if an older version had stored the run."""
    prefix, client = prefix_of(run_id), cast(Any, redis)
    names = ("created_at", "status", "channel", "agent")
    created_at, status, *origin = await client.hmget(f"{prefix}:run:{run_id}", names)
    async for key in redis.scan_iter(f"{prefix}:*"):
        if await redis.type(key) == b"zset" and b":due" not in key:
            await redis.zrem(key, run_id)
    await client.hdel(f"{prefix}:run:{run_id}", "asks")
    if not await redis.keys(f"{prefix}:runs:*:*:{b':'.join(origin).decode()}"):
        await client.srem(f"{prefix}:origins", b":".join(origin))
    for name in ("runs", f"runs:{status.decode()}"):
        await redis.zadd(f"{prefix}:{name}", {run_id: int(created_at)})


async def project_as_before(redis: Redis, run_id: str, status: str, waiting_for: str) -> None:
    """As if an older worker had committed."""
    prefix, client = prefix_of(run_id), cast(Any, redis)
    created_at, old = await client.hmget(f"{prefix}:run:{run_id}", "created_at", "status")
    if old.decode() != status:
        await redis.zrem(f"{prefix}:runs:{old.decode()}", run_id)
        await redis.zadd(f"{prefix}:runs:{status}", {run_id: int(created_at)})
    await client.hset(f"{prefix}:run:{run_id}", "status", status)
    await client.hset(f"{prefix}:run:{run_id}", "waiting_for", waiting_for)
    await client.hincrby(f"{prefix}:run:{run_id}", "version", 1)
    await client.rpush(f"{prefix}:log:{run_id}", "{}")
