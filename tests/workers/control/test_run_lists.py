"""What people and programs may ask of the lists of runs, and how old runs get into them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

import pytest

from ponderd.channels.errors import Malformed, Unavailable
from ponderd.channels.message import Trigger
from ponderd.daemon import list_duty
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_lists import RunLists
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.views import OpenApprovals
from ponderd.workers.execution.leases import projection
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.store.listings import Filters
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.people import people_of
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.services.eventually import eventually
from tests.workers.store.older_lists import prefix_of, store_as_before

AGENTS = {name: Agent(name=name, description="", prompt="", tools=()) for name in ("a", "b")}


def trigger(sender: str, conversation: str = "c1", channel: str = "slack") -> Trigger:
    return Trigger(channel=channel, conversation=conversation, text="hello", sender=sender)


class Lists:
    def __init__(self, store: MemoryStore | RedisStore) -> None:
        self.store = store
        self.log = RunLog(store, lambda _: None)
        self.runs = Runs(self.log, AGENTS)
        self.lists = RunLists(self.log, AGENTS)
        self.inquiries = Inquiries(self.log, AGENTS)

    async def found(self, limit: int = 9, cursor: str | None = None, **filters: str) -> list[str]:
        wanted = cast(Filters, filters)
        page = await self.lists.page(limit=limit, cursor=cursor, **wanted)
        return [run.id for run in page.runs]

    async def open(self) -> list[str]:
        page = OpenApprovals.model_validate_json(await self.inquiries.open())
        return [view.text for view in page.approvals]


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[Lists]:
    if request.param == "memory":
        yield Lists(MemoryStore())
        return
    store = RedisStore(connect(request.getfixturevalue("redis_url")))
    yield Lists(store)
    await store.close()


@pytest.fixture
async def old(redis_url: str) -> AsyncIterator[Lists]:
    store = RedisStore(connect(redis_url))
    await store._redis.set("ponderd:layout", "old")
    yield Lists(store)
    await store.close()


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"status": "DONE"}, "no status is called DONE; known: CANCELLED, COMPLETED, FAILED"),
        ({"status": ""}, "no status is called"),
        ({"waiting_for": "godot"}, "known: agent, answer, approval, event, retry, time"),
        ({"agent": "nosuch"}, "no agent is called nosuch; known: a, b"),
        ({"channel": "fax"}, "no channel is called fax; known: api, email, schedule, slack"),
        ({"person": "ann"}, "person is a channel and who somebody is there, such as email:ana@"),
        ({"person": "fax:ann"}, "person is a channel"),
        ({"person": "email:"}, "person is a channel"),
        ({"cursor": "x"}, "'x' is not a cursor of this list"),
    ],
)
async def test_what_no_run_can_have_is_refused_with_what_is_known(
    world: Lists, filters: dict[str, str], said: str
) -> None:
    with pytest.raises(Malformed, match=said):
        await world.found(**filters)


async def test_an_agent_that_is_gone_is_known_as_long_as_it_has_runs(world: Lists) -> None:
    run_id = (await world.runs.accept("a", trigger("U1"))).run_id
    world.lists = RunLists(world.log, {"b"})
    assert await world.found(agent="a") == [run_id]
    assert await world.found(agent="b") == []
    with pytest.raises(Malformed, match="known: a, b"):
        await world.found(agent="c")


async def test_whoever_wrote_is_a_person_of_the_run(world: Lists) -> None:
    first = (await world.runs.accept("a", trigger("T1/U1"))).run_id
    await world.runs.accept("a", trigger("T1/U2"))
    other = (await world.runs.accept("a", trigger("T1/U2", "c2"))).run_id
    await world.runs.message(first, "more", sender="Zoe")
    assert await world.found(person="slack:t1/u1") == [first]
    assert sorted(await world.found(person="slack:T1/U2")) == sorted([first, other])
    assert await world.found(person="api:zoe") == [first]
    assert await world.found(person="api:zoe", agent="b") == []


async def test_people_of_a_log_are_the_senders_of_its_messages() -> None:
    events: list[e.Event] = [
        e.MessageReceived(at=1, text='"message_received"', sender="ANN@x.test", via="email"),
        e.EventReceived(at=1, name="message_received", payload='"message_received"', by="eve"),
        e.MessageReceived(at=1, text="", sender="", via="webhook"),
        e.MessageReceived(at=1, text="of an old log", sender="bob"),
        e.MessageReceived(at=1, text="", sender="U1", via="slack"),
    ]
    assert people_of(list(map(e.encode, events))) == ["email:ann@x.test", "slack:u1"]


class TestRunsOfAnEarlierVersion:
    async def asked(self, world: Lists, conversation: str) -> str:
        accepted = await world.runs.accept("a", trigger("U1", conversation))
        history = await world.log.read(accepted.run_id)
        made = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=0)
        call = ToolCall(tool="pay", arguments={"euro": 50})
        for event in (
            e.ModelAnswered(at=1, choice=call, content="{}", call=made),
            e.ApprovalRequested(at=len(conversation), digest=digest(call), text=conversation),
            e.ReplyStarted(at=9, key=f"{accepted.run_id}:4", kind="question", text=""),
            e.ReplySent(at=9, receipt="held"),
        ):
            after = history.then(event)
            await world.store.signal(
                after.run.id, history.run.version, e.encode(event), projection(after.run)
            )
            history = after
        return accepted.run_id

    async def test_are_listed_before_and_after(self, old: Lists) -> None:
        run_ids = [await self.asked(old, name) for name in ("four", "seven")]
        for run_id in run_ids:
            await store_as_before(cast(RedisStore, old.store)._redis, run_id)

        async def check() -> None:
            assert sorted(await old.found(person="slack:u1")) == sorted(run_ids)
            assert await old.found(person="slack:u2") == []
            assert sorted(await old.found(agent="a", waiting_for="approval")) == sorted(run_ids)
            assert await old.open() == ["four", "seven"]

        await check()
        while await old.lists.index():
            await check()
        await check()
        page = await old.store.asking(limit=9, cursor=None)
        assert all(asking.shown for asking in page.runs)
        assert await old.store.unread(9) == []

    async def test_one_that_only_a_newer_ponderd_can_read_holds_up_no_other(
        self, old: Lists
    ) -> None:
        run_ids = [await self.asked(old, name) for name in ("four", "seven")]
        redis = cast(RedisStore, old.store)._redis
        for run_id in run_ids:
            await store_as_before(redis, run_id)
        key = prefix_of(run_ids[0])
        await redis.rpush(f"{key}:log:{run_ids[0]}", '{"type":"of_tomorrow","at":1}')  # type: ignore[misc]
        while await old.lists.index():
            pass
        page = await old.store.asking(limit=9, cursor=None)
        assert [asking.run_id for asking in page.runs if asking.shown] == [run_ids[1]]
        assert sorted(await old.found(person="slack:u1")) == sorted(run_ids)


async def test_the_duty_goes_on_after_every_error() -> None:
    done: list[str] = []

    class Bad(RunLists):
        async def index(self) -> bool:
            done.append("index")
            if len(done) == 1:
                raise Unavailable("away")
            if len(done) == 2:
                raise ValueError("a mistake of ours")
            return len(done) == 3

        async def tidy(self) -> None:
            done.append("tidy")

    duty = asyncio.create_task(list_duty.keep(Bad(RunLog(MemoryStore(), lambda _: None)), 0, 0))
    await eventually(lambda: len(done) > 8)
    duty.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await duty
    assert done[:6] == ["index", "index", "index", "index", "tidy", "index"]
    assert done.count("tidy") == 1
