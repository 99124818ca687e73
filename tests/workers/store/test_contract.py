"""What every state store must do. Runs against memory, a real server and a real cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from typing import ClassVar, Self

import pytest

from ponderd.channels.errors import Malformed, NotFound, Unavailable
from ponderd.workers.store.asking import KEPT, add_asking, asked_ts, asking, note_asked
from ponderd.workers.store.contract import (
    POKE_GRACE,
    Admission,
    Checkpoint,
    Claim,
    Committed,
    Lost,
    NewMessage,
    Projection,
    Release,
    RunStore,
    VersionConflict,
    conversation_key,
)
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from ponderd.workers.store.tables import Row, RowPage
from tests.services.eventually import PATIENCE, eventually, patiently, quickly

READY = Projection("READY")
LONG = 600.0
"""Seconds that do not pass in a test."""


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RunStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    redis_store = RedisStore(connect(request.getfixturevalue(f"{request.param}_url")))
    yield redis_store
    await redis_store.close()


def message(
    conversation: str = "c1",
    *keys: str,
    agent: str = "assistant",
    text: bytes = b"hello",
    history: tuple[bytes, ...] = (b"launched",),
) -> NewMessage:
    key = conversation_key(agent, "api", "", conversation)
    return NewMessage(
        run_id=new_run_id(key),
        conversation_key=key,
        keys=keys,
        agent=agent,
        agent_version="v1",
        channel="api",
        conversation=conversation,
        history=history,
        received=text,
    )


async def claimed(store: RunStore, conversation: str = "c1", lease: float = LONG) -> Claim:
    admission = await store.admit(message(conversation))
    claim = await store.claim(admission.run_id, "worker", lease)
    assert claim is not None
    return claim


class TestAdmit:
    async def test_first_message_of_a_conversation_launches_a_run(self, store: RunStore) -> None:
        admission = await store.admit(message("c1", "k1"))
        assert admission.outcome == "launched"
        assert admission.poke
        assert await store.load(admission.run_id) == (b"launched", b"hello")
        head = await store.head(admission.run_id)
        assert head is not None
        assert (head.agent, head.channel, head.conversation) == ("assistant", "api", "c1")
        assert (head.status, head.version) == ("READY", 2)
        assert head.created_at == pytest.approx(head.updated_at)

    async def test_second_message_is_appended_to_the_same_run(self, store: RunStore) -> None:
        first = await store.admit(message("c1", "k1"))
        second = await store.admit(message("c1", "k2", text=b"more"))
        assert second == Admission(first.run_id, "appended", True)
        assert await store.load(first.run_id) == (b"launched", b"hello", b"more")

    async def test_a_run_may_begin_with_a_long_history(self, store: RunStore) -> None:
        history = tuple(b"%d" % i for i in range(20_000))
        admission = await store.admit(message("c1", "k1", "k2", history=history))
        assert await store.load(admission.run_id) == (*history, b"hello")
        again = await store.admit(message("c1", "k3", history=history))
        assert again.outcome == "appended"
        assert len(await store.load(admission.run_id)) == 20_002
        for key in ("k1", "k2", "k3"):
            assert (await store.admit(message("c1", key))).outcome == "duplicate"

    async def test_one_that_may_only_begin_a_run_does_nothing_where_there_is_one(
        self, store: RunStore
    ) -> None:
        new = dataclasses.replace(message("c1", "k1"), only_new=True)
        first = await store.admit(new)
        assert (first.outcome, first.poke) == ("launched", True)
        assert await store.admit(new) == Admission(first.run_id, "duplicate", True)
        taken = await store.admit(dataclasses.replace(message("c1", "k2"), only_new=True))
        assert taken == Admission(first.run_id, "taken", False)
        assert len(await store.load(first.run_id)) == 2
        assert (await store.admit(message("c1", "k2"))).outcome == "appended"

    async def test_of_many_that_may_only_begin_a_run_one_does(self, store: RunStore) -> None:
        new = dataclasses.replace(message("c1"), only_new=True)
        admissions = await asyncio.gather(*(store.admit(new) for _ in range(50)))
        assert sorted(a.outcome for a in admissions) == ["launched"] + ["taken"] * 49
        assert len(await store.load(admissions[0].run_id)) == 2

    async def test_same_key_again_changes_nothing(self, store: RunStore) -> None:
        first = await store.admit(message("c1", "event:1", "ts:1"))
        again = await store.admit(message("c1", "event:2", "ts:1"))
        assert (again.run_id, again.outcome) == (first.run_id, "duplicate")
        assert len(await store.load(first.run_id)) == 2

    async def test_the_key_of_another_message_is_a_conflict(self, store: RunStore) -> None:
        def sent(text: bytes, digest: str, *keys: str) -> NewMessage:
            return dataclasses.replace(message("c1", *keys, text=text), digest=digest)

        first = await store.admit(sent(b"a", "A", "k1", "k2"))
        assert (await store.admit(sent(b"a", "A", "k1"))).outcome == "duplicate"
        other = await store.admit(sent(b"b", "B", "k3", "k2"))
        assert other == Admission(first.run_id, "conflict", False)
        assert (await store.admit(sent(b"b", "B", "k3"))).outcome == "appended"
        assert (await store.admit(message("c1", "k1"))).outcome == "duplicate"
        assert await store.load(first.run_id) == (b"launched", b"a", b"b")

    async def test_a_key_without_a_digest_stays_a_repeat(self, store: RunStore) -> None:
        """As it was stored by ponderd before there were digests."""
        await store.admit(message("c1", "k1"))
        later = dataclasses.replace(message("c1", "k1"), digest="A")
        assert (await store.admit(later)).outcome == "duplicate"

    async def test_of_two_messages_with_one_key_one_is_taken(self, store: RunStore) -> None:
        sent = [dataclasses.replace(message("c1", "k1"), digest=str(n)) for n in range(20)]
        admissions = await asyncio.gather(*map(store.admit, sent))
        assert sorted(a.outcome for a in admissions) == ["conflict"] * 19 + ["launched"]
        assert await store.knows("k1", admissions[0].run_id)
        assert not await store.knows("k2", admissions[0].run_id)

    async def test_without_keys_every_delivery_counts(self, store: RunStore) -> None:
        first = await store.admit(message())
        await store.admit(message())
        assert len(await store.load(first.run_id)) == 3

    async def test_conversations_and_agents_have_runs_of_their_own(self, store: RunStore) -> None:
        ids = {
            (await store.admit(message(conversation, agent=agent))).run_id
            for conversation in ("c1", "c2")
            for agent in ("assistant", "triage")
        }
        assert len(ids) == 4

    async def test_many_at_once_of_one_trigger_store_it_once(self, store: RunStore) -> None:
        admissions = await asyncio.gather(*(store.admit(message("c1", "k")) for _ in range(50)))
        assert [a.outcome for a in admissions].count("launched") == 1
        assert len({a.run_id for a in admissions}) == 1
        assert len(await store.load(admissions[0].run_id)) == 2

    async def test_a_message_does_not_wake_a_paused_run(self, store: RunStore) -> None:
        admission = await store.admit(message())
        await store.signal(admission.run_id, 2, b"paused", Projection("PAUSED"))
        await store.admit(message())
        head = await store.head(admission.run_id)
        assert head is not None
        assert head.status == "PAUSED"

    @pytest.mark.parametrize(
        ("before", "ends", "after"),
        [
            (("WAITING", "approval"), "", ("READY", "")),
            (("PAUSED", "approval"), "", ("PAUSED", "")),
            (("WAITING", "approval"), "event", ("WAITING", "approval")),
            (("PAUSED", "approval"), "event", ("PAUSED", "approval")),
            (("WAITING", "event"), "event", ("READY", "")),
            (("PAUSED", "event"), "event", ("PAUSED", "")),
            (("COMPLETED", ""), "event", ("COMPLETED", "")),
            (("COMPLETED", ""), "", ("READY", "")),
        ],
    )
    async def test_lists_show_what_it_ends(
        self, store: RunStore, before: tuple[str, str], ends: str, after: tuple[str, str]
    ) -> None:
        run_id = (await store.admit(dataclasses.replace(message(), ends=ends))).run_id
        head = await store.head(run_id)
        assert head is not None and (head.status, head.waiting_for) == ("READY", "")
        await store.signal(run_id, 2, b"rests", Projection(*before, 1.0, b"{}"))
        await store.admit(dataclasses.replace(message(), ends=ends))
        head = await store.head(run_id)
        assert head is not None and (head.status, head.waiting_for) == after
        asking = await store.asking(limit=10, cursor=None)
        assert [run.run_id for run in asking.runs] == [run_id] * (after[1] == "approval")


class TestClaim:
    async def test_gives_the_log_and_a_token(self, store: RunStore) -> None:
        claim = await claimed(store)
        assert claim.tail.log == (b"launched", b"hello")
        assert claim.token > 0

    async def test_only_one_of_many_gets_it(self, store: RunStore) -> None:
        run_id = (await store.admit(message())).run_id
        claims = await asyncio.gather(*(store.claim(run_id, f"w{i}", LONG) for i in range(20)))
        assert len([claim for claim in claims if claim]) == 1

    async def test_a_run_that_is_not_due_cannot_be_claimed(self, store: RunStore) -> None:
        claim = await claimed(store)
        await store.commit(claim.run_id, claim.token, 2, [], READY, Release())
        assert await store.claim(claim.run_id, "worker", LONG) is None
        assert await store.claim("00-none-0", "worker", LONG) is None

    async def test_an_expired_lease_passes_on_with_a_higher_token(self, store: RunStore) -> None:
        first = await claimed(store, lease=0.05)
        await asyncio.sleep(0.1)
        second = await store.claim(first.run_id, "other", LONG)
        assert second is not None
        assert second.token > first.token
        outcome = await store.commit(first.run_id, first.token, 2, [b"late"], READY)
        assert outcome == Lost()
        assert await store.load(first.run_id) == (b"launched", b"hello")

    async def test_a_renewed_lease_stays(self, store: RunStore) -> None:
        claim = await claimed(store, lease=0.1)
        assert await store.renew([(claim.run_id, claim.token)], LONG) == {claim.run_id: 2}
        await asyncio.sleep(0.2)
        assert await store.claim(claim.run_id, "other", LONG) is None
        assert await store.renew([(claim.run_id, claim.token + 1)], LONG) == {}


class TestCommit:
    async def test_appends_and_keeps_the_lease(self, store: RunStore) -> None:
        claim = await claimed(store)
        outcome = await store.commit(claim.run_id, claim.token, 2, [b"a", b"b"], READY)
        assert outcome == Committed(4)
        assert await store.load(claim.run_id) == (b"launched", b"hello", b"a", b"b")
        assert await store.claim(claim.run_id, "other", LONG) is None

    async def test_writes_nothing_if_something_was_appended_meanwhile(
        self, store: RunStore
    ) -> None:
        claim = await claimed(store)
        await store.admit(message(text=b"meanwhile"))
        outcome = await store.commit(claim.run_id, claim.token, 2, [b"a"], READY, Release())
        assert outcome == VersionConflict((b"meanwhile",))
        assert await store.load(claim.run_id) == (b"launched", b"hello", b"meanwhile")
        assert await store.claim(claim.run_id, "other", LONG) is None  # still held

    async def test_writes_nothing_if_the_log_is_shorter_than_the_writer_knows(
        self, store: RunStore
    ) -> None:
        claim = await claimed(store)
        assert await store.commit(claim.run_id, claim.token, 3, [b"a"], READY) == Lost()
        with pytest.raises(NotFound):
            await store.signal(claim.run_id, 3, b"a", READY)
        assert await store.load(claim.run_id) == (b"launched", b"hello")

    async def test_release_ends_the_lease_and_its_token(self, store: RunStore) -> None:
        claim = await claimed(store)
        await store.commit(claim.run_id, claim.token, 2, [b"a"], Projection("COMPLETED"), Release())
        assert await store.commit(claim.run_id, claim.token, 3, [b"b"], READY) == Lost()
        await store.admit(message(text=b"again"))
        again = await store.claim(claim.run_id, "other", LONG)
        assert again is not None
        assert again.tail.log[-1] == b"again"

    async def test_release_with_a_due_time_is_found_by_the_sweeper_then(
        self, store: RunStore
    ) -> None:
        soon, late = await claimed(store, "soon"), await claimed(store, "late")
        for claim, due in ((soon, soon.now + 0.1), (late, late.now + LONG)):
            release = Release(due)
            await store.commit(claim.run_id, claim.token, 2, [], Projection("WAITING"), release)
        await asyncio.sleep(0.2)
        assert await store.sweep(10, 1) == [soon.run_id]

    async def test_projection_shows_in_head_and_list(self, store: RunStore) -> None:
        claim = await claimed(store)
        waiting = Projection("WAITING", "approval")
        await store.commit(claim.run_id, claim.token, 2, [b"asked"], waiting)
        page = await store.list_runs(status="WAITING", agent=None, limit=10, cursor=None)
        assert [(head.id, head.waiting_for) for head in page.heads] == [(claim.run_id, "approval")]
        assert not (await store.list_runs(status="READY", agent=None, limit=9, cursor=None)).heads


class TestSignal:
    async def test_appends_without_a_lease_and_pokes(self, store: RunStore) -> None:
        run_id = (await store.admit(message())).run_id
        outcome = await store.signal(run_id, 2, b"paused", Projection("PAUSED"))
        assert outcome == Admission(run_id, "appended", True)
        assert (await store.load(run_id))[-1] == b"paused"

    async def test_of_a_stale_version_writes_nothing(self, store: RunStore) -> None:
        run_id = (await store.admit(message())).run_id
        assert await store.signal(run_id, 1, b"x", READY) == VersionConflict((b"hello",))
        assert len(await store.load(run_id)) == 2

    async def test_reaches_the_holder_of_the_lease_at_its_next_commit(
        self, store: RunStore
    ) -> None:
        claim = await claimed(store)
        outcome = await store.signal(claim.run_id, 2, b"paused", Projection("PAUSED"))
        assert outcome == Admission(claim.run_id, "appended", False)
        met = await store.commit(claim.run_id, claim.token, 2, [b"intent"], READY)
        assert met == VersionConflict((b"paused",))


class TestSweep:
    async def test_finds_a_run_whose_poke_was_lost_after_the_grace(self, store: RunStore) -> None:
        numbers = itertools.count()

        async def admit_and_sweep() -> tuple[str, list[str]]:
            admission = await store.admit(message(f"c{next(numbers)}"))
            return admission.run_id, await store.sweep(10, LONG)

        run_id, found = await quickly(POKE_GRACE, admit_and_sweep)
        assert run_id not in found
        await asyncio.sleep(POKE_GRACE + 0.1)
        assert await store.sweep(10, LONG) == [run_id]
        assert await store.sweep(10, LONG) == []  # another sweeper already has it

    async def test_finds_a_run_whose_worker_died(self, store: RunStore) -> None:
        claim = await claimed(store, lease=0.1)
        await asyncio.sleep(0.2)
        assert await store.sweep(10, 1) == [claim.run_id]

    async def test_leaves_a_held_run_alone(self, store: RunStore) -> None:
        claim = await claimed(store, lease=LONG)
        await store.admit(message(text=b"more"))
        assert await store.sweep(10, 1) == []
        assert await store.load(claim.run_id)


class TestExpire:
    async def finish(self, store: RunStore, conversation: str, *keys: str) -> str:
        run_id = (await store.admit(message(conversation, *keys))).run_id
        claim = await store.claim(run_id, "worker", LONG)
        assert claim is not None
        done = Projection("COMPLETED")
        version = claim.tail.version
        assert await store.commit(run_id, claim.token, version, [b"end"], done, Release())
        return run_id

    async def test_finished_runs_are_found_oldest_first(self, store: RunStore) -> None:
        ids = []
        for conversation in ("c1", "c2", "c3", "c4"):
            ids.append(await self.finish(store, conversation))
            await asyncio.sleep(0.005)
        head = await store.head(ids[3])
        assert head is not None
        assert await store.finished(head.updated_at, 10) == ids[:3]
        assert await store.finished(head.updated_at, 2) == ids[:2]
        await store.admit(message("c1", text=b"more"))  # not over any more
        assert await store.finished(head.updated_at, 10) == ids[1:3]

    async def test_forgets_the_run_and_its_conversation(self, store: RunStore) -> None:
        run_id = await self.finish(store, "c1", "k1")
        assert await store.expire(run_id, 3)
        assert await store.load(run_id) == ()
        assert await store.head(run_id) is None
        assert await store.finished(time.time() + 60, 10) == []
        assert not (await store.list_runs(status=None, agent=None, limit=9, cursor=None)).heads
        assert (await store.gauges()).runs.get("COMPLETED", 0) == 0
        assert not await store.expire(run_id, 3)
        fresh = await store.admit(message("c1", "k2"))
        assert fresh.outcome == "launched"
        assert fresh.run_id != run_id

    async def test_a_trigger_of_an_expired_run_is_still_a_duplicate(self, store: RunStore) -> None:
        run_id = await self.finish(store, "c1", "k1")
        await store.expire(run_id, 3)
        assert await store.admit(message("c1", "k1")) == Admission(run_id, "duplicate", False)

    async def test_leaves_a_run_that_is_due_or_held_or_has_another_version(
        self, store: RunStore
    ) -> None:
        run_id = await self.finish(store, "c1")
        assert not await store.expire(run_id, 2)
        assert not await store.expire(run_id, 4)
        await store.signal(run_id, 3, b"cancelled", Projection("CANCELLED"))
        assert not await store.expire(run_id, 4)  # due
        claim = await store.claim(run_id, "worker", LONG)
        assert claim is not None
        assert not await store.expire(run_id, 4)  # held
        await store.commit(run_id, claim.token, 4, [], Projection("CANCELLED"), Release())
        assert await store.expire(run_id, 4)

    async def test_leaves_a_run_that_waits(self, store: RunStore) -> None:
        claim = await claimed(store)
        await store.commit(claim.run_id, claim.token, 2, [], Projection("WAITING"), Release())
        assert await store.finished(time.time() + 60, 10) == []
        assert not await store.expire(claim.run_id, 2)

    async def test_an_expired_run_takes_no_more_events(self, store: RunStore) -> None:
        claim = await claimed(store)
        late = (claim.run_id, claim.token, 2, [b"late"], READY)
        await store.commit(claim.run_id, claim.token, 2, [b"end"], Projection("FAILED"), Release())
        assert await store.expire(claim.run_id, 3)
        with pytest.raises(NotFound):
            await store.signal(claim.run_id, 3, b"cancelled", Projection("CANCELLED"))
        assert await store.commit(*late) == Lost()
        assert await store.renew([(claim.run_id, claim.token)], LONG) == {}
        assert await store.load(claim.run_id) == ()
        assert await store.sweep(10, 1) == []

    async def test_a_run_comes_back_under_its_id(self, store: RunStore) -> None:
        claim = await claimed(store)
        await store.commit(claim.run_id, claim.token, 2, [b"end"], Projection("FAILED"), Release())
        log = await store.load(claim.run_id)
        await store.expire(claim.run_id, 3)
        await asyncio.sleep(0.005)  # tokens begin at the clock's milliseconds
        back = dataclasses.replace(message("c1", text=b"more", history=log), run_id=claim.run_id)
        assert await store.admit(back) == Admission(claim.run_id, "launched", True)
        assert await store.load(claim.run_id) == (*log, b"more")
        again = await store.claim(claim.run_id, "worker", LONG)
        assert again is not None
        assert again.token > claim.token


class TestList:
    async def test_pages_through_all_runs_newest_first(self, store: RunStore) -> None:
        ids = []
        for i in range(25):
            ids.append((await store.admit(message(f"c{i}"))).run_id)
            await asyncio.sleep(0.002)
        found: list[str] = []
        cursor = None
        for _ in range(10):
            page = await store.list_runs(status=None, agent=None, limit=10, cursor=cursor)
            found += [head.id for head in page.heads]
            cursor = page.cursor
            if cursor is None:
                break
        assert found == ids[::-1]

    async def test_no_run_is_skipped_when_many_began_in_one_millisecond(
        self, store: RunStore
    ) -> None:
        await asyncio.gather(*(store.admit(message(f"c{i}")) for i in range(60)))
        found: set[str] = set()
        cursor = None
        while True:
            page = await store.list_runs(status="READY", agent=None, limit=7, cursor=cursor)
            found |= {head.id for head in page.heads}
            cursor = page.cursor
            if cursor is None:
                break
        assert len(found) == 60

    async def test_filters_by_agent_across_pages(self, store: RunStore) -> None:
        for i in range(20):
            await store.admit(message(f"c{i}", agent="assistant" if i % 5 else "triage"))
        page = await store.list_runs(status=None, agent="triage", limit=3, cursor=None)
        assert len(page.heads) == 3
        rest = await store.list_runs(status=None, agent="triage", limit=3, cursor=page.cursor)
        assert len(rest.heads) == 1
        assert rest.cursor is None

    async def test_a_wrong_cursor_is_malformed(self, store: RunStore) -> None:
        for cursor in ("x", "1", ":a", "1e9:a", "9" * 40 + ":a"):
            with pytest.raises(Malformed):
                await store.list_runs(status=None, agent=None, limit=3, cursor=cursor)


class TestGauges:
    async def test_count_what_is_held_overdue_and_alive(self, store: RunStore) -> None:
        began = time.monotonic()
        await claimed(store, "held")
        await claimed(store, "expired", lease=0.05)
        await store.report("worker-1", {"model_failures": 2, "tokens|none|prompt": 10})
        await store.report("worker-1", {"model_failures": 1})
        await store.report("worker-2", {})
        await store.report("worker-2", {}, alive=False)  # it drains
        await asyncio.sleep(0.1)
        gauges = await store.gauges()
        assert gauges.in_flight == 2
        assert gauges.overdue == 1
        assert 0.05 < gauges.oldest_lease < time.monotonic() - began + 0.05
        assert gauges.runs["READY"] == 2
        assert gauges.workers == 1
        assert gauges.counters == {"model_failures": 3, "tokens|none|prompt": 10}


async def test_remember_keeps_the_first_value_until_it_expires(store: RunStore) -> None:
    assert await store.remember("kept", "a", LONG) == "a"
    assert await store.remember("kept", "b", LONG) == "a"
    assert await store.remember("key", "a", 0.1) == "a"
    await asyncio.sleep(0.15)
    assert await store.remember("key", "b", 0.1) == "b"


async def test_remember_without_a_time_keeps_for_ever(store: RunStore) -> None:
    assert await store.recall("key") is None
    assert await store.remember("key", "", None) == ""
    assert await store.remember("key", "b", 0.01) == ""
    await asyncio.sleep(0.05)
    assert await store.recall("key") == ""


async def test_overwrite_takes_the_place_of_what_was_there(store: RunStore) -> None:
    await store.overwrite("key", "a")
    await store.overwrite("key", "b")
    assert await store.recall("key") == "b"
    assert await store.remember("key", "c", None) == "b"


async def test_what_is_overwritten_for_a_time_expires(store: RunStore) -> None:
    await store.overwrite("key", "a", 0.05)

    async def is_gone() -> bool:
        return await store.recall("key") is None

    await eventually(is_gone)
    await store.overwrite("key", "b", LONG)
    assert await store.recall("key") == "b"


async def test_swap_sets_only_what_is_as_expected(store: RunStore) -> None:
    assert not await store.swap("key", "a", "b")
    assert await store.swap("key", None, "a")
    assert not await store.swap("key", None, "b")
    assert not await store.swap("key", "b", "c")
    assert await store.swap("key", "a", "")
    assert await store.swap("key", "", "c")
    assert await store.recall("key") == "c"
    assert await store.swap("key", "c", "d", 0.05)

    async def is_gone() -> bool:
        return await store.recall("key") is None

    await eventually(is_gone)


async def test_of_many_who_swap_at_once_one_succeeds(store: RunStore) -> None:
    done = await asyncio.gather(*(store.swap("key", None, str(n)) for n in range(10)))
    assert sum(done) == 1
    assert await store.recall("key") == str(done.index(True))


def stepping(expected: str | None, value: str, conversation: str, *keys: str) -> NewMessage:
    return dataclasses.replace(
        message(conversation, *keys),
        run_id=new_run_id("clock"),
        checkpoint=Checkpoint("clock", expected, value),
    )


class TestCheckpoints:
    async def test_one_is_replaced_only_if_it_is_as_expected(self, store: RunStore) -> None:
        assert await store.checkpoints([]) == []
        assert not await store.set_checkpoint(Checkpoint("clock", "1", "2"))
        assert await store.set_checkpoint(Checkpoint("clock", None, "{run}"))
        assert not await store.set_checkpoint(Checkpoint("clock", None, "2"))
        assert await store.checkpoints(["other", "clock"]) == [None, "{run}"]
        assert await store.set_checkpoint(Checkpoint("clock", "{run}", ""))
        assert await store.set_checkpoint(Checkpoint("clock", "", "3"))
        assert await store.checkpoints(["clock"]) == ["3"]

    async def test_it_goes_on_together_with_an_admission_or_not_at_all(
        self, store: RunStore
    ) -> None:
        first = await store.admit(stepping(None, "1 {run} {run}", "c1"))
        assert (first.outcome, first.poke) == ("launched", True)
        assert await store.checkpoints(["clock"]) == [f"1 {first.run_id} {first.run_id}"]
        for expected in (None, "", "1"):
            stale = await store.admit(stepping(expected, "2", "c2", "k2"))
            assert (stale.outcome, stale.poke) == ("stale", False)
            assert await store.load(stale.run_id) == ()
        seen = f"1 {first.run_id} {first.run_id}"
        second = await store.admit(stepping(seen, "2", "c2", "k2"))
        assert second.outcome == "launched"
        assert await store.checkpoints(["clock"]) == ["2"]

    async def test_it_goes_on_when_the_message_is_a_repeat(self, store: RunStore) -> None:
        first = await store.admit(stepping(None, "1", "c1", "k1"))
        again = await store.admit(stepping("1", "{run}", "c1", "k1"))
        assert again == Admission(first.run_id, "duplicate", True)
        assert await store.checkpoints(["clock"]) == [first.run_id]
        assert await store.load(first.run_id) == (b"launched", b"hello")

    async def test_in_a_conversation_it_names_the_run_that_was_there(self, store: RunStore) -> None:
        first = await store.admit(stepping(None, "1", "c1"))
        second = await store.admit(stepping("1", "{run}", "c1"))
        assert second == Admission(first.run_id, "appended", True)
        assert await store.checkpoints(["clock"]) == [first.run_id]

    async def test_it_stays_where_a_message_may_not_go(self, store: RunStore) -> None:
        await store.admit(stepping(None, "1", "c1"))
        only_new = dataclasses.replace(stepping("1", "2", "c1"), only_new=True)
        assert (await store.admit(only_new)).outcome == "taken"
        assert await store.checkpoints(["clock"]) == ["1"]

    async def test_of_many_at_once_one_is_admitted(self, store: RunStore) -> None:
        many = (store.admit(stepping(None, str(n), f"c{n}")) for n in range(20))
        outcomes = [admission.outcome for admission in await asyncio.gather(*many)]
        assert sorted(outcomes) == ["launched", *["stale"] * 19]
        assert await store.checkpoints(["clock"]) == [str(outcomes.index("launched"))]


async def test_a_box_keeps_what_is_put_until_it_is_dropped(store: RunStore) -> None:
    await store.put("b", "x", b"1")
    await store.put("b", "x", b"2")
    await store.put("b", "y", b"\xff")
    assert await store.box("b") == {"x": b"2", "y": b"\xff"}
    await store.drop("b", "x")
    await store.drop("b", "z")
    assert await store.box("b") == {"y": b"\xff"}
    assert await store.box("c") == {}


class TestTable:
    async def test_rows_come_in_their_order_a_page_at_a_time(self, store: RunStore) -> None:
        assert await store.rows("t", "", 10) == RowPage([], 0)
        for key, order in (("c", "2"), ("a", "2"), ("b", "1"), ("a b", "2")):
            await store.set_row("t", key, Row(order, key.encode() + b"\xff"))
        first, *rest = (await store.rows("t", "", 10)).rows
        assert [key for _, key, _ in (first, *rest)] == ["b", "a", "a b", "c"]
        assert first == ("1 b", "b", b"b\xff")
        assert await store.rows("t", first[0], 2) == RowPage(rest[:2], 1)
        assert await store.rows("t", rest[-1][0], 2) == RowPage([], 0)
        assert await store.rows("other", "", 10) == RowPage([], 0)

    async def test_a_row_replaces_the_one_before_in_order_and_sums(self, store: RunStore) -> None:
        await store.set_row("t", "a", Row("1", b"1", {"few": 1, "many": 7}))
        await store.set_row("t", "b", Row("2", b"2", {"many": 3}))
        assert await store.sums("t") == {"few": 1, "many": 10}
        await store.set_row("t", "a", Row("3", b"3", {"many": 1}))
        assert await store.rows("t", "", 9) == RowPage([("2 b", "b", b"2"), ("3 a", "a", b"3")], 0)
        assert await store.sums("t") == {"many": 4}
        for key in ("a", "a", "b", "none"):
            await store.drop_row("t", key)
        assert (await store.rows("t", "", 9), await store.sums("t")) == (RowPage([], 0), {})


async def test_now_goes_on(store: RunStore) -> None:
    before = await store.now()
    assert before <= await store.now() < before + LONG


class TestLedger:
    async def test_entries_come_back_in_order_from_where_one_left_off(
        self, store: RunStore
    ) -> None:
        assert await store.notes("l", "", 10) == []
        await store.note("l", [b"a", b"b"], 100)
        await store.note("l", [b"c"], 100)
        await store.note("l", [], 100)
        (first, _), *rest = found = await store.notes("l", "", 10)
        assert [entry for _, entry in found] == [b"a", b"b", b"c"]
        assert await store.notes("l", first, 10) == rest
        assert await store.notes("l", first, 1) == rest[:1]
        assert await store.notes("l", rest[-1][0], 10) == []

    async def test_each_name_has_its_own(self, store: RunStore) -> None:
        await store.note("one", [b"a"], 100)
        await store.note("two", [b"b"], 100)
        assert [entry for _, entry in await store.notes("one", "", 10)] == [b"a"]
        assert [entry for _, entry in await store.notes("two", "", 10)] == [b"b"]

    async def test_about_the_last_ones_are_kept(self, store: RunStore) -> None:
        for k in range(10):
            await store.note("l", [b"%d" % (100 * k + i) for i in range(100)], 200)
        kept = await store.notes("l", "", 10_000)
        assert 200 <= len(kept) <= 400  # the server drops whole blocks of its stream
        assert kept[-1][1] == b"999"

    async def test_many_append_at_once(self, store: RunStore) -> None:
        await asyncio.gather(*(store.note("l", [b"x"] * 5, 1000) for _ in range(40)))
        found = await store.notes("l", "", 1000)
        assert len(found) == len({position for position, _ in found}) == 200


class TestAccounts:
    async def test_say_what_their_sums_are_then(self, store: RunStore) -> None:
        first = await store.spend({"a": {"x": 2, "y": 1}, "b": {"x": 5}}, 60)
        assert first == {"a": {"x": 2, "y": 1}, "b": {"x": 5}}
        assert await store.spend({"a": {"x": -1}}, 60) == {"a": {"x": 1}}

    async def test_add_up_by_measure(self, store: RunStore) -> None:
        await store.spend({"day:1": {"tokens": 100, "money": 0.25}, "run:a": {"tokens": 100}}, 60)
        await store.spend({"day:1": {"tokens": 20, "money": 0.5}}, 60)
        assert await store.spent(["run:a", "day:1", "day:2"]) == [
            {"tokens": 100},
            {"tokens": 120, "money": 0.75},
            {},
        ]
        assert await store.spent([]) == []

    async def test_are_forgotten_some_time_after_their_last_spending(self, store: RunStore) -> None:
        numbers = itertools.count()

        async def spend_twice() -> str:
            name = f"a{next(numbers)}"
            await store.spend({name: {"steps": 1}}, 0.3)
            await store.spend({name: {"steps": 1}}, LONG)
            return name

        prolonged = await quickly(0.3, spend_twice)
        await store.spend({"a": {"steps": 1}}, 0.1)
        await asyncio.sleep(0.4)
        assert await store.spent([prolonged, "a"]) == [{"steps": 2}, {}]
        await store.spend({"a": {"steps": 5}}, LONG)
        assert await store.spent(["a"]) == [{"steps": 5}]

    async def test_count_what_many_spend_at_once(self, store: RunStore) -> None:
        await asyncio.gather(*(store.spend({"a": {"tokens": 3}}, 60) for _ in range(40)))
        assert await store.spent(["a"]) == [{"tokens": 120}]


class Listener:
    """Collects the store's news in the background; hears everything once it is entered."""

    probes: ClassVar[set[str]] = set()

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._ready = asyncio.Event()
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._listen())
        await self.ready()
        return self

    async def ready(self) -> None:
        """Wait until what is appended to a held run is heard of."""
        self._ready.clear()
        probe = secrets.token_hex(4)
        self.probes.add((await claimed(self._store, probe, lease=LONG)).run_id)
        async with asyncio.timeout(PATIENCE):
            while not self._ready.is_set():
                await self._store.admit(message(probe))
                await asyncio.sleep(0.02)

    async def next(self) -> str:
        return await patiently(self._heard.get())

    def heard_more(self) -> bool:
        return not self._heard.empty()

    async def _listen(self) -> None:
        async for run_id in self._store.news():
            if run_id in self.probes:
                self._ready.set()
            else:
                await self._heard.put(run_id)

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class TestNews:
    async def test_name_held_runs_that_something_was_appended_to(self, store: RunStore) -> None:
        async with Listener(store) as listener:
            held = await claimed(store, "held")
            free = (await store.admit(message("free"))).run_id
            await store.signal(free, 2, b"paused", Projection("PAUSED"))
            await store.admit(message("held"))
            assert await listener.next() == held.run_id
            await store.signal(held.run_id, 3, b"paused", Projection("PAUSED"))
            assert await listener.next() == held.run_id
            assert not listener.heard_more()

    async def test_reach_every_listener(self, store: RunStore) -> None:
        async with Listener(store) as one, Listener(store) as other:
            held = await claimed(store, "held")
            await store.admit(message("held"))
            assert await one.next() == held.run_id
            assert await other.next() == held.run_id

    async def test_carry_what_others_tell(self, store: RunStore) -> None:
        async with Listener(store) as one, Listener(store) as other:
            await store.tell("looked nothing somebody")
            assert await one.next() == await other.next() == "looked nothing somebody"

    async def test_end_with_close(self, store: RunStore) -> None:
        async with Listener(store) as listener:
            await store.close()
            await patiently(listener.task)


