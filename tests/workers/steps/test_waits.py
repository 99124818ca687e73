"""Durable sleep, and waiting for an event: without a worker, without a lease, with nothing lost."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from ponderd.workers.agents.agent import ToolContext, WaitFor, tool
from ponderd.workers.agents.tools.waiting import LONGEST, sleep, wait_for_event
from ponderd.workers.execution.tool_call import LONGEST_WAIT
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.workers.world import CALLBACK, REPLY, Crash, World

SLEEP = {"action": "sleep", "seconds": 60}
WAIT = {"action": "wait_for_event", "name": "paid", "seconds": 3600}


@pytest.fixture
def world(world: World) -> World:
    world.become(tools=(*world.agent.tools, sleep, wait_for_event))
    return world


async def waiting(world: World, action: dict[str, Any]) -> Run:
    world.model.lines = [action, REPLY]
    run = await world.advance(await world.write("wait", reply_to=CALLBACK))
    assert run.status is Status.WAITING
    return run


def seen(world: World) -> str:
    """What the model saw last."""
    return world.model.prompts[-1][-1]["content"]


class TestASleep:
    async def test_ends_at_its_time_and_not_before(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        assert run.waits_for == "time"
        await world.later(59)
        assert len(world.model.prompts) == 1
        await world.later(2)
        assert world.channel.texts == ["all done"]
        assert "wait: the time is over." in seen(world)

    async def test_holds_no_lease(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        assert (await world.store.gauges()).in_flight == 0
        assert await world.store.sweep(10, 1) == []
        await world.later(30 * 86400)
        assert (await world.run(run.id)).status is Status.COMPLETED

    @pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1])
    async def test_of_no_sensible_length_is_refused(self, world: World, seconds: float) -> None:
        world.model.lines = [{"action": "sleep", "seconds": seconds}, REPLY]
        run = await world.advance(await world.write())
        assert await world.of_type(run.id, e.ToolStarted) == []
        assert run.status is Status.COMPLETED

    async def test_survives_the_worker_that_began_it(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        world.clock.now += 61
        assert await world.store.sweep(10, 1) == [run.id]
        await world.worker().advance(run.id)
        assert (await world.run(run.id)).status is Status.COMPLETED

    async def test_is_begun_again_when_its_worker_died_before_writing_it(
        self, world: World
    ) -> None:
        world.model.lines = [SLEEP, REPLY]
        run_id = await world.write("wait")
        commit = world.store.commit

        async def dies(*args: Any, **kwargs: Any) -> Any:
            if b"tool_finished" in b"".join(args[3]):
                raise Crash
            return await commit(*args, **kwargs)

        world.store.commit = dies  # type: ignore[method-assign]
        with contextlib.suppress(Crash):
            await world.executor.advance(run_id)
        world.store.commit = commit  # type: ignore[method-assign]
        await world.later(20)
        assert (await world.run(run_id)).waits_for == "time"
        await world.later(61)
        assert (await world.run(run_id)).status is Status.COMPLETED


async def test_a_wait_for_ever_is_one_that_can_be_stored(world: World) -> None:
    @tool()
    async def nap() -> WaitFor:
        """nap"""
        return WaitFor(seconds=float("inf"))

    world.become(tools=(nap,))
    world.model.lines = [{"action": "nap"}, REPLY]
    run = await world.advance(await world.write())
    assert run.waits_for == "time"
    assert run.work.wait is not None
    assert run.work.wait.until == pytest.approx(world.clock.now + LONGEST_WAIT)


class TestAnEvent:
    async def test_ends_the_wait_for_it(self, world: World) -> None:
        run = await waiting(world, WAIT)
        assert run.waits_for == "event"
        await world.runs.event(run.id, "paid", '{"euro": 5}', "shop")
        run = await world.advance(run.id)
        assert run.status is Status.COMPLETED
        assert 'event paid: {"euro": 5}' in seen(world)
        [event] = await world.of_type(run.id, e.EventReceived)
        assert (event.by, event.name) == ("shop", "paid")

    async def test_that_came_before_the_wait_is_not_lost(self, world: World) -> None:
        world.model.lines = [WAIT, REPLY]
        run_id = await world.write("wait")
        await world.runs.event(run_id, "paid", "5", "shop")
        run = await world.advance(run_id)
        assert run.status is Status.COMPLETED
        assert "event paid: 5" in seen(world)
        assert run.inbox.events == ()

    async def test_that_came_before_its_run_was_asked_anything_is_not_lost(
        self, world: World
    ) -> None:
        """It comes to a run that is over; the wait begins with the next message."""
        run = await world.advance(await world.write("hello"))
        await world.runs.event(run.id, "paid", "5", "shop")
        run = await world.advance(run.id)
        assert run.status is Status.COMPLETED
        world.model.lines = [REPLY, WAIT, REPLY]
        run = await world.say(run.id, "wait for it")
        assert "event paid: 5" in seen(world)

    async def test_that_came_while_the_tool_began_the_wait_is_not_lost(self, world: World) -> None:
        @tool()
        async def wait(context: ToolContext) -> WaitFor:
            """wait for a payment that is quicker"""
            await world.runs.event(context.run_id, "paid", "5", "shop")
            return WaitFor(event="paid")

        world.become(tools=(wait,))
        world.model.lines = [{"action": "wait"}, REPLY]
        run = await world.advance(await world.write())
        assert run.status is Status.COMPLETED

    async def test_serves_one_wait_only(self, world: World) -> None:
        world.model.lines = [WAIT, WAIT, REPLY]
        run_id = await world.write("wait twice")
        await world.runs.event(run_id, "paid", "5", "shop")
        run = await world.advance(run_id)
        assert run.waits_for == "event"
        await world.runs.event(run_id, "paid", "6", "shop")
        await world.advance(run_id)
        assert "event paid: 6" in seen(world)

    async def test_of_another_name_is_kept_for_later(self, world: World) -> None:
        run = await waiting(world, WAIT)
        await world.runs.event(run.id, "sent", "", "shop")
        run = await world.advance(run.id)
        assert run.waits_for == "event"
        assert [event.name for event in run.inbox.events] == ["sent"]

    async def test_does_not_end_a_sleep(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        await world.runs.event(run.id, "paid", "", "shop")
        assert (await world.advance(run.id)).waits_for == "time"

    async def test_that_is_delivered_twice_with_one_key_counts_once(self, world: World) -> None:
        run = await waiting(world, WAIT)
        for _ in range(2):
            await world.runs.event(run.id, "paid", "5", "shop", keys=("shop:1",))
        run = await world.advance(run.id)
        assert run.inbox.events == ()

    async def test_while_the_run_is_paused_is_kept(self, world: World) -> None:
        run = await waiting(world, WAIT)
        await world.runs.pause(run.id, "ann")
        await world.runs.event(run.id, "paid", "5", "shop")
        assert (await world.advance(run.id)).status is Status.PAUSED
        assert len(world.model.prompts) == 1
        await world.runs.resume(run.id, "ann")
        assert (await world.advance(run.id)).status is Status.COMPLETED
        assert "event paid: 5" in seen(world)


class TestAWait:
    async def test_for_an_event_ends_at_its_time(self, world: World) -> None:
        run = await waiting(world, WAIT)
        await world.later(3601)
        assert (await world.run(run.id)).status is Status.COMPLETED
        assert "event paid: the time is over." in seen(world)

    async def test_is_ended_by_a_message_and_both_are_answered_together(self, world: World) -> None:
        run = await waiting(world, WAIT)
        run = await world.say(run.id, "never mind", reply_to=CALLBACK)
        assert "event paid: not over, a message came first." in seen(world)
        assert "never mind" in seen(world)
        assert (world.channel.texts, run.status) == (["all done"], Status.COMPLETED)

    async def test_that_is_cancelled_is_over(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        await world.runs.cancel(run.id, "ann")
        await world.advance(run.id)
        await world.later(100)
        run = await world.run(run.id)
        assert (run.status, run.work.wait) == (Status.CANCELLED, None)
        assert len(world.model.prompts) == 1
        assert world.channel.texts == ["Cancelled by ann."]

    async def test_for_nothing_is_an_error_of_the_tool(self, world: World) -> None:
        @tool()
        async def wait() -> WaitFor:
            """wait for nothing"""
            return WaitFor()

        world.become(tools=(wait,))
        world.model.lines = [{"action": "wait"}, REPLY]
        run = await world.advance(await world.write())
        assert run.status is Status.COMPLETED
        assert "it waits for nothing" in seen(world)

    async def test_ends_while_paused_only_after_a_resume(self, world: World) -> None:
        run = await waiting(world, SLEEP)
        await world.runs.pause(run.id, "ann")
        await world.advance(run.id)
        await world.later(100)
        assert len(world.model.prompts) == 1
        await world.runs.resume(run.id, "ann")
        assert (await world.advance(run.id)).status is Status.COMPLETED
