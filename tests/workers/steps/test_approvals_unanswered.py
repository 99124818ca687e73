"""Reminders, and what a policy does when nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from ponderd.channels.errors import Forbidden
from ponderd.workers.agents.policies import Approvals
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.workers.payments import ANN, BOB, asked, with_payments
from tests.workers.world import THREAD, World


@pytest.fixture
def world(world: World) -> World:
    return with_payments(world)


async def waited(world: World, seconds: float, **policy: Any) -> Run:
    world.become(approvals=Approvals(**policy))
    run = await asked(world)
    await world.later(seconds)
    return await world.run(run.id)


class TestNobodyAnswering:
    async def test_is_reminded_everywhere_again_and_again(self, world: World) -> None:
        run = await waited(world, 101, ask=("email:boss@example.com",), remind_every=100)
        await world.later(100)
        assert len(await world.of_type(run.id, e.ApprovalReminded)) == 2
        assert [text[:14] for text in world.mail.texts] == ["May I run pay("] + [
            "Still waiting:"
        ] * 2
        assert [r.to for r, _ in world.slack.sent] == [THREAD] * 3
        await world.decide(run.id, True, ANN)
        assert world.effects.counted == ["50 to zoe"]
        resolved = [r.resolves for r, _ in world.slack.sent if r.resolves]
        assert resolved == ["receipt-1", "receipt-2", "receipt-3"]  # no button is left
        assert (
            len([r for r, _ in world.mail.sent if r.kind == "notice"]) == 1
        )  # one letter is enough

    async def test_is_not_reminded_before_its_time(self, world: World) -> None:
        run = await waited(world, 99, remind_every=100)
        assert await world.of_type(run.id, e.ApprovalReminded) == []

    async def test_denies_if_the_policy_says_so_but_no_person_did(self, world: World) -> None:
        run = await waited(world, 101, timeout=100, on_timeout="deny")
        assert run.status is Status.COMPLETED
        assert world.effects.counted == []
        assert await world.of_type(run.id, e.ApprovalAnswered) == []
        [expired] = await world.of_type(run.id, e.ApprovalExpired)
        assert (expired.policy, expired.waited) == ("deny", pytest.approx(101, abs=1))
        assert "nobody said no" in world.model.prompts[1][-1]["content"]
        requested = (await world.of_type(run.id, e.ApprovalRequested))[0]
        version = (await world.log.events(run.id)).index(requested) + 1
        view = await world.inquiries.show(f"{run.id}:{version}")
        assert (view.status, view.decided_by) == ("expired", None)

    async def test_halts_if_the_policy_says_so(self, world: World) -> None:
        run = await waited(world, 101, timeout=100, on_timeout="halt")
        assert run.status is Status.PAUSED
        assert "paused" in world.slack.texts[-1]
        await world.later(86400 * 10)
        assert (await world.run(run.id)).version == run.version  # nobody is pestered
        await world.decide(run.id, True, ANN)
        await world.advance(run.id)
        assert world.effects.counted == ["50 to zoe"]

    async def test_waits_on_after_a_resume(self, world: World) -> None:
        run = await waited(world, 101, timeout=100, on_timeout="halt")
        await world.runs.resume(run.id, "ann")
        run = await world.advance(run.id)
        assert (run.status, run.waits_for) == (Status.WAITING, "approval")
        await world.later(86400 * 10)
        assert (await world.run(run.id)).version == run.version
        await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert world.effects.counted == ["50 to zoe"]

    async def test_asks_others_and_halts_when_they_do_not_answer(self, world: World) -> None:
        policy: dict[str, Any] = {"timeout": 100, "on_timeout": "escalate", "approvers": (ANN,)}
        run = await waited(world, 101, **policy, escalate_to=("email:chief@example.com",))
        assert run.waits_for == "approval"
        assert world.mail.texts == [
            'Nobody has answered yet: May I run pay(to="zoe", euro=50)? Please answer yes or no.'
        ]
        await world.later(99)
        assert (await world.run(run.id)).status is Status.WAITING
        await world.later(3)
        assert (await world.run(run.id)).status is Status.PAUSED

    async def test_lets_those_decide_who_are_asked_then_and_not_before(self, world: World) -> None:
        policy: dict[str, Any] = {"timeout": 100, "on_timeout": "escalate", "approvers": (ANN,)}
        world.become(approvals=Approvals(**policy, escalate_to=(BOB,)))
        run = await asked(world)
        with pytest.raises(Forbidden):
            await world.decide(run.id, True, BOB)
        await world.later(101)
        await world.decide(run.id, True, BOB)
        assert world.effects.counted == ["50 to zoe"]

    async def test_ends_with_an_answer_in_time(self, world: World) -> None:
        run = await waited(world, 99, timeout=100, on_timeout="deny")
        await world.decide(run.id, True, ANN)
        await world.later(100)
        assert world.effects.counted == ["50 to zoe"]
        assert await world.of_type(run.id, e.ApprovalExpired) == []


async def test_reminders_that_a_pause_left_out_are_not_made_up_for(world: World) -> None:
    with_payments(world).become(
        approvals=Approvals(ask=("email:boss@example.com",), remind_every=3600)
    )
    run = await asked(world)
    await world.runs.pause(run.id, "ann")
    await world.advance(run.id)
    await world.later(86400 * 10 + 1800)
    await world.runs.resume(run.id, "ann")
    await world.advance(run.id)
    assert len(await world.of_type(run.id, e.ApprovalReminded)) == 1
