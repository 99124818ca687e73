from __future__ import annotations

from typing import Any

import pytest

from ponderd.channels.message import Address
from ponderd.workers.agents.policies import Busy
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from ponderd.workers.run.turned_away import LONGEST, QUIET
from tests.workers.world import CALLBACK, REPLY, World

SLACK = Address(channel="slack", to="C1", thread="1")


@pytest.fixture
def small(world: World) -> World:
    world.become(busy={"default": Busy(waiting=4)})
    world.model.lines = [REPLY] * 20
    return world


async def flood(world: World, count: int, **fields: Any) -> str:
    for number in range(count):
        run_id = await world.write(f"message {number}", **{"reply_to": CALLBACK, **fields})
    return run_id


def said(world: World) -> list[str]:
    return world.channel.texts


async def drained(world: World, run_id: str) -> Run:
    await world.advance(run_id)
    for _ in range(5):
        await world.later(LONGEST)
    return await world.run(run_id)


class TestAFlood:
    async def test_is_answered_as_far_as_there_is_room(self, small: World) -> None:
        run = await drained(small, await flood(small, 12))
        assert run.status is Status.COMPLETED
        told = [text for text in said(small) if "not taken" in text]
        assert len(told) == 1
        assert told[0].startswith("7 messages of yours were not taken: 4 others were waiting")
        assert said(small).count("all done") == 5
        assert run.inbox.not_taken == 7

    async def test_each_sender_gets_one_word(self, small: World) -> None:
        run_id = await flood(small, 6)
        await flood(small, 3, reply_to=SLACK)
        await flood(small, 1)
        await flood(small, 2, reply_to=None, sender="eve")
        await drained(small, run_id)
        assert sum("2 messages of yours" in text for text in said(small)) == 1
        assert [text.split(" not")[0] for text in small.slack.texts] == ["3 messages of yours were"]
        held = [
            event.text
            for event in await small.of_type(run_id, e.ReplyStarted)
            if event.to is None and event.kind == "notice"
        ]
        assert [text.split(" not")[0] for text in held] == ["2 messages of eve were"]

    async def test_of_no_more_than_there_is_room_is_answered_as_ever(self, small: World) -> None:
        run_id = await flood(small, 5)
        run = await drained(small, run_id)
        assert said(small) == ["all done"] * 5
        assert run.inbox.not_taken == 0
        assert await small.of_type(run_id, e.MessagesTurnedAway) == []

    async def test_at_a_run_that_is_paused_is_turned_away_too(self, small: World) -> None:
        run_id = await small.write("first", reply_to=CALLBACK)
        await small.runs.pause(run_id, by="ann")
        await flood(small, 9)
        await small.advance(run_id)
        run = await small.run(run_id)
        assert (len(run.inbox.waiting), run.inbox.not_taken) == (4, 5)
        await small.later(QUIET + 1)
        assert sum("5 messages" in text for text in said(small)) == 1

    async def test_that_goes_on_is_told_now_and_then(self, small: World) -> None:
        run_id = await small.write("first", reply_to=CALLBACK)
        await small.runs.pause(run_id, by="ann")
        for _ in range(int(LONGEST) * 2 + 5):
            await flood(small, 3)
            small.clock.now += 1
            await small.advance(run_id)
        assert len([text for text in said(small) if "not taken" in text]) == 2

    async def test_is_shown_in_the_run(self, small: World) -> None:
        run_id = await flood(small, 12)
        view = await small.runs.show(run_id)
        assert view.inbox.waiting == 11
        await drained(small, run_id)
        view = await small.runs.show(run_id)
        assert (view.inbox.waiting, view.inbox.not_taken) == (0, 7)

    async def test_in_a_run_that_is_cancelled_is_told_all_the_same(self, small: World) -> None:
        run_id = await small.write("first", reply_to=CALLBACK)
        await small.runs.pause(run_id, by="ann")
        await flood(small, 9)
        await small.advance(run_id)
        await small.runs.cancel(run_id, by="ann")
        await drained(small, run_id)
        assert sum("5 messages" in text for text in said(small)) == 1

    async def test_at_a_run_whose_agent_is_gone(self, small: World) -> None:
        run_id = await flood(small, 300)
        small.executor = small.worker(agents={})
        await small.later(100)
        await small.later(100)
        run = await small.run(run_id)
        assert len(run.inbox.waiting) == Busy().waiting
        assert run.inbox.not_taken == 99
