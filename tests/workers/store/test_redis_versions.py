"""Whatever is written to a run that is watched is seen, and a store where nothing is written is not
asked about each run."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from ponderd.workers.store.contract import Projection
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.services.eventually import eventually
from tests.workers.store.test_contract import message


async def calls(redis_url: str) -> int:
    client = Redis.from_url(redis_url)
    try:
        stats = await client.info("commandstats")
        return int(stats.get("cmdstat_llen", {"calls": 0})["calls"])
    finally:
        await client.aclose()


async def settled(store: RedisStore, run_ids: Sequence[str], redis_url: str) -> None:
    """Return once a look finds all as it was."""

    async def asks_nothing() -> bool:
        before = await calls(redis_url)
        await store.versions(run_ids)
        return await calls(redis_url) == before

    await eventually(asks_nothing)


async def test_each_change_is_seen_also_one_right_after_another(redis_url: str) -> None:
    store, other = RedisStore(connect(redis_url)), RedisStore(connect(redis_url))
    try:
        ids = [(await other.admit(message(f"c{n}"))).run_id for n in range(20)]
        first = (await store.versions(ids))[0]
        assert await store.versions([*ids, "00-none-0"]) == [first] * 20 + [0]
        await settled(store, ids, redis_url)
        ready = Projection("READY")
        for version in range(first, first + 30):
            for run_id in ids[:3]:
                await other.signal(run_id, version, b"more", ready)
            assert await store.versions(ids) == [version + 1] * 3 + [first] * 17
    finally:
        await store.close()
        await other.close()


async def test_a_run_that_is_asked_for_anew_is_read(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    try:
        one, two = [(await store.admit(message(f"c{n}"))).run_id for n in range(2)]
        await settled(store, [one], redis_url)
        [version] = await store.versions([one])
        assert await store.versions([two, one]) == [version, version]
        assert await store.versions([]) == []
        await store._redis.flushall()
        assert await store.versions([one, two]) == [0, 0]
    finally:
        await store.close()
