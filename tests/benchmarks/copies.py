"""Stores that are full: many copies of a real run, made inside the store. Only their ids, and what
is derived from them, differ from the original."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import redis.asyncio as redis

from tests.benchmarks.postgres import Postgres

BATCH = 1_000

_COPY = """
-- ARGV: id of the original, what is to replace it ...; KEYS: all keys in which it stands
local original = ARGV[1]
local function plain(text) return (text:gsub('%p', '%%%0')) end
for i = 2, #ARGV do
  local id = ARGV[i]
  for _, key in ipairs(KEYS) do
    local new = key:gsub(plain(original), id)
    if new ~= key then redis.call('COPY', key, new)
    else
      local kind = redis.call('TYPE', key).ok
      if kind == 'zset' then redis.call('ZADD', key, redis.call('ZSCORE', key, original), id)
      elseif kind == 'set' then redis.call('SADD', key, id)
      elseif kind == 'string' then redis.call('SET', key .. id, id) end
    end
  end
end
"""


async def copy_in_redis(client: redis.Redis, text: str, count: int) -> None:
    """Copy the run whose log contains `text`. All copies land in its shard: what a shard holds is
    found by key or in sorted sets, so that this is, if anything, worse than a spread."""
    original = await _run_with(client, text)
    keys = await _keys_of(client, original)
    script = client.register_script(_COPY)
    shard, made = original.split("-")[:2]
    for begin in range(0, count, BATCH):
        size = min(BATCH, count - begin)
        ids = [f"{shard}-{made}-{secrets.token_hex(6)}" for _ in range(size)]
        await script(keys=keys, args=[original, *ids])
    await _rewritten(client)  # one that it began by itself meanwhile
    await client.bgrewriteaof()
    await _rewritten(client)


async def _rewritten(client: redis.Redis) -> None:
    status = {"aof_rewrite_in_progress": 1}
    while status["aof_rewrite_in_progress"] or status["aof_rewrite_scheduled"]:
        await asyncio.sleep(0.1)
        status = await client.info("persistence")


async def _run_with(client: redis.Redis, text: str) -> str:
    async for key in client.scan_iter("*:log:*", count=1_000):
        log: list[bytes] = await _any(client.lrange(key, 0, 3))
        if any(text.encode() in event for event in log):
            return str(key.decode().rpartition(":")[2])
    raise LookupError(f"no run with {text!r}")


async def _keys_of(client: redis.Redis, run_id: str) -> list[str]:
    """Keys that are named after the run, or hold its id."""
    found = []
    shard = run_id[:2]
    async for raw in client.scan_iter(f"*:{shard}}}:*", count=1_000):
        key = raw.decode()
        if run_id in key:
            found.append(key)
            continue
        match (await _any(client.type(key))).decode():
            case "zset" if await _any(client.zscore(key, run_id)) is not None:
                found.append(key)
            case "set" if await _any(client.sismember(key, run_id)):
                found.append(key)
            case "string" if await _any(client.get(key)) == run_id.encode():
                found.append(key)
            case _:
                pass
    return found


async def _any(call: Any) -> Any:
    """redis-py declares its answers as awaitable or not."""
    return await call


def copy_in_postgres(server: Postgres, run: str, count: int) -> Iterator[str]:
    """The statements that copy a run in every table that has a column for its id."""
    names = ("workflow_uuid", "thread_id")
    columns = server.query(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        " WHERE is_generated = 'NEVER' AND is_identity = 'NO'"
        " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        " AND (table_schema, table_name) IN (SELECT table_schema, table_name"
        f" FROM information_schema.columns WHERE column_name IN {names})"
        " ORDER BY table_name <> 'workflow_status', table_name",  # others refer to it
    )
    tables: dict[str, list[str]] = {}
    for line in columns.splitlines():
        schema, table, column = line.split("|")
        tables.setdefault(f'"{schema}"."{table}"', []).append(column)
    for table, all_columns in tables.items():
        key = next(name for name in all_columns if name in names)
        into = ", ".join(f'"{name}"' for name in all_columns)
        values = ", ".join(
            "md5(copy::text)" if name == key else f'"{name}"' for name in all_columns
        )
        yield (
            f"SET synchronous_commit = off; INSERT INTO {table} ({into}) SELECT {values}"
            f" FROM {table}, generate_series(1, {count}) AS copy WHERE \"{key}\" = '{run}'"
        )
    yield "VACUUM (ANALYZE)"
    yield "CHECKPOINT"
