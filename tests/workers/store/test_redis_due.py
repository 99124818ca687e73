"""An idle store is asked little, and whatever happens to a shard is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ponderd.channels.errors import Unavailable
from ponderd.workers.store.contract import Projection, Release
from ponderd.workers.store.redis_due import ANYWAY_SECONDS, ANYWAY_SHARE
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import shard_of
from tests.services.eventually import eventually
from tests.workers.protocol.test_twin import START, OnClock
from tests.workers.store.test_contract import message


class Counted(RedisStore):
    """Counts the shards that are swept."""

    swept = 0
    ill = False

    async def _run_all(self, name: str, calls: object) -> list[object]:
        if name == "sweep":
            self.swept += len(calls)  # type: ignore[arg-type]
        if self.ill:
            raise Unavailable("away")
        return await super()._run_all(name, calls)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[Counted]:
    store = Counted(connect(redis_url))
    yield store
    await store.close()


async def settled(store: Counted) -> None:
    """Return once a look finds that no shard needs a sweep."""

    async def is_settled() -> bool:
        store.swept = 0
        await store.sweep(10, 1)
        return store.swept == 0

    await eventually(is_settled)


async def test_shards_in_which_nothing_happens_are_not_swept(store: Counted) -> None:
    await store.sweep(10, 1)
    assert store.swept == 0  # nothing was ever written
    ids = [(await store.admit(message(f"c{number}"))).run_id for number in range(20)]
    await store.sweep(0, 1)
    assert store.swept == len({run_id[:2] for run_id in ids})
    for run_id in ids:
        claim = await store.claim(run_id, "me", 10)
        assert claim
        await store.commit(
            run_id, claim.token, claim.tail.version, [b"end"], Projection("COMPLETED"), Release()
        )
    await settled(store)


async def test_a_run_that_waits_long_costs_nothing(store: Counted) -> None:
    run_id = (await store.admit(message())).run_id
    claim = await store.claim(run_id, "me", 10)
    assert claim
    later = Release(await store.now() + 3600)
    await store.commit(
        run_id, claim.token, claim.tail.version, [b"waits"], Projection("WAITING"), later
    )
    await settled(store)


async def test_only_the_shard_of_a_held_run_is_swept(store: Counted) -> None:
    run_id = (await store.admit(message())).run_id
    assert await store.claim(run_id, "me", 60)

    async def looks() -> int:
        store.swept = 0
        await store.sweep(10, 1)
        return store.swept

    await eventually(lambda: _is(looks(), 1))
    assert await looks() == 1


async def _is(found: object, wanted: int) -> bool:
    return await found == wanted  # type: ignore[misc]


async def test_what_others_write_is_seen(store: Counted, redis_url: str) -> None:
    await settled(store)
    other = RedisStore(connect(redis_url))
    try:
        for number in range(5):
            run_id = (await other.admit(message(f"c{number}"))).run_id
            claim = await other.claim(run_id, "me", 60)
            assert claim
            now = Release(await other.now() - 1)
            await other.commit(
                run_id, claim.token, claim.tail.version, [b"e"], Projection("READY"), now
            )
            assert run_id in await store.sweep(100, 60)
    finally:
        await other.close()


async def test_a_limit_is_kept_and_a_backlog_is_emptied_from_any_shards(store: Counted) -> None:
    ids = {(await store.admit(message(f"c{number}"))).run_id for number in range(40)}
    await asyncio.sleep(0)
    for run_id in ids:
        claim = await store.claim(run_id, "me", 60)
        assert claim
        now = Release(await store.now() - 1)
        await store.commit(
            run_id, claim.token, claim.tail.version, [b"e"], Projection("READY"), now
        )
    assert await store.sweep(0, 60) == []
    found: list[str] = []
    while some := await store.sweep(7, 60):
        assert len(some) <= 7
        found += some
    assert sorted(found) == sorted(ids)


async def test_after_an_error_nothing_is_believed(store: Counted) -> None:
    run_id = (await store.admit(message())).run_id
    other = (await store.admit(message("another"))).run_id
    assert run_id[:2] != other[:2]
    await settled(store)
    claim = await store.claim(run_id, "me", 60)
    assert claim
    now = Release(await store.now() - 1)
    await store.commit(run_id, claim.token, claim.tail.version, [b"e"], Projection("READY"), now)
    store.ill = True
    with pytest.raises(Unavailable):
        await store.sweep(10, 60)
    store.ill, store.swept = False, 0
    assert await store.sweep(10, 60) == [run_id]
    assert store.swept >= 2


async def test_a_server_that_lost_its_data_is_looked_through(store: Counted) -> None:
    run_id = (await store.admit(message())).run_id
    await settled(store)
    await store._redis.flushall()
    assert await store.sweep(10, 60) == []
    assert (await store.admit(message())).run_id != run_id
    store.swept = 0
    await store.sweep(10, 60)
    assert store.swept == 1


@pytest_asyncio.fixture
async def clocked(redis_url: str) -> AsyncIterator[OnClock]:
    store = OnClock(redis_url)
    await store.set_clock(START)
    yield store
    await store.close()


async def waiting(store: OnClock, seconds: float) -> str:
    """A run that waits for so long, in a shard that a look passes over."""
    run_id = (await store.admit(message())).run_id
    claim = await store.claim(run_id, "me", 60)
    assert claim
    later = Release(START + seconds)
    await store.commit(
        run_id, claim.token, claim.tail.version, [b"waits"], Projection("WAITING"), later
    )
    await store.set_clock(START + 1)
    assert await store.sweep(10, 1) == []
    return run_id


async def test_a_wait_ends_though_the_servers_clock_is_set_back(clocked: OnClock) -> None:
    """The clock of its shard goes on only with scripts then."""
    run_id = await waiting(clocked, 30)
    for second in range(40):
        await clocked.set_clock(START - 3600 + second)
        if await clocked.sweep(10, 60) == [run_id]:
            break
    assert 30 <= second <= 35


async def test_the_sooner_a_wait_ends_the_sooner_the_time_is_kept(clocked: OnClock) -> None:
    """What is not kept is lost when the server's clock is set back."""
    run_id = await waiting(clocked, 201)
    key = f"{clocked._prefix(shard_of(run_id))}:clock"
    seen = clocked._due._seen[shard_of(run_id)]
    before = await clocked._redis.get(key)
    seen.at -= ANYWAY_SECONDS / ANYWAY_SHARE
    await clocked.sweep(10, 1)
    assert await clocked._redis.get(key) == before
    seen.at -= ANYWAY_SECONDS / ANYWAY_SHARE
    await clocked.sweep(10, 1)
    assert await clocked._redis.get(key) != before


async def test_what_is_written_after_the_servers_clock_was_set_back_is_seen(
    clocked: OnClock,
) -> None:
    """Though it is set to the very moment in which a shard's clock was written."""
    run_id = await waiting(clocked, 30)
    await clocked.set_clock(START)
    assert await clocked.sweep(10, 60) == []
    claim = await clocked.claim(run_id, "me", 60)
    assert claim
    now = Release(START - 1)
    await clocked.commit(run_id, claim.token, claim.tail.version, [b"e"], Projection("READY"), now)
    assert await clocked.sweep(10, 60) == [run_id]
