"""What an agent may spend. A limit that is reached asks; it never ends anything by itself."""

from __future__ import annotations

from typing import Any

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.channels.message import Trigger
from ponderd.workers.agents.policies import Approvals, Budget, Budgets
from ponderd.workers.execution.model_call import Prices
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.workers.world import CALLBACK, LAUNCH, LOOK, REPLY, THREAD, World

ANN = "slack:u1"
DAY = 86400.0


def limited(world: World, scope: str, **budget: float) -> None:
    world.become(budgets=Budgets(**{scope: Budget(**budget)}))


async def asked(world: World, text: str = "hello", **fields: Any) -> Run:
    """A run that reached a limit and asks."""
    fields = {"channel": "slack", "sender": "U1", "reply_to": THREAD} | fields
    run = await world.advance(await world.write(text, **fields))
    assert run.waits_for == "approval"
    assert run.work.approval is not None
    assert run.work.approval.subject == "limit"
    return run


class TestALimitOfARun:
    @pytest.mark.parametrize(
        ("measure", "limit", "calls"),
        [("steps", 3, 2), ("tokens", 30, 2), ("seconds", 0.15, 2), ("money", 0.0003, 2)],
    )
    async def test_by_each_measure_asks_when_it_is_reached(
        self, world: World, measure: str, limit: float, calls: int
    ) -> None:
        """A call takes 0.1 s, 10 tokens in and 5 out; a tool is a step, too."""
        world.prices = Prices(prompt=10, completion=10)
        limited(world, "run", **{measure: limit})
        world.model.lines = [LOOK]
        run = await asked(world)
        assert len(world.model.prompts) == calls
        [reached] = await world.of_type(run.id, e.LimitReached)
        assert (reached.scope, reached.measure, reached.limit) == ("run", measure, limit)
        assert reached.used >= limit
        reply = world.slack.sent[-1][0]
        assert (reply.kind, reply.to) == ("question", THREAD)
        assert f"of the {limit:g} " in reply.text
        assert "Shall I go on with as much again?" in reply.text
        assert reply.inquiry is not None

    async def test_that_is_not_reached_asks_nobody(self, world: World) -> None:
        limited(world, "run", steps=3)
        world.model.lines = [LOOK, REPLY]
        assert (await world.advance(await world.write())).status is Status.COMPLETED

    async def test_asks_those_who_approve(self, world: World) -> None:
        limited(world, "run", steps=1)
        world.become(approvals=Approvals(approvers=(ANN,), ask=("email:boss@example.com",)))
        world.model.lines = [LOOK]
        await asked(world)
        assert "Shall I go on" in world.mail.texts[-1]

    async def test_that_is_granted_gives_as_much_again(self, world: World) -> None:
        limited(world, "run", steps=2)
        world.model.lines = [LOOK]
        run = await asked(world)
        assert len(world.effects.counted) == 1
        run = await world.decide(run.id, True, ANN)
        assert run.waits_for == "approval"
        assert len(world.effects.counted) == 2
        world.model.lines = [REPLY]
        run = await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert (run.status, world.slack.texts[-1]) == (Status.COMPLETED, "all done")

    async def test_that_was_far_exceeded_is_granted_by_one_yes(self, world: World) -> None:
        limited(world, "run", tokens=4)
        world.model.lines = [LOOK, REPLY]
        run = await asked(world)
        run = await world.decide(run.id, True, ANN)
        assert run.status is Status.COMPLETED

    @pytest.mark.parametrize("by", ["message", "button"])
    async def test_that_is_denied_ends_in_an_honest_failure(self, world: World, by: str) -> None:
        limited(world, "run", steps=1)
        world.model.lines = [LOOK]
        run = await asked(world)
        if by == "button":
            run = await world.decide(run.id, False, ANN)
        else:
            run = await world.say(run.id, "no", channel="slack", sender="U1", reply_to=THREAD)
        assert run.status is Status.FAILED
        reply = world.slack.sent[-1][0]
        assert reply.kind == "failure"
        assert "Denied by slack:u1" in reply.text

    async def test_wants_a_yes_or_a_no(self, world: World) -> None:
        limited(world, "run", steps=1)
        world.model.lines = [LOOK, REPLY]
        run = await asked(world)
        run = await world.say(run.id, "why?", channel="slack", sender="U1", reply_to=THREAD)
        assert world.slack.texts[-1].startswith("Please answer yes or no first.")
        assert run.waits_for == "approval"
        run = await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert run.status is Status.COMPLETED

    async def test_is_granted_only_by_approvers(self, world: World) -> None:
        limited(world, "run", steps=1)
        world.become(approvals=Approvals(approvers=("email:boss@example.com",)))
        world.model.lines = [LOOK, REPLY]
        run = await asked(world)
        run = await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert run.waits_for == "approval"
        assert "You may not decide this" in world.slack.texts[-1]

    async def test_holds_back_no_tool_that_a_person_approved(self, world: World) -> None:
        limited(world, "run", steps=1)
        world.model.lines = [LAUNCH, REPLY]
        run = await world.advance(await world.write("launch", reply_to=CALLBACK))
        run = await world.say(run.id, "yes", reply_to=CALLBACK)
        assert world.effects.counted == ["rocket"]
        assert run.work.approval is not None
        assert run.work.approval.subject == "limit"

    async def test_may_be_paused_and_cancelled_like_all_else(self, world: World) -> None:
        limited(world, "run", steps=1)
        world.model.lines = [LOOK]
        run = await asked(world)
        await world.runs.pause(run.id, "ann")
        await world.runs.cancel(run.id, "ann")
        assert (await world.advance(run.id)).status is Status.CANCELLED


