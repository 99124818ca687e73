"""Runs are found by lists: all of them, at the cost of what is shown, whoever wrote them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from ponderd.workers.run.state import Status, WaitingFor
from ponderd.workers.store import redis_listings
from ponderd.workers.store.contract import NewMessage, Projection, conversation_key
from ponderd.workers.store.listings import REASONS, Filters
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.workers.store.older_lists import prefix_of, project_as_before, store_as_before

KINDS = list(
    itertools.product(
        ("assistant", "triage"),
        ("api", "slack"),
        ("ann", "bob"),
        (("READY", ""), ("WAITING", "answer"), ("PAUSED", "approval"), ("FAILED", "")),
    )
)
FILTERS: list[Filters] = [
    {},
    {"status": "WAITING"},
    {"status": "FAILED", "agent": "triage"},
    {"agent": "assistant"},
    {"channel": "slack"},
    {"waiting_for": "approval"},
    {"waiting_for": "answer", "status": "PAUSED"},
    {"waiting_for": "answer", "status": "READY"},
    {"person": "api:ann"},
    {"person": "slack:bob", "status": "READY"},
    {"agent": "triage", "channel": "api", "person": "api:bob", "status": "PAUSED"},
    {"agent": "nobody"},
]


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    found = RedisStore(connect(redis_url))
    yield found
    await found.close()


async def stored(store: RedisStore, kinds: list[Any] = KINDS) -> dict[str, Any]:
    """Run -> its kind."""
    found = {}
    for number, kind in enumerate(kinds):
        agent, channel, person, (status, waiting_for) = kind
        key = conversation_key(agent, channel, "", f"c{number}")
        message = NewMessage(
            run_id=await store.new_run_id(key),
            conversation_key=key,
            keys=(),
            agent=agent,
            agent_version="1",
            channel=channel,
            conversation=f"c{number}",
            history=(b"{}",),
            received=b"{}",
            people=(f"{channel}:{person}",),
        )
        run_id = (await store.admit(message)).run_id
        await store.signal(run_id, 2, b"{}", Projection(status, waiting_for, 5.0 + number, b"{}"))
        found[run_id] = kind
    return found


def wanted(runs: dict[str, Any], filters: Filters) -> set[str]:
    def fits(kind: Any) -> bool:
        agent, channel, person, (status, waiting_for) = kind
        facts = {
            "agent": agent,
            "channel": channel,
            "person": f"{channel}:{person}",
            "status": status,
            "waiting_for": waiting_for,
        }
        return all(facts[name] == value for name, value in filters.items())

    return {run_id for run_id, kind in runs.items() if fits(kind)}


async def listed(store: RedisStore, filters: Filters, limit: int = 3) -> tuple[list[str], set[str]]:
    """All pages, and those of which a log must be asked."""
    found, unread, cursor = list[str](), set[str](), None
    while True:
        page = await store.list_runs(limit=limit, cursor=cursor, **filters)
        assert len(page.heads) <= limit
        found += [head.id for head in page.heads]
        unread |= page.unread
        cursor = page.cursor
        if cursor is None:
            return found, unread


async def asking(store: RedisStore, limit: int = 3) -> list[str]:
    found, cursor = list[str](), None
    while True:
        page = await store.asking(limit=limit, cursor=cursor)
        found += [one.run_id for one in page.runs]
        cursor = page.cursor
        if cursor is None:
            return found


async def check(store: RedisStore, runs: dict[str, Any]) -> None:
    """All lists show what they should, once; what is not known of a person is said."""
    for filters in FILTERS:
        found, unread = await listed(store, filters)
        assert len(found) == len(set(found))
        certain = wanted(runs, filters)
        assert set(found) - unread <= certain <= set(found), filters
        assert "person" in filters or not unread
    open_ones = await asking(store)
    assert sorted(open_ones) == sorted(wanted(runs, {"waiting_for": "approval"}))


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_each_list_has_what_is_wanted_and_nothing_else(
    store: RedisStore, filters: Filters
) -> None:
    runs = await stored(store)
    found, unread = await listed(store, filters)
    assert sorted(found) == sorted(wanted(runs, filters)) and not unread
    heads = [await store.head(run_id) for run_id in found]
    places = [(head.created_at, head.id) for head in heads if head]
    assert places == sorted(places, reverse=True)


async def test_who_asked_first_comes_first(store: RedisStore) -> None:
    runs = await stored(store)
    assert await asking(store) == [run for run in runs if run in wanted(runs, {"status": "PAUSED"})]


async def test_the_same_where_few_are_looked_at_at_a_time(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = await stored(store)
    monkeypatch.setattr(redis_listings, "LOOKS", 1)
    monkeypatch.setattr(redis_listings, "ROUNDS", 1)
    for filters in FILTERS:
        found, _ = await listed(store, filters)
        assert sorted(found) == sorted(wanted(runs, filters)), filters


async def test_pages_go_on_in_the_middle_of_a_millisecond(store: RedisStore) -> None:
    runs = await stored(store, KINDS * 3)
    for run_id in runs:
        key = f"{prefix_of(run_id)}:run:{run_id}"
        await store._redis.hset(key, "created_at", "5000")  # type: ignore[misc]
        async for name in store._redis.scan_iter(f"{prefix_of(run_id)}:runs*"):
            if await store._redis.zscore(name, run_id) is not None:
                await store._redis.zadd(name, {run_id: 5000})
    for filters in FILTERS:
        found, _ = await listed(store, filters, limit=2)
        assert found == sorted(wanted(runs, filters), reverse=True), filters


async def test_a_list_reads_no_other_run(store: RedisStore) -> None:
    await stored(store, [KINDS[0]] * 300 + [KINDS[-1]])
    others: list[Filters] = [
        {"agent": "triage"},
        {"status": "FAILED"},
        {"status": "FAILED", "agent": "assistant"},
        {"waiting_for": "approval"},
        {"channel": "slack"},
        {"person": "slack:bob"},
    ]
    for filters in others:
        await store._redis.config_resetstat()
        await listed(store, filters)
        stats: Any = await store._redis.info("commandstats")
        assert stats.get("cmdstat_hmget", {"calls": 0})["calls"] <= 4, filters


async def test_a_list_that_is_empty_costs_nothing(store: RedisStore) -> None:
    agents = (f"agent{number}" for number in range(40))
    runs = await stored(store, [(agent, *KINDS[0][1:]) for agent in agents])
    for run_id in runs:
        await store.signal(run_id, 3, b"{}", Projection("WAITING", "answer", 5.0, b"{}"))
        await store.signal(run_id, 4, b"{}", Projection("FAILED", "", 5.0, b"{}"))
    keys = [key async for key in store._redis.scan_iter("*:lists")]
    kept = {name for key in keys for name in await store._redis.smembers(key)}  # type: ignore[misc]
    assert kept == {f"FAILED::api:agent{number}".encode() for number in range(40)}
    await store._redis.config_resetstat()
    for filters in ({"status": "WAITING"}, {"status": "READY"}, {"waiting_for": "answer"}):
        assert await listed(store, cast(Filters, filters)) == ([], set())
    stats: Any = await store._redis.info("commandstats")
    assert not stats.keys() & {"cmdstat_zrevrange", "cmdstat_zcount", "cmdstat_zcard"}
    for run_id in runs:
        await store._redis.zrem(f"{prefix_of(run_id)}:due", run_id)
        assert await store.expire(run_id, 5, ["api:ann"])
    assert [key async for key in store._redis.scan_iter("*:lists")] == []


class TestRunsOfAnEarlierVersion:
    @pytest.fixture(autouse=True)
    async def old_layout(self, store: RedisStore) -> None:
        await store._redis.set("ponderd:layout", "old")

    async def test_are_listed_before_and_while_they_are_indexed(self, store: RedisStore) -> None:
        runs = await stored(store)
        for run_id in list(runs)[::2]:
            await store_as_before(store._redis, run_id)
        await check(store, runs)
        while await store.index_runs(1):  # whoever does this may be killed at any moment
            await check(store, runs)
        for run_id in await store.unread(1000):
            _, channel, person, _ = runs[run_id]
            await store.describe(run_id, 3, [f"{channel}:{person}"], 5.0, b"{}")
        assert await store.unread(1000) == []
        for filters in FILTERS:
            found, unread = await listed(store, filters)
            assert sorted(found) == sorted(wanted(runs, filters)) and not unread, filters
        assert await store._redis.keys("*:runs:READY") == []

    async def test_are_listed_while_its_workers_still_write(self, store: RedisStore) -> None:
        runs = await stored(store)
        changes = [("WAITING", "answer"), ("COMPLETED", ""), ("PAUSED", "approval"), ("READY", "")]
        for run_id, (status, waiting_for) in zip(runs, itertools.cycle(changes), strict=False):
            await project_as_before(store._redis, run_id, status, waiting_for)
            runs[run_id] = (*runs[run_id][:3], (status, waiting_for))
        await check(store, runs)
        while await store.index_runs(7):
            await check(store, runs)
        await store.tidy()
        await check(store, runs)
        counts = {status: len(wanted(runs, {"status": status})) for status in Status}
        assert (await store.gauges()).runs == counts

    async def test_go_on_in_the_lists_of_today(self, store: RedisStore) -> None:
        runs = await stored(store)
        for run_id, kind in runs.items():
            await store_as_before(store._redis, run_id)
            await store.signal(run_id, 3, b"{}", Projection("FAILED"))
            runs[run_id] = (*kind[:3], ("FAILED", ""))
        await check(store, runs)
        for run_id in runs:
            await store._redis.zrem(f"{prefix_of(run_id)}:due", run_id)
            assert await store.expire(run_id, 4, [f"{runs[run_id][1]}:{runs[run_id][2]}"])
        left = await store._redis.keys("*")
        assert {key.rpartition(b":")[2] for key in left} == {b"clock", b"origins", b"layout"} | {
            key.rpartition(b":")[2] for key in left if b":conversation:" in key
        }

    async def test_are_no_reason_to_call_an_agent_unknown(self, store: RedisStore) -> None:
        runs = await stored(store)
        assert (await store.origins()).all
        for run_id in runs:
            await store_as_before(store._redis, run_id)
        assert not (await store.origins()).all
        while await store.index_runs(100):
            pass
        origins = await store.origins()
        assert origins.all and origins.known == {(kind[1], kind[0]) for kind in runs.values()}


async def test_what_lists_show_of_an_approval_is_that_of_the_newest_version(
    store: RedisStore,
) -> None:
    await store._redis.set("ponderd:layout", "old")
    [run_id] = await stored(store, [("assistant", "api", "ann", ("WAITING", "approval"))])
    [one] = (await store.asking(limit=9, cursor=None)).runs
    assert one.shown == b"{}" and one.agent == "assistant"
    await project_as_before(store._redis, run_id, "WAITING", "approval")
    [one] = (await store.asking(limit=9, cursor=None)).runs
    assert one.shown == b""  # a worker of an earlier version did not write it
    await store.describe(run_id, 3, [], 9.0, b"{old}")
    assert (await store.asking(limit=9, cursor=None)).runs == (one,)
    await store.describe(run_id, 4, [], 9.0, b"{new}")
    described = replace(one, shown=b"{new}", cursor=f"9000:{run_id}")
    assert (await store.asking(limit=9, cursor=None)).runs == (described,)


def test_all_name_the_same_reasons_and_statuses() -> None:
    script = (Path(redis_listings.__file__).parent / "lua" / "listings.lua").read_text()
    assert get_args(WaitingFor) == REASONS
    assert f"REASONS = {{'', {', '.join(map(repr, REASONS))}}}" in script
    assert set(redis_listings.STATUSES) == set(Status)
    assert f"STATUSES = {{{', '.join(map(repr, redis_listings.STATUSES))}}}" in script
