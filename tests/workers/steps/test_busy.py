"""What becomes of a message that comes while the agent works on another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ponderd.channels.errors import DeliveryError, ModelError
from ponderd.channels.message import Address
from ponderd.workers.agents.policies import Busy, BusyPolicy
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.services.eventually import patiently
from tests.workers.world import CALLBACK, LAUNCH, LOOK, RING, Thought, World

ELSEWHERE = Address(channel="webhook", to="https://example.com/b")
POLICIES: tuple[BusyPolicy, ...] = ("queue", "collect", "interrupt", "reject")


def says(text: str) -> dict[str, str]:
    return {"action": "reply", "text": text}


def busy(world: World, policy: BusyPolicy) -> None:
    world.become(busy={"default": Busy(policy=policy, silence=5)})
    world.model.lines = [says("first"), says("second"), says("third")]


async def met(world: World, happens: Callable[[], Awaitable[Any]]) -> Thought:
    """`happens` while the model thinks about the first message; the worker then ends its work."""
    thought = Thought(world.model)
    run_id = await world.write("one", reply_to=CALLBACK)
    if world.agent.busy_in("api").policy == "collect":
        world.clock.now += 6
    listening = asyncio.create_task(world.executor.leases.listen())
    await asyncio.sleep(0)
    advancing = asyncio.create_task(world.executor.advance(run_id))
    await patiently(thought.begun.wait())
    await happens()
    for _ in range(100):  # whoever is told of it has his turn, however slow the machine is
        await asyncio.sleep(0)
    thought.over.set()
    await patiently(advancing)
    await world.store.close()
    await listening
    return thought


async def only_run(world: World) -> Run:
    page = await world.store.list_runs(status=None, agent=None, limit=5, cursor=None)
    [head] = page.heads
    return await world.run(head.id)


class TestQueue:
    async def test_answers_each_message_in_its_turn(self, world: World) -> None:
        busy(world, "queue")
        thought = await met(world, lambda: world.write("two", reply_to=ELSEWHERE))
        assert not thought.dropped
        sent = [(reply.text, reply.to) for reply, _ in world.channel.sent]
        assert sent == [("first", CALLBACK), ("second", ELSEWHERE)]

    async def test_is_what_an_agent_does_by_itself(self, world: World) -> None:
        assert world.agent.busy_in("slack").policy == "queue"


class TestCollect:
    async def test_waits_for_silence(self, world: World) -> None:
        busy(world, "collect")
        run = await world.advance(await world.write("one", reply_to=CALLBACK))
        assert (run.status, world.model.prompts) == (Status.READY, [])
        await world.later(4)
        await world.write("two", reply_to=CALLBACK)
        await world.advance(run.id)
        await world.later(4)
        assert world.model.prompts == []  # the second message began the silence anew
        await world.later(2)
        assert world.channel.texts == ["first"]
        content = world.model.prompts[0][-1]["content"]
        assert "one" in content
        assert "two" in content

    async def test_answers_also_those_who_are_never_silent(self, world: World) -> None:
        busy(world, "collect")
        run = await world.advance(await world.write("one", reply_to=CALLBACK))
        for _ in range(51):
            await world.later(1)
            await world.say(run.id, "and", reply_to=CALLBACK)
        assert world.channel.texts == ["first"]

    async def test_answers_everybody_whose_message_was_joined(self, world: World) -> None:
        busy(world, "collect")
        run_id = await world.write("one", reply_to=CALLBACK)
        await world.write("two", reply_to=ELSEWHERE, sender="bob")
        await world.write("three")
        await world.advance(run_id)
        await world.later(6)
        assert {(r.text, r.to.to) for r, _ in world.channel.sent} == {
            ("first", CALLBACK.to),
            ("first", ELSEWHERE.to),
        }
        run = await world.run(run_id)
        assert (run.status, run.outbox.reply) == (Status.COMPLETED, "first")
        assert "two\n[from bob]" in world.model.prompts[0][-1]["content"]

    async def test_joins_what_came_while_the_model_thought(self, world: World) -> None:
        busy(world, "collect")

        async def two_more() -> None:
            await world.write("two", reply_to=CALLBACK)
            await world.write("three", reply_to=CALLBACK)

        await met(world, two_more)
        await world.later(6)
        assert world.channel.texts == ["first", "second"]
        content = world.model.prompts[1][-1]["content"]
        assert "two" in content
        assert "three" in content

    async def test_is_not_held_up_by_a_clock_that_runs_ahead(self, world: World) -> None:
        busy(world, "collect")
        world.clock.now += 3600
        run_id = await world.write("one", reply_to=CALLBACK)
        world.clock.now -= 3600
        assert (await world.advance(run_id)).status is Status.COMPLETED


class TestInterrupt:
    async def test_drops_the_call_and_answers_both_together(self, world: World) -> None:
        busy(world, "interrupt")
        thought = await met(world, lambda: world.write("two", reply_to=CALLBACK))
        assert thought.dropped
        run = await only_run(world)
        assert world.channel.texts == ["second"]
        assert [len(world.model.prompts), run.usage.model_calls] == [2, 2]
        assert world.model.prompts[1][-1]["content"].endswith("one\ntwo")
        [interrupted] = await world.of_type(run.id, e.ModelInterrupted)
        assert interrupted.reason == "another message came"

    async def test_answers_both_places(self, world: World) -> None:
        busy(world, "interrupt")
        await met(world, lambda: world.write("two", reply_to=ELSEWHERE))
        assert [r.to for r, _ in world.channel.sent] == [ELSEWHERE, CALLBACK]
        assert world.channel.texts == ["second", "second"]

    async def test_does_not_undo_a_tool(self, world: World) -> None:
        busy(world, "interrupt")
        world.model.lines = [RING, says("rung")]
        run_id = await world.write("one", reply_to=CALLBACK)
        commit = world.store.commit

        async def after_intent(*args: Any, **kwargs: Any) -> Any:
            outcome = await commit(*args, **kwargs)
            if b"tool_started" in b"".join(args[3]):
                await world.write("two", reply_to=CALLBACK)
            return outcome

        world.store.commit = after_intent  # type: ignore[method-assign]
        await world.advance(run_id)
        assert world.effects.counted == ["bell"]
        assert "ring: bell done" in str(world.model.prompts[1])
        assert world.channel.texts == ["rung"]

    async def test_stops_a_tool_that_is_not_begun(self, world: World) -> None:
        busy(world, "interrupt")
        world.model.lines = [RING, says("not rung")]
        world.model.before_answer = lambda call: (
            world.write("no, wait", reply_to=CALLBACK) if call == 1 else None
        )
        await world.advance(await world.write("ring", reply_to=CALLBACK))
        assert world.effects.counted == []
        assert world.channel.texts == ["not rung"]


class TestReject:
    async def test_tells_the_sender_to_come_back(self, world: World) -> None:
        busy(world, "reject")
        thought = await met(world, lambda: world.write("two", reply_to=ELSEWHERE))
        assert not thought.dropped
        sent = {reply.to.to: (reply.kind, reply.text) for reply, _ in world.channel.sent}
        assert sent[CALLBACK.to] == ("answer", "first")
        kind, text = sent[ELSEWHERE.to]
        assert kind == "notice"
        assert "still busy" in text
        assert "two" not in str(world.model.prompts)

    async def test_takes_an_answer_to_its_own_question(self, world: World) -> None:
        busy(world, "reject")
        world.model.lines = [{"action": "ask_human", "text": "Which?"}, says("done")]
        run = await world.advance(await world.write("one", reply_to=CALLBACK))
        await world.say(run.id, "blue", reply_to=CALLBACK)
        assert world.channel.texts == ["Which?", "done"]

    async def test_takes_a_message_when_it_is_done(self, world: World) -> None:
        busy(world, "reject")
        run = await world.advance(await world.write("one", reply_to=CALLBACK))
        await world.say(run.id, "two", reply_to=CALLBACK)
        assert world.channel.texts == ["first", "second"]


class TestAPolicy:
    async def test_may_differ_by_channel(self, world: World) -> None:
        world.become(busy={"slack": Busy(policy="interrupt"), "default": Busy(policy="reject")})
        assert world.agent.busy_in("slack").policy == "interrupt"
        assert world.agent.busy_in("email").policy == "reject"

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("moment", ["model_answered", "tool_started", "tool_finished"])
    async def test_leaves_no_message_without_an_outcome(
        self, world: World, policy: BusyPolicy, moment: str
    ) -> None:
        """Five messages from five places, right after one of the events."""
        busy(world, policy)
        world.model.lines = [LOOK, *(says(str(number)) for number in range(9))]
        places = [Address(channel="webhook", to=f"https://example.com/{i}") for i in range(5)]
        run_id = await world.write("first", reply_to=CALLBACK)
        commit = world.store.commit

        async def in_between(*args: Any, **kwargs: Any) -> Any:
            outcome = await commit(*args, **kwargs)
            if moment.encode() in b"".join(args[3]) and places_left:
                for place in places_left:
                    await world.write("and this", reply_to=place)
                places_left.clear()
            return outcome

        places_left = list(places)
        world.store.commit = in_between  # type: ignore[method-assign]
        await world.advance(run_id)
        for _ in range(9):
            await world.later(6)
        outcomes = [reply.to.to for reply, _ in world.channel.sent]
        assert sorted(outcomes) == sorted(place.to for place in (CALLBACK, *places))
        assert (await world.run(run_id)).status is Status.COMPLETED

    @pytest.mark.parametrize("policy", POLICIES)
    async def test_leaves_a_message_to_a_waiting_approval_an_outcome(
        self, world: World, policy: BusyPolicy
    ) -> None:
        busy(world, policy)
        world.model.lines = [LAUNCH, says("not launched"), says("again")]
        run_id = await world.write("launch", reply_to=CALLBACK)
        await world.advance(run_id)
        await world.later(6)
        assert (await world.run(run_id)).waits_for == "approval"
        await world.write("what for?", reply_to=ELSEWHERE)
        await world.write("who?", reply_to=CALLBACK)
        await world.advance(run_id)
        for _ in range(3):
            await world.later(6)
        assert world.effects.counted == []
        assert {r.to.to for r, _ in world.channel.sent[1:]} == {ELSEWHERE.to, CALLBACK.to}
        assert (await world.run(run_id)).status is Status.COMPLETED


async def test_somebody_who_never_stops_writing_is_answered(world: World) -> None:
    """A message during every model call: some calls are dropped, and paid for, but not all."""
    busy(world, "interrupt")
    world.model.lines = [LOOK, LOOK, LOOK, LOOK, says("done")]

    async def another(call: int) -> None:
        if call < 50:
            await world.write("and", reply_to=CALLBACK)

    world.model.before_answer = another
    run = await world.advance(await world.write("one", reply_to=CALLBACK))
    assert world.effects.counted == ["sky"]  # of the first three calls nothing came
    assert world.channel.texts[0] == "done"
    assert run.usage.model_calls == len(world.model.prompts)


class TestImpatience:
    """Every message makes what waits be tried again at once; that costs none of its attempts."""

    async def test_does_not_use_up_the_hours_that_a_reply_is_worth(self, world: World) -> None:
        world.channel.failures = [DeliveryError("away") for _ in range(9)]
        run_id = await world.write("one", reply_to=CALLBACK)
        await world.advance(run_id)
        for _ in range(8):
            await world.say(run_id, "hello?", reply_to=CALLBACK)
        for _ in range(60):
            await world.later(60)
        assert len({reply.key for reply, _ in world.channel.sent}) == len(world.channel.sent) == 9

    async def test_does_not_give_up_a_model_server_that_starts_again(self, world: World) -> None:
        world.model.lines = [*(ModelError("away") for _ in range(6)), says("done")]
        run_id = await world.write("one", reply_to=CALLBACK)
        await world.advance(run_id)
        for _ in range(6):
            await world.say(run_id, "hello?", reply_to=CALLBACK)
        assert set(world.channel.texts) == {"done"}