class TestALimitOfSeveralRuns:
    async def test_of_a_sender_adds_up_what_they_spend(self, world: World) -> None:
        limited(world, "sender", tokens=30)
        for conversation in ("a", "b"):
            run = await world.advance(await world.write(conversation=conversation))
            assert run.status is Status.COMPLETED
        run_id = await world.write(conversation="c")
        assert (await world.advance(run_id)).waits_for == "approval"

    async def test_of_a_sender_leaves_others_alone(self, world: World) -> None:
        limited(world, "sender", tokens=15)
        await world.advance(await world.write(conversation="a"))
        run = await world.advance(await world.write(conversation="b", sender="bob"))
        assert run.status is Status.COMPLETED

    async def test_granted_for_one_sender_is_not_granted_for_another(self, world: World) -> None:
        limited(world, "sender", tokens=15)
        world.model.lines = [LOOK, LOOK, LOOK, LOOK, REPLY]
        slack: dict[str, Any] = {"channel": "slack", "reply_to": THREAD}
        run = await asked(world)
        run = await world.decide(run.id, True, ANN)
        assert run.waits_for == "approval"  # as much again is spent as well
        run = await world.decide(run.id, False, ANN)
        assert run.status is Status.FAILED
        run = await world.say(run.id, "and for me?", sender="U2", **slack)
        assert len(world.model.prompts) == 3
        assert run.waits_for == "approval"

    async def test_of_a_day_is_fresh_on_the_next(self, world: World) -> None:
        limited(world, "day", steps=1)
        first = await world.advance(await world.write(conversation="a"))
        assert first.status is Status.COMPLETED
        second = await world.advance(await world.write(conversation="b"))
        assert second.waits_for == "approval"
        world.clock.now += DAY
        third = await world.advance(await world.write(conversation="c"))
        assert third.status is Status.COMPLETED

    async def test_granted_today_is_not_granted_tomorrow(self, world: World) -> None:
        limited(world, "day", tokens=15)
        world.model.lines = [LOOK, REPLY]
        run = await asked(world)
        run = await world.decide(run.id, True, ANN)
        assert run.status is Status.COMPLETED
        world.clock.now += DAY
        world.model.lines = [LOOK]
        before = len(world.model.prompts)
        run = await world.say(run.id, "more", channel="slack", sender="U1", reply_to=THREAD)
        assert run.waits_for == "approval"
        assert len(world.model.prompts) == before + 1

    async def test_of_a_day_that_others_exceeded_is_granted_by_one_yes(self, world: World) -> None:
        limited(world, "day", tokens=15)
        for conversation in ("a", "b", "c"):
            run = await world.advance(await world.write(conversation=conversation))
            if run.waits_for == "approval":
                await world.decide(run.id, True, ANN)
        run = await asked(world, conversation="d")
        run = await world.decide(run.id, True, ANN)
        assert run.status is Status.COMPLETED

    async def test_of_a_conversation_adds_up_all_its_agents(self, world: World) -> None:
        limited(world, "conversation", steps=1)
        await world.advance(await world.write())
        other = world.worker(agents={"tester": world.agent, "other": world.agent})
        world.serve({"other": world.agent})
        trigger = Trigger(
            channel="api", conversation="c", text="hello", sender="ann", authentic=True
        )
        run_id = (await world.runs.accept("other", trigger)).run_id
        await other.advance(run_id)
        assert (await world.run(run_id)).waits_for == "approval"

    async def test_is_only_a_brake_when_the_sums_cannot_be_kept(self, world: World) -> None:
        """What was spent is in the run's own log; that it is added up may fail."""
        limited(world, "day", steps=5)

        async def away(*_: Any) -> None:
            raise Unavailable("away")

        world.store.spend = away  # type: ignore[method-assign]
        assert (await world.advance(await world.write())).status is Status.COMPLETED
