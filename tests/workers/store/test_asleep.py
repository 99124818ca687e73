"""What the store does with runs that sleep. test_twin.py compares both stores under any calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ponderd.workers.store.asleep import AsleepError, length_of, mark_of
from ponderd.workers.store.contract import Committed, Projection, Release, RunStore
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.workers.store.test_contract import READY, claimed, message

WAITS = Projection("WAITING", "approval", 5.0, b'{"asks":1}')
LOG = (b"launched", b"hello", b"asked")
MARK = mark_of(LOG)


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RunStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    redis_store = RedisStore(connect(request.getfixturevalue(f"{request.param}_url")))
    yield redis_store
    await redis_store.close()


async def waiting(store: RunStore, state: Projection = WAITS, due: float | None = None) -> str:
    """A run that waits."""
    claim = await claimed(store)
    release = Release(due)
    done = await store.commit(claim.run_id, claim.token, 2, [b"asked"], state, release)
    assert isinstance(done, Committed)
    return claim.run_id


async def asleep(store: RunStore) -> str:
    run_id = await waiting(store)
    assert await store.sleep(run_id, 3, b"asked", MARK, 60)
    return run_id


async def test_lists_show_it_and_count_it(store: RunStore) -> None:
    run_id = await asleep(store)
    head = await store.head(run_id)
    assert head is not None and head.asleep
    assert (head.status, head.waiting_for, head.version) == ("WAITING", "approval", 3)
    assert (await store.list_runs(limit=9, cursor=None, status="WAITING")).heads == (head,)
    [shown] = (await store.asking(limit=9, cursor=None)).runs
    assert (shown.run_id, shown.shown) == (run_id, b'{"asks":1}')
    assert await store.versions([run_id]) == [3]
    gauges = await store.gauges()
    assert (gauges.asleep, gauges.runs["WAITING"]) == (1, 1)
    assert not await store.sleep(run_id, 3, b"asked", MARK, 60)
    assert (await store.gauges()).asleep == 1


async def test_nobody_reads_or_writes_what_is_not_there(store: RunStore) -> None:
    run_id = await asleep(store)
    calls = (
        lambda: store.load(run_id),
        lambda: store.load(run_id, 3),
        lambda: store.latest(run_id, "code", 2, b"hello"),
        lambda: store.signal(run_id, 3, b"yes", READY),
    )
    for call in calls:
        with pytest.raises(AsleepError) as error:
            await call()
        assert (error.value.mark, error.value.late) == (MARK, ())
    assert not await store.expire(run_id, 3)
    assert await store.claim(run_id, "worker", 60) is None  # it is not due


async def test_a_message_finds_it_and_waits_with_it(store: RunStore) -> None:
    run_id = await asleep(store)
    admission = await store.admit(message("c1", "k1", text=b"more"))
    assert (admission.run_id, admission.outcome, admission.poke) == (run_id, "appended", True)
    assert (await store.admit(message("c1", "k1"))).outcome == "duplicate"
    with pytest.raises(AsleepError):
        await store.claim(run_id, "worker", 60)
    with pytest.raises(AsleepError) as error:
        await store.load(run_id)
    assert error.value.late == (b"more",)
    assert await store.versions([run_id]) == [4]
    assert await store.wake(run_id, MARK, LOG)
    claim = await store.claim(run_id, "worker", 60)
    assert claim is not None and claim.tail.log == (*LOG, b"more")
    done = await store.commit(run_id, claim.token, 4, [b"answer"], READY, last=b"more")
    assert done == Committed(5)
    assert (await store.gauges()).asleep == 0


async def test_it_is_woken_once(store: RunStore) -> None:
    run_id = await asleep(store)
    assert not await store.wake(run_id, mark_of(LOG[:2]), LOG[:2])
    done = await asyncio.gather(*(store.wake(run_id, MARK, LOG) for _ in range(5)))
    assert sum(done) == 1
    assert await store.load(run_id) == LOG
    head = await store.head(run_id)
    assert head is not None and not head.asleep
    assert not await store.wake("00-none-0", MARK, LOG)


async def test_a_long_one_comes_back_whole(store: RunStore) -> None:
    history = tuple(b"%d" % i for i in range(12_000))
    admission = await store.admit(message("c1", history=history))
    claim = await store.claim(admission.run_id, "worker", 60)
    assert claim is not None
    run_id, log = claim.run_id, (*history, b"hello")
    await store.commit(run_id, claim.token, len(log), [], WAITS, Release())
    assert await store.sleep(run_id, len(log), b"hello", mark_of(log), 60)
    for number in range(9_000 if isinstance(store, MemoryStore) else 20):
        await store.admit(message("c1", text=b"m%d" % number))
    assert await store.wake(run_id, mark_of(log), log)
    assert (await store.load(run_id))[:-20][: len(log)] == log


async def test_only_a_run_that_rests_falls_asleep(store: RunStore) -> None:
    claim = await claimed(store, "held")
    assert not await store.sleep(claim.run_id, 2, b"hello", mark_of(LOG[:2]), 0)
    await store.commit(claim.run_id, claim.token, 2, [], WAITS)
    assert not await store.sleep(claim.run_id, 2, b"hello", mark_of(LOG[:2]), 0)
    ended = await waiting(store, Projection("COMPLETED"))
    assert not await store.sleep(ended, 3, b"asked", MARK, 0)


async def test_one_that_is_soon_due_stays_awake(store: RunStore) -> None:
    run_id = await waiting(store, due=await store.now() + 1_000)
    assert not await store.sleep(run_id, 3, b"asked", MARK, 2_000)
    assert await store.sleep(run_id, 3, b"asked", MARK, 500)


async def test_one_that_went_on_stays_awake(store: RunStore) -> None:
    run_id = await waiting(store, Projection("PAUSED"))
    assert not await store.sleep(run_id, 2, b"hello", mark_of(LOG[:2]), 0)
    assert not await store.sleep(run_id, 3, b"other", MARK, 0)
    assert await store.sleep(run_id, 3, b"asked", MARK, 0)
    assert not await store.sleep("00-none-0", 3, b"asked", MARK, 0)


async def test_a_daemon_of_an_earlier_version_loses_nothing(redis_url: str) -> None:
    """It pushes to the log key, wherever the log is."""
    store = RedisStore(connect(redis_url))
    run_id = await asleep(store)
    await store.admit(message("c1", text=b"known"))
    await store._redis.rpush(f"{store._prefix(int(run_id[:2], 16))}:log:{run_id}", b"unaware")  # type: ignore[misc]
    assert await store.wake(run_id, MARK, LOG)
    assert await store.load(run_id) == (*LOG, b"known", b"unaware")
    assert await store.versions([run_id]) == [5]
    await store.close()


def test_a_mark_is_of_these_events_and_no_others() -> None:
    assert length_of(MARK) == 3
    others = (LOG[:2], (*LOG, b""), (b"launchedhello", b"", b"asked"), LOG[::-1])
    assert mark_of(list(LOG)) == MARK
    assert len({MARK, *map(mark_of, others)}) == 5
