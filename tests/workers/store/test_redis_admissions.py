"""A store of the old layout moves to the even one while messages come, and come again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import pytest

from ponderd.channels.errors import Conflict, Unavailable
from ponderd.workers.control.moved import again_if_moved
from ponderd.workers.store import redis_layout
from ponderd.workers.store.contract import (
    Admission,
    Checkpoint,
    NewMessage,
    Projection,
    Release,
    StoreMoves,
    conversation_key,
)
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id, shard_of
from ponderd.workers.store.shards import OLD_SHARDS, prefixes, shard_of_name

SCHEDULE = "schedule:daily"


@pytest.fixture(params=["redis", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[RedisStore]:
    """One whose state was begun by an earlier version."""
    opened = RedisStore(connect(url))
    await opened._redis.set(f"{prefixes('ponderd')[0]}:clock", "1 1 1")
    yield opened
    await opened.close()


@pytest.fixture
async def other(url: str, store: RedisStore) -> AsyncIterator[RedisStore]:
    """Another process, which remembers the layout for itself."""
    opened = RedisStore(connect(url))
    yield opened
    await opened.close()


def key_of(conversation: str) -> str:
    return conversation_key("a", "api", "", conversation)


async def send(
    store: RedisStore,
    conversation: str,
    trigger: str = "",
    run_id: str = "",
    step: Checkpoint | None = None,
    **more: Any,
) -> Admission:
    """A message to a conversation, or to a run."""

    @again_if_moved
    async def do() -> Admission:
        key = key_of(conversation)
        return await store.admit(
            NewMessage(
                run_id=run_id or await store.new_run_id(step.name if step else key),
                returns=bool(run_id),
                conversation_key=key,
                keys=(trigger,) if trigger else (),
                agent="a",
                agent_version="1",
                channel="api",
                conversation=conversation,
                history=(b"launched",),
                received=f"{conversation} {trigger}".encode(),
                checkpoint=step,
                **more,
            )
        )

    return await do()


async def finish(store: RedisStore, run_id: str) -> None:
    claim = await store.claim(run_id, "w", 60)
    assert claim
    done = Projection("COMPLETED")
    version = claim.tail.version
    await store.commit(run_id, claim.token, version, [b"end"], done, Release())


async def archive(store: RedisStore, run_id: str) -> None:
    await finish(store, run_id)
    assert await store.expire(run_id, len(await store.load(run_id)))


async def forget_triggers(store: RedisStore) -> None:
    """As if their time were over."""
    pattern = "{ponderd:*:trigger:*"
    async for key in store._redis.scan_iter(match=pattern):
        await store._redis.delete(key)


async def end(store: RedisStore) -> None:
    with mock.patch.object(redis_layout, "TRIGGER_TTL", -2 * redis_layout.MARGIN):
        await store.layouts.end()


def is_old(run_id: str) -> bool:
    return shard_of(run_id) < OLD_SHARDS


async def test_a_new_store_is_even_and_an_old_one_stays(url: str, store: RedisStore) -> None:
    assert is_old((await send(store, "c")).run_id)
    assert (await store.layouts.progress()).layout == "old"
    await store._redis.flushall()
    fresh = RedisStore(connect(url))
    try:
        assert not is_old((await send(fresh, "c")).run_id)
        await fresh.layouts.begin()  # nothing to do
        assert (await fresh.layouts.progress()).layout == "even"
        # Whoever lost the flag, but not what it stands for, finds it again.
        await fresh._redis.delete("ponderd:layout")
        again = RedisStore(connect(url))
        assert await again.layouts.now() == "even"
        await again.close()
    finally:
        await fresh.close()


async def test_a_flag_that_is_lost_is_no_reason_to_forget_the_old_shards(
    store: RedisStore, other: RedisStore
) -> None:
    old = (await send(store, "c", "t")).run_id
    await store.layouts.begin()
    await send(store, "new")
    await store._redis.delete("ponderd:layout")
    assert await other.layouts.now() == "moving"
    assert (await send(other, "c", "t")).run_id == old


async def test_a_newer_layout_is_left_alone(store: RedisStore) -> None:
    await store._redis.set("ponderd:layout", "rings")
    with pytest.raises(Unavailable, match="newer"):
        await store.new_run_id("c")


class TestWhileItMoves:
    async def test_what_is_new_begins_in_the_even_shards(self, store: RedisStore) -> None:
        await store.layouts.begin()
        run_id = (await send(store, "c", "t")).run_id
        assert shard_of(run_id) == shard_of_name(key_of("c"))
        assert await send(store, "c", "t") == Admission(run_id, "duplicate", True)
        assert (await send(store, "c", "t2")).run_id == run_id
        page = await store.list_runs(limit=9, cursor=None)
        assert [head.id for head in page.heads] == [run_id]
        assert (await store.gauges()).runs["READY"] == 1

    async def test_conversations_go_on_where_they_are(
        self, store: RedisStore, other: RedisStore
    ) -> None:
        old = (await send(store, "c", "t")).run_id
        await store.layouts.begin()
        for one in (store, other):
            assert await send(one, "c", f"t {id(one)}") == Admission(old, "appended", True)
            assert (await send(one, "c", only_new=True)).outcome == "taken"
        assert await send(store, "c", "t3", run_id=old) == Admission(old, "appended", True)
        assert len(await store.load(old)) == 5
        await finish(store, old)
        assert (await send(store, "c", "t4")).run_id == old  # it is not archived yet

    async def test_a_repeat_is_known_though_its_run_is_gone(self, store: RedisStore) -> None:
        old = (await send(store, "c", "t", digest="d")).run_id
        await archive(store, old)
        await store.layouts.begin()
        assert await send(store, "c", "t", digest="d") == Admission(old, "duplicate", False)
        assert (await send(store, "c", "t", digest="e")).outcome == "conflict"
        new = await send(store, "c", "t2")
        assert new.outcome == "launched" and not is_old(new.run_id)
        assert await send(store, "c", "t", digest="d") == Admission(old, "duplicate", False)
        assert await store.knows("t", new.run_id) and await store.knows("t2", old)

    async def test_who_does_not_know_it_yet_is_told(
        self, store: RedisStore, other: RedisStore
    ) -> None:
        assert await other.layouts.now() == "old"
        stale = await other.new_run_id(key_of("c"))
        await store.layouts.begin()
        with pytest.raises(StoreMoves):
            await other.admit(
                NewMessage(
                    run_id=stale,
                    conversation_key=key_of("c"),
                    keys=("t",),
                    agent="a",
                    agent_version="1",
                    channel="api",
                    conversation="c",
                    history=(),
                    received=b"x",
                )
            )
        again = await send(other, "c", "t")
        assert again.outcome == "launched" and not is_old(again.run_id)

    async def test_who_knows_it_closes_a_shard_that_is_open(
        self, store: RedisStore, other: RedisStore
    ) -> None:
        """As if whoever began the move had died after the first step."""
        assert await other.layouts.now() == "old"
        await store._redis.set("ponderd:layout", "moving")
        new = await send(store, "c", "t")
        assert not is_old(new.run_id)
        assert await send(other, "c", "t") == Admission(new.run_id, "duplicate", True)

    async def test_an_archived_run_comes_back_under_its_id(self, store: RedisStore) -> None:
        old = (await send(store, "c", "t")).run_id
        await archive(store, old)
        await store.layouts.begin()
        assert await send(store, "c", "t2", run_id=old) == Admission(old, "launched", True)
        assert await send(store, "c", "t2", run_id=old) == Admission(old, "duplicate", True)
        assert await send(store, "c", "t3") == Admission(old, "appended", True)

    async def test_checkpoints_come_along_and_each_tick_begins_one_run(
        self, store: RedisStore, other: RedisStore
    ) -> None:
        first = Checkpoint(SCHEDULE, None, "1 {run}")
        old = (await send(store, "tick 1", step=first)).run_id
        assert is_old(old)
        assert await other.checkpoints([SCHEDULE]) == [f"1 {old}"]
        await store.layouts.begin()
        for one in (store, other):
            assert (await send(one, "tick 1", step=first)).outcome == "stale"
        second = Checkpoint(SCHEDULE, f"1 {old}", "2")
        new = (await send(store, "tick 2", step=second)).run_id
        assert shard_of(new) == shard_of_name(SCHEDULE)
        for one in (store, other):
            assert (await send(one, "tick 2", step=second)).outcome == "stale"
            assert await one.checkpoints([SCHEDULE]) == ["2"]
        assert not await other.set_checkpoint(Checkpoint(SCHEDULE, None, "x"))
        assert await other.set_checkpoint(Checkpoint(SCHEDULE, "2", "3"))
        assert await store.set_checkpoint(Checkpoint("schedule:new", None, "1"))
        assert not await other.set_checkpoint(Checkpoint("schedule:new", None, "2"))

    async def test_a_schedule_whose_ticks_share_a_run_goes_on_in_it(
        self, store: RedisStore
    ) -> None:
        old = (await send(store, "daily", step=Checkpoint(SCHEDULE, None, "1"))).run_id
        await store.layouts.begin()
        again = await send(store, "daily", step=Checkpoint(SCHEDULE, "1", "2"))
        assert again == Admission(old, "appended", True)
        assert await store.checkpoints([SCHEDULE]) == ["2"]
        await archive(store, old)
        new = await send(store, "daily", step=Checkpoint(SCHEDULE, "2", "3"))
        assert new.outcome == "launched" and not is_old(new.run_id)
        assert await store.checkpoints([SCHEDULE]) == ["3"]

    @pytest.mark.parametrize("seed", range(3))
    async def test_nothing_is_stored_twice_or_in_two_runs_whoever_knows_what(
        self, store: RedisStore, other: RedisStore, url: str, seed: int
    ) -> None:
        """Two processes take each message three times, at once and later, while the move begins in
        the middle, perhaps dies there, and is begun again."""
        chance = random.Random(seed)
        stores = (store, other)
        messages = [(f"c{n % 12}", f"t{n}") for n in range(60)] * 3
        chance.shuffle(messages)
        runs: dict[str, set[str]] = {}

        async def one(number: int, conversation: str, trigger: str) -> None:
            if number in (70, 90):
                begun = asyncio.ensure_future(store.layouts.begin())
                await asyncio.sleep(chance.random() * 0.004)
                if number == 70:
                    begun.cancel()
                await asyncio.gather(begun, return_exceptions=True)
            admission = await send(stores[chance.randrange(2)], conversation, trigger)
            runs.setdefault(conversation, set()).add(admission.run_id)

        for start in range(0, len(messages), 10):
            some = enumerate(messages[start : start + 10], start)
            await asyncio.gather(*(one(number, *message) for number, message in some))
        assert all(len(ids) == 1 for ids in runs.values()), runs
        logs = [await store.load(run_id) for [run_id] in runs.values()]
        stored = sorted(event for log in logs for event in log if event != b"launched")
        assert stored == sorted({f"{c} {t}".encode() for c, t in messages})
        assert (await store.layouts.progress()).layout == "moving"


class TestTheEnd:
    async def test_comes_when_the_old_shards_know_nothing(self, store: RedisStore) -> None:
        old = (await send(store, "c", "t")).run_id
        tick = (await send(store, "tick", step=Checkpoint(SCHEDULE, None, "1"))).run_id
        assert not (await store.layouts.progress()).can_end
        await store.layouts.begin()
        move = await store.layouts.progress()
        assert (move.layout, move.runs, move.can_end) == ("moving", 2, False)
        with pytest.raises(Conflict):
            await end(store)
        for run_id in (old, tick):
            await archive(store, run_id)
        move = await store.layouts.progress()
        assert move.runs == 0 and not move.can_end and move.keys_until > time.time() + 600_000
        with pytest.raises(Conflict):
            await store.layouts.end()
        await end(store)
        assert (await store.layouts.progress()).layout == "even"
        assert await store.checkpoints([SCHEDULE]) == ["1"]
        assert (
            await send(store, "tick", step=Checkpoint(SCHEDULE, "1", "2"))
        ).outcome == "launched"

    async def test_later_an_archived_run_still_comes_back_with_its_conversation(
        self, store: RedisStore, other: RedisStore
    ) -> None:
        old = (await send(store, "c", "t")).run_id
        await archive(store, old)
        await store.layouts.begin()
        await forget_triggers(store)
        await end(store)
        assert await other.layouts.now() == "even"
        back = await send(store, "c", "t1", run_id=old)
        assert back == Admission(old, "launched", True)
        assert await send(other, "c", "t2") == Admission(old, "appended", True)
        assert await send(other, "c", "t2") == Admission(old, "duplicate", True)
        assert (await send(store, "c", only_new=True)).outcome == "taken"
        await archive(store, old)
        assert await send(other, "c", "t2") == Admission(old, "duplicate", False)
        new = await send(store, "c", "t3")
        assert new.outcome == "launched" and not is_old(new.run_id)
        for known in ("t1", "t2"):  # though another run has the conversation by now
            assert await send(other, "c", known) == Admission(old, "duplicate", False)
        # It does not take the conversation from the run that has it.
        assert await send(store, "c", "t4", run_id=old) == Admission(new.run_id, "appended", True)

    async def test_one_shard_asks_nothing_of_the_others_any_more(self, store: RedisStore) -> None:
        await store.layouts.begin()
        await end(store)
        sent = mock.Mock(wraps=store._batches.call)
        with mock.patch.object(store._batches, "call", sent):
            await send(store, "c", "t")
        assert sent.call_count == 1


async def test_workers_of_an_earlier_version_are_seen(store: RedisStore) -> None:
    await store.report("new", {})
    assert await store.layouts.outdated() == 0
    await store._redis.zadd("ponderd:workers", {"old": round(time.time() * 1000)})
    assert await store.layouts.outdated() == 1


async def test_it_is_done_once_more_and_no_further() -> None:
    done: list[str] = []

    @again_if_moved
    async def do() -> None:
        done.append(new_run_id("c"))
        raise StoreMoves("moving")

    with pytest.raises(StoreMoves):
        await do()
    assert len(done) == 2