async def test_news_go_on_after_the_connection_broke(redis_url: str) -> None:
    client = connect(redis_url)
    store = RedisStore(client)
    async with Listener(store) as listener:
        await client.client_kill_filter(_type="pubsub")
        await listener.ready()
    await store.close()


async def test_without_the_right_to_the_channel_all_but_news_works(redis_url: str) -> None:
    admin = connect(redis_url)
    rights = ("~*", "+@all", "resetchannels", ">word")
    await admin.execute_command("ACL", "SETUSER", "mute", "on", *rights)
    store = RedisStore(connect(redis_url.replace(":secret", "mute:word")))
    claim = await claimed(store)
    assert (await store.admit(message(text=b"more"))).outcome == "appended"
    assert await store.renew([(claim.run_id, claim.token)], LONG) == {claim.run_id: 3}
    await store.close()
    await admin.execute_command("ACL", "DELUSER", "mute")
    await admin.aclose()


async def test_an_unreachable_server_is_unavailable() -> None:
    away = RedisStore(connect("redis://127.0.0.1:1/0"))
    gone = MemoryStore()
    gone.available = False
    for store in (away, gone):
        with pytest.raises(Unavailable):
            await store.admit(message())
        with pytest.raises(Unavailable):
            await store.sweep(1, 1)
        with pytest.raises(Unavailable):
            await store.load("00-a-b")
        await store.close()


