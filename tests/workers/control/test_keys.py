"""One key, one message, also where two messages are in different shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ponderd.channels.errors import Conflict, Unavailable
from ponderd.channels.message import Accepted, Trigger
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control import keys
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.store.contract import NewMessage, RunStore
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id, shard_of

AGENTS = {name: Agent(name, "for tests", "You are a test.") for name in ("one", "two")}


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RunStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    store = RedisStore(connect(request.getfixturevalue(f"{request.param}_url")))
    yield store
    await store.close()


@pytest.fixture
def runs(store: RunStore) -> Runs:
    return Runs(RunLog(store, lambda _: None), AGENTS)


async def write(
    runs: Runs, text: str, conversation: str = "c", agent: str = "one", key: str = "webhook:s:id:1"
) -> Accepted:
    digest = f"{text} {conversation} {agent}".replace(" ", "-")
    return await runs.accept(
        agent,
        Trigger(
            channel="webhook",
            source="s",
            keys=(key,),
            digest=digest,
            conversation=conversation,
            text=text,
            sender="webhook:s",
        ),
    )


async def test_a_repeat_is_the_same_run(runs: Runs) -> None:
    first, again = await write(runs, "a"), await write(runs, "a")
    assert again == Accepted(run_id=first.run_id, duplicate=True)


@pytest.mark.parametrize("changed", [{"text": "b"}, {"conversation": "d"}, {"agent": "two"}])
async def test_the_key_of_another_message_is_a_conflict(
    runs: Runs, changed: dict[str, str]
) -> None:
    first = await write(runs, "a")
    for _ in range(2):
        with pytest.raises(Conflict, match="came before"):
            await write(runs, **{"text": "a", **changed})
    assert (await write(runs, "a")).run_id == first.run_id
    assert (await write(runs, "b", key="webhook:s:id:2")).run_id == first.run_id


async def test_of_many_at_once_exactly_one_is_taken(runs: Runs) -> None:
    sent = [write(runs, f"text {n}", f"c{n % 10}", ("one", "two")[n % 2]) for n in range(30)]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(isinstance(one, Accepted) for one in outcomes) == 1
    assert sum(isinstance(one, Conflict) for one in outcomes) == 29


async def test_of_many_repeats_at_once_all_are_the_same_run(runs: Runs) -> None:
    outcomes = await asyncio.gather(*(write(runs, "a") for _ in range(30)))
    assert len({one.run_id for one in outcomes}) == 1
    assert sum(not one.duplicate for one in outcomes) == 1


async def test_a_key_is_not_used_up_by_what_was_not_stored(
    store: RunStore, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PATIENCE", 0.1)
    admit = type(store).admit

    async def broken(self: RunStore, message: NewMessage) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(type(store), "admit", broken)
    with pytest.raises(Unavailable):
        await write(runs, "a", "c1")
    monkeypatch.setattr(type(store), "admit", admit)
    another = next(
        f"c{n}"
        for n in range(2, 99)
        if shard_of(new_run_id(f"one:webhook:s:c{n}")) != shard_of(new_run_id("one:webhook:s:c1"))
    )
    taken = await write(runs, "b", another)
    assert not taken.duplicate
    with pytest.raises(Conflict):
        await write(runs, "a", "c1")