async def test_scripts_come_back_after_the_server_forgot_them(redis_url: str) -> None:
    client = connect(redis_url)
    store = RedisStore(client)
    claim = await claimed(store)
    await client.script_flush()
    assert await store.renew([(claim.run_id, claim.token)], LONG) == {claim.run_id: 2}
    await client.script_flush()
    assert await store.sweep(1, 1) == []
    await store.close()


def test_conversations_of_other_channels_and_sources_are_other_conversations() -> None:
    message_fields = dataclasses.asdict(message("c1"))
    assert message_fields["conversation_key"] != conversation_key("assistant", "slack", "", "c1")


async def test_the_runs_that_asked_in_one_place(store: RunStore) -> None:
    assert await asking(store, "slack:D1") == []
    for run in ("a", "b", "a"):
        await add_asking(store, "slack:D1", run)
    await add_asking(store, "slack:D2", "c")
    assert await asking(store, "slack:D1") == ["b", "a"]
    for number in range(2 * KEPT):
        await add_asking(store, "slack:D1", str(number))
    assert await asking(store, "slack:D1") == [str(KEPT + number) for number in range(KEPT)]


async def test_when_a_question_was_asked_first(store: RunStore) -> None:
    assert await asked_ts(store, "run1") == ""
    for inquiry, ts in (("run1:3", "1.1"), ("run1:3", "1.2")):
        await note_asked(store, "run1", inquiry, ts)
    assert await asked_ts(store, "run1") == "1.1"
    await note_asked(store, "run1", "run1:9", "1.3")
    assert await asked_ts(store, "run1") == "1.3"
