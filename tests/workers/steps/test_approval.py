"""Who is asked before a tool runs, who may answer, and what becomes of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, DeliveryError, Forbidden, Malformed
from ponderd.channels.message import Address, Verdict
from ponderd.workers.agents.policies import Approvals, Busy
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import approval_inquiry, decided_text, digest, shown
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Outbox, Status
from ponderd.workers.steps.next_step import AskPolicy, CallTool, next_step
from tests.workers.payments import ANN, BOB, EDITED, EVE, PAY, asked, with_payments
from tests.workers.world import CALLBACK, MAILBOX, REPLY, THREAD, World


@pytest.fixture
def world(world: World) -> World:
    return with_payments(world)


class TestAnApproval:
    async def test_is_bound_to_one_exact_call_of_one_run(self, world: World) -> None:
        run = await asked(world)
        view = await world.approval(run.id)
        assert run.work.call is not None
        assert view.id == f"{run.id}:{(await world.types(run.id)).index('approval_requested') + 1}"
        assert (view.tool, view.arguments) == ("pay", {"to": "zoe", "euro": 50})
        assert view.digest == digest(run.work.call)
        other = run.work.call.model_copy(update={"arguments": {"to": "zoe", "euro": 51}})
        assert digest(other) != view.digest

    async def test_is_not_for_another_call_than_that_with_its_digest(self, world: World) -> None:
        run = await asked(world)
        assert run.work.call is not None
        yes = e.ApprovalAnswered(at=1, approved=True, by="ann", digest=digest(run.work.call))
        approved = replace(reduce(run, yes), outbox=Outbox())
        assert isinstance(next_step(approved, world.agent, world.clock.now), CallTool)
        edited = run.work.call.model_copy(update={"arguments": EDITED})
        other = replace(approved, work=replace(approved.work, call=edited))
        assert isinstance(next_step(other, world.agent, world.clock.now), AskPolicy)

    async def test_is_not_decided_by_a_late_answer_to_another(self, world: World) -> None:
        run = await asked(world)
        late = e.ApprovalAnswered(at=1, approved=True, by="ann", approval=f"{run.id}:2")
        assert reduce(run, late).work.approval == run.work.approval
        assert reduce(run, late).work.approved == ""

    async def test_of_one_call_is_none_for_the_next(self, world: World) -> None:
        world.model.lines = [PAY, PAY, REPLY]
        run = await asked(world)
        run = await world.decide(run.id, True, ANN)
        assert world.effects.counted == ["50 to zoe"]
        assert run.waits_for == "approval"
        run = await world.decide(run.id, False, ANN)
        assert world.effects.counted == ["50 to zoe"]

    async def test_is_asked_for_as_the_arguments_demand(self, world: World) -> None:
        world.model.lines = [PAY | {"euro": 10}, REPLY]
        run = await world.advance(await world.write("pay little"))
        assert world.effects.counted == ["10 to zoe"]
        assert await world.of_type(run.id, e.ApprovalRequested) == []

    async def test_is_not_asked_for_what_cannot_be_done(self, world: World) -> None:
        world.model.lines = [PAY | {"to": "nobody"}, REPLY]
        run = await world.advance(await world.write("pay nobody", reply_to=THREAD))
        assert run.status is Status.COMPLETED
        assert world.slack.texts == ["all done"]
        assert "no account nobody" in world.model.prompts[1][-1]["content"]

    async def test_is_asked_for_in_the_conversation_and_elsewhere(self, world: World) -> None:
        run = await asked(world)
        assert run.work.approval is not None
        replies = [reply for reply, _ in (*world.slack.sent, *world.mail.sent)]
        assert [reply.to.to for reply in replies] == ["C1", "COPS", "boss@example.com"]
        assert {reply.kind for reply in replies} == {"question"}
        assert {reply.inquiry and reply.inquiry.id for reply in replies} == {run.work.approval.id}
        assert replies[2].to.headers["subject"].startswith("Approval needed: May I run pay(")

    async def test_is_listed_while_it_is_open(self, world: World) -> None:
        run = await asked(world)
        assert [view.run_id for view in await world.open_approvals()] == [run.id]
        await world.runs.pause(run.id, "ann")
        assert [view.status for view in await world.open_approvals()] == ["open"]
        await world.decide(run.id, True, ANN)
        assert await world.open_approvals() == []

    async def test_is_listed_however_many_wait_for_something_else(self, world: World) -> None:
        run = await asked(world)
        world.model.lines = [{"action": "ask_human", "text": "Which one?"}]
        for number in range(501):
            await world.advance(await world.write("go", conversation=f"c{number}"))
        assert [view.run_id for view in await world.open_approvals()] == [run.id]

    async def test_survives_the_worker_that_asked(self, world: World) -> None:
        run = await asked(world)
        world.clock.now += 30 * 86400
        approval = await world.approval(run.id)
        await world.inquiries.decide(approval.id, approve=True, by=ANN)
        await world.worker().advance(run.id)
        assert world.effects.counted == ["50 to zoe"]


class TestTheFirstAnswer:
    async def test_wins_and_others_are_told_who_decided(self, world: World) -> None:
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        await world.inquiries.decide(approval, approve=False, by=BOB)
        with pytest.raises(Conflict, match=r"denied by email:bob@example\.com"):
            await world.inquiries.decide(approval, approve=True, by=ANN)
        await world.advance(run.id)
        with pytest.raises(Conflict, match=r"denied by email:bob@example\.com"):
            await world.inquiries.decide(approval, approve=False, by=ANN)
        assert world.effects.counted == []

    async def test_wins_when_two_decide_at_once(self, world: World) -> None:
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        signal = world.store.signal

        async def slow(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)  # both have read the run by now
            return await signal(*args, **kwargs)

        world.store.signal = slow  # type: ignore[method-assign]
        outcomes = await asyncio.gather(
            world.inquiries.decide(approval, approve=True, by=ANN),
            world.inquiries.decide(approval, approve=False, by=BOB),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes].count(Conflict) == 1
        assert len(await world.of_type(run.id, e.ApprovalAnswered)) == 1

    async def test_may_be_repeated_by_who_gave_it(self, world: World) -> None:
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        for _ in range(2):
            decided = await world.inquiries.decide(approval, approve=True, by=ANN)
            assert (decided.status, decided.decided_by) == ("approved", ANN)
            await world.advance(run.id)
        assert world.effects.counted == ["50 to zoe"]
        verdict = Verdict(inquiry=approval, choice="approve", by=ANN)
        assert await world.inquiries.answer(verdict) == f"Approved by {ANN}."
        assert len(await world.of_type(run.id, e.ApprovalAnswered)) == 1

    @pytest.mark.parametrize("pause", [False, True])
    @pytest.mark.parametrize("looked", [False, True])
    async def test_by_message_beats_a_later_button(
        self, world: World, looked: bool, pause: bool
    ) -> None:
        """Unless no worker has looked at the message yet: until then it is only a message."""
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        person = {"channel": "email", "sender": "boss@example.com", "reply_to": MAILBOX}
        await world.write("no", run_id=run.id, **person)
        if looked:
            await world.advance(run.id)
        if pause and not looked:
            await world.runs.pause(run.id, "ann")
            assert (await world.advance(run.id)).status is Status.PAUSED
        if looked:
            with pytest.raises(Conflict, match=r"denied by email:boss@example\.com"):
                await world.inquiries.decide(approval, approve=True, by=BOB)
            assert world.effects.counted == []
            return
        await world.inquiries.decide(approval, approve=True, by=BOB)
        run = await world.advance(run.id)
        if pause:
            assert world.effects.counted == []
            await world.runs.resume(run.id, "ann")
            run = await world.advance(run.id)
        assert world.effects.counted == ["50 to zoe"]
        [told] = [reply for reply, _ in world.mail.sent if reply.to == MAILBOX]
        assert told.kind == "notice"
        assert f"Approved by {BOB}" in told.text

    async def test_by_button_beats_a_later_message(self, world: World) -> None:
        """The message is one like any other: the model gets to see it, afterwards."""
        world.model.lines = [PAY, REPLY, {"action": "reply", "text": "too late"}]
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        await world.inquiries.decide(approval, approve=True, by=BOB)
        run = await world.say(run.id, "no", channel="slack", sender="U1", reply_to=THREAD)
        assert world.effects.counted == ["50 to zoe"]
        assert run.outbox.reply == "too late"

    async def test_takes_the_buttons_away_everywhere(self, world: World) -> None:
        run = await asked(world)
        sent = len(world.slack.sent), len(world.mail.sent)
        await world.decide(run.id, True, BOB)
        notices = [r for r, _ in world.slack.sent[sent[0] :] if r.kind == "notice"]
        assert [(r.to.to, r.resolves) for r in notices] == [
            ("C1", "receipt-1"),
            ("COPS", "receipt-2"),
        ]
        [mail] = [reply for reply, _ in world.mail.sent[sent[1] :]]
        assert (mail.kind, mail.resolves) == ("notice", "receipt-1")
        for reply in (*notices, mail):
            assert f"Approved by {BOB}" in reply.text


class TestAnApprover:
    @pytest.mark.parametrize(
        "person", [ANN, "slack:U1", "slack:t9/u1", BOB, "email:Zoe@Example.com"]
    )
    async def test_may_decide(self, world: World, person: str) -> None:
        run = await asked(world)
        await world.decide(run.id, True, person)
        assert world.effects.counted == ["50 to zoe"]

    @pytest.mark.parametrize(
        "person",
        [
            EVE,
            "slack:u11",
            "email:bob@example.com.evil.org",
            "webhook:u1",
            "api:slack:u1",
            "slack:u1/u9",
            "slack:t1/t2/u1",
        ],
    )
    async def test_is_nobody_else(self, world: World, person: str) -> None:
        run = await asked(world)
        with pytest.raises(Forbidden, match=r"waits for slack:U1 or email:\*@example\.com"):
            await world.decide(run.id, True, person)
        assert (await world.run(run.id)).work.approval is not None

    async def test_who_is_none_hears_so_and_it_waits_on(self, world: World) -> None:
        run = await asked(world)
        run = await world.say(run.id, "yes", channel="slack", sender="U9", reply_to=THREAD)
        assert world.effects.counted == []
        assert (run.status, run.waits_for) == (Status.WAITING, "approval")
        reply = world.slack.sent[-1][0]
        assert (reply.to, reply.kind) == (THREAD, "notice")
        assert "You may not decide this" in reply.text
        await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert world.effects.counted == ["50 to zoe"]

    @pytest.mark.parametrize("text", ["yes", "no"])
    async def test_must_be_vouched_for(self, world: World, text: str) -> None:
        run = await asked(world)
        forged = {"channel": "email", "sender": "boss@example.com", "authentic": False}
        run = await world.say(run.id, text, reply_to=MAILBOX, **forged)
        assert world.effects.counted == []
        assert run.waits_for == "approval"
        assert "cannot see who wrote this" in world.mail.texts[-1]

    async def test_must_answer_this_question_as_far_as_that_is_proven(self, world: World) -> None:
        run = await asked(world)
        assert run.work.approval is not None
        [sent] = [p.receipt for p in run.work.approval.posted if p.to.channel == "email"]
        boss = {"channel": "email", "sender": "boss@example.com", "reply_to": MAILBOX}
        now = run.work.approval.asked_at
        for answers, written_at in [(("<x>",), now), ((sent,), now - 301), (("<x>",), now - 301)]:
            proven = {"answers": answers, "written_at": written_at}
            run = await world.say(run.id, "yes", **boss, **proven)
            assert (world.effects.counted, run.waits_for) == ([], "approval")
            assert "answers something else" in world.mail.texts[-1]
        proven = {"answers": ("<x>", sent), "written_at": now - 300}
        await world.say(run.id, "yes", **boss, **proven)
        assert world.effects.counted == ["50 to zoe"]

    async def test_who_comes_after_one_who_is_none_is_heard(self, world: World) -> None:
        """Both wrote before a worker looked."""
        run = await asked(world)
        await world.write("yes", run_id=run.id, channel="slack", sender="U9", reply_to=THREAD)
        await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        assert world.effects.counted == ["50 to zoe"]

    async def test_who_is_busy_rejecting_loses_no_yes(self, world: World) -> None:
        """Under busy policy reject the yes counts; only what came after it is sent back."""
        world.become(busy={"default": Busy(policy="reject")})
        run = await asked(world)
        await world.write("yes", run_id=run.id, channel="slack", sender="U1", reply_to=THREAD)
        await world.say(run.id, "hello?", channel="slack", sender="U1", reply_to=THREAD)
        assert world.effects.counted == ["50 to zoe"]
        assert any("still busy" in text for text in world.slack.texts)

    async def test_is_anybody_where_none_is_named(self, world: World) -> None:
        world.become(approvals=Approvals())
        run = await asked(world)
        await world.decide(run.id, True, EVE)
        assert world.effects.counted == ["50 to zoe"]


class TestEditedArguments:
    async def test_are_recorded_and_used_and_the_model_is_told(self, world: World) -> None:
        run = await asked(world)
        before = await world.approval(run.id)
        await world.decide(run.id, True, ANN, arguments=EDITED)
        assert world.effects.counted == ["20 to zoe"]
        [answered] = await world.of_type(run.id, e.ApprovalAnswered)
        assert answered.arguments == EDITED
        assert answered.digest not in ("", before.digest)
        view = await world.inquiries.show(before.id)
        assert (view.arguments, view.digest) == (EDITED, answered.digest)
        assert 'to {"to": "zoe", "euro": 20}' in world.model.prompts[1][-1]["content"]
        assert "with other arguments" in world.mail.texts[-1]

    @pytest.mark.parametrize(
        "arguments",
        [{"to": "zoe", "euro": "many"}, {"to": "zoe"}, {"to": "zoe", "euro": 1, "tip": 1}, {}],
    )
    async def test_must_fit_the_tool(self, world: World, arguments: dict[str, Any]) -> None:
        run = await asked(world)
        with pytest.raises(Malformed, match="pay: "):
            await world.decide(run.id, True, ANN, arguments=arguments)
        assert (await world.approval(run.id)).status == "open"
        assert await world.of_type(run.id, e.ApprovalAnswered) == []

    async def test_that_cannot_be_done_are_not(self, world: World) -> None:
        run = await asked(world)
        await world.decide(run.id, True, ANN, arguments={"to": "nobody", "euro": 20})
        assert world.effects.counted == []
        assert "no account nobody" in world.model.prompts[1][-1]["content"]

    async def test_must_be_what_can_be_stored(self, world: World) -> None:
        run = await asked(world)
        with pytest.raises(Malformed, match="pay: "):
            await world.decide(run.id, True, ANN, arguments={"to": "\ud800", "euro": 20})

    async def test_make_no_sense_with_a_no(self, world: World) -> None:
        run = await asked(world)
        with pytest.raises(Malformed):
            await world.decide(run.id, False, ANN, arguments=EDITED)

    async def test_are_part_of_the_answer_when_it_is_repeated(self, world: World) -> None:
        run = await asked(world)
        approval = (await world.approval(run.id)).id
        for _ in range(2):
            await world.inquiries.decide(approval, approve=True, by=ANN, arguments=EDITED)
        with pytest.raises(Conflict):
            other = {"to": "zoe", "euro": 21}
            await world.inquiries.decide(approval, approve=True, by=ANN, arguments=other)

    async def test_of_what_was_looked_at_and_changed_since_are_refused(self, world: World) -> None:
        run = await asked(world)
        with pytest.raises(Conflict, match="look again"):
            await world.decide(run.id, True, ANN, digest="of another call")
        await world.decide(run.id, True, ANN, digest=(await world.approval(run.id)).digest)
        assert world.effects.counted == ["50 to zoe"]


class TestAPlaceToAsk:
    async def test_that_is_dead_holds_nothing_up_for_long(self, world: World) -> None:
        world.mail.failures = [DeliveryError("550 no such mailbox") for _ in range(9)]
        run = await world.advance(await world.write("pay", reply_to=THREAD))
        for _ in range(4):
            await world.later(11)
        run = await world.run(run.id)
        assert run.waits_for == "approval"
        assert len(world.mail.failures) == 9 - 3
        await world.decide(run.id, True, ANN)
        assert world.effects.counted == ["50 to zoe"]

    async def test_serves_when_the_conversation_cannot_be_reached(self, world: World) -> None:
        world.channel.failures = [DeliveryError("410 gone", permanent=True)]
        run = await asked(
            world, channel="webhook", reply_to=Address(channel="webhook", to="https://example.com")
        )
        await world.decide(run.id, True, ANN)
        assert world.effects.counted == ["50 to zoe"]

    async def test_can_be_dead_everywhere_and_the_question_stays_open(self, world: World) -> None:
        world.slack.failures = [DeliveryError("no such channel", permanent=True)] * 2
        world.mail.failures = [DeliveryError("550 no such mailbox", permanent=True)]
        run = await world.advance(await world.write("pay", reply_to=THREAD))
        assert run.waits_for == "approval"
        assert "no such channel" in (run.error or "")
        assert [approval.run_id for approval in await world.open_approvals()] == [run.id]
        await world.decide(run.id, True, ANN)
        assert world.effects.counted == ["50 to zoe"]

    async def test_is_asked_even_if_the_answer_comes_while_it_is_tried(self, world: World) -> None:
        """A yes does not wait for a dead mail server."""
        world.mail.failures = [DeliveryError("451") for _ in range(9)]
        run = await world.advance(await world.write("pay", reply_to=THREAD))
        await world.decide(run.id, True, ANN)
        await world.later(3)
        await world.later(11)
        assert world.effects.counted == ["50 to zoe"]


async def test_a_cancel_ends_an_approval_and_says_so_everywhere(world: World) -> None:
    run = await asked(world)
    approval = (await world.approval(run.id)).id
    await world.runs.cancel(run.id, "bob")
    run = await world.advance(run.id)
    assert run.status is Status.CANCELLED
    assert "Cancelled by bob." in world.mail.texts[-1]
    with pytest.raises(Conflict, match="withdrawn by bob"):
        await world.inquiries.decide(approval, approve=True, by=ANN)
    assert world.effects.counted == []


async def test_a_remark_withdraws_the_call_and_goes_to_the_model(world: World) -> None:
    run = await asked(world)
    approval = (await world.approval(run.id)).id
    await world.say(run.id, "is that not too much?", sender="ann", channel="api")
    assert world.effects.counted == []
    assert "The person wrote: is that not too much?" in world.model.prompts[1][-1]["content"]
    assert (await world.inquiries.show(approval)).status == "withdrawn"


async def test_a_remark_in_slack_leaves_the_question_open(world: World) -> None:
    run = await asked(world)
    approval = (await world.approval(run.id)).id
    run = await world.say(
        run.id, "is that not too much?", sender="T1/U1", channel="slack", reply_to=THREAD
    )
    assert (await world.inquiries.show(approval)).status == "open"
    assert "this needs an answer. Please answer with yes alone" in world.slack.texts[-1]
    await world.say(run.id, "yes", sender="T1/U1", channel="slack")
    assert world.effects.counted == ["50 to zoe"]


async def test_a_yes_is_read_from_what_the_sender_wrote_not_from_what_they_forward(
    world: World,
) -> None:
    run = await asked(world)
    slack = {"sender": "T1/U1", "channel": "slack", "reply_to": THREAD}
    run = await world.say(run.id, "yes", own="", **slack)
    assert (world.effects.counted, run.waits_for) == ([], "approval")
    await world.say(run.id, "> May I?\nyes\nForwarded message from Ben:\nno", own="yes", **slack)
    assert world.effects.counted == ["50 to zoe"]


@pytest.mark.parametrize(
    "text",
    [
        "Approved only if all tests pass, please ask me again then",
        "OK, but not before Friday",
        "Yes\n\nActually hold on, do not deploy today.",
        "同意，但是明天再付",
    ],
)
async def test_a_yes_with_more_in_it_leaves_the_question_open(world: World, text: str) -> None:
    run = await asked(world)
    approval = (await world.approval(run.id)).id
    person = {"channel": "email", "sender": "boss@example.com", "reply_to": MAILBOX}
    run = await world.say(run.id, text, **person)
    assert (world.effects.counted, run.waits_for) == ([], "approval")
    assert (await world.inquiries.show(approval)).status == "open"
    told = world.mail.sent[-1][0]
    assert (told.to, told.kind) == (MAILBOX, "notice")
    assert f"I read no clear yes in “{' '.join(text.split())}”" in told.text
    assert "answer with yes alone" in told.text
    assert "May I run pay(" in told.text
    await world.say(run.id, "Hi,\n\nyes then, go ahead.\n\nBoss", **person)
    assert world.effects.counted == []
    await world.say(run.id, "Hi,\n\nyes, go ahead.\n\nBoss\n\nSent from my iPhone", **person)
    assert world.effects.counted == ["50 to zoe"]


async def test_the_reason_of_a_no_goes_to_the_model(world: World) -> None:
    run = await asked(world)
    text = "No.\n\nTake the other account."
    await world.say(run.id, text, sender="U1", channel="slack", reply_to=THREAD)
    assert world.effects.counted == []
    told = world.model.prompts[1][-1]["content"]
    assert "a person said no. They wrote: Take the other account." in told


async def test_a_tool_that_is_gone_cannot_be_approved_with_other_arguments(world: World) -> None:
    run = await asked(world)
    world.become(tools=world.agent.tools[:-1])
    with pytest.raises(Conflict, match="no longer has a tool pay"):
        await world.decide(run.id, True, ANN, arguments={"to": "zoe", "euro": 1})


async def test_a_policy_that_cannot_decide_leaves_it_to_a_person(world: World) -> None:
    pay = world.agent.tool("pay")
    assert pay is not None

    def broken(arguments: Mapping[str, Any]) -> bool:
        raise KeyError("currency")

    world.become(tools=(replace(pay, approval=broken),))
    world.model.lines = [PAY | {"euro": 1}, REPLY]
    assert (await world.advance(await world.write())).waits_for == "approval"


class TestTheOutcome:
    async def test_is_for_whoever_asked_also_when_others_write(self, world: World) -> None:
        run = await asked(with_payments(world), reply_to=CALLBACK)
        boss = {"channel": "email", "sender": "boss@example.com", "reply_to": MAILBOX}
        await world.say(run.id, "what is this for?", **boss)
        assert (world.channel.texts[-1], world.mail.texts[-1]) == ("all done", "all done")

    async def test_is_for_all_whose_messages_were_joined(self, world: World) -> None:
        with_payments(world).become(approvals=Approvals(), busy={"default": Busy(policy="collect")})
        bob = Address(channel="webhook", to="https://example.com/bob")
        run_id = await world.write("pay zoe", reply_to=CALLBACK)
        await world.write("and tell me", sender="bob", reply_to=bob)
        await world.later(6)
        await world.say(run_id, "yes", reply_to=CALLBACK)
        told = [reply.to for reply, _ in world.channel.sent if reply.kind == "answer"]
        assert sorted(told, key=str) == sorted([CALLBACK, bob], key=str)

    async def test_does_not_wait_until_the_question_can_be_delivered(self, world: World) -> None:
        with_payments(world)
        world.channel.failures = [DeliveryError("away") for _ in range(50)]
        run_id = await world.write("pay zoe", reply_to=CALLBACK)
        await world.advance(run_id)
        await world.later(100)
        await world.decide(run_id, True, ANN)
        for _ in range(3):
            await world.later(60)
        assert world.effects.counted == ["50 to zoe"]


class TestWhatPeopleAreTold:
    async def test_the_call_and_who_asked_for_it_at_every_stage(self, world: World) -> None:
        run = await asked(world)
        assert run.work.approval is not None and run.work.call is not None
        inquiry = approval_inquiry(run, run.work.approval)
        assert inquiry.call == shown(run.work.call) == 'pay(to="zoe", euro=50)'
        assert inquiry.call in run.work.approval.text
        assert inquiry.asked_by == run.message.sender
        assert run.message.text.startswith(inquiry.asked_for)
        reminded = reduce(run, e.ApprovalReminded(at=9))
        assert [out.inquiry for out in reminded.outbox.queue] == [inquiry] * len(
            reminded.outbox.queue
        )
        yes = e.ApprovalAnswered(at=9, approved=True, by="U2", via="slack", approval=inquiry.id)
        settled = [out for out in reduce(run, yes).outbox.queue if out.resolves]
        assert settled and all(out.settles == inquiry for out in settled)
        assert {out.outcome for out in settled} == {"Approved by slack:u2."}

    async def test_a_decided_question_tells_what_was_ordered_and_not_how_it_was_answered(
        self, world: World
    ) -> None:
        run = await asked(world)
        await world.say(run.id, "yes", channel="slack", sender="U1", reply_to=THREAD)
        settled = [reply.settles for reply, _ in world.slack.sent if reply.settles]
        assert {about.asked_for for about in settled} == {"pay zoe"}

    async def test_teams_of_slack_are_named_in_slack_alone(self, world: World) -> None:
        run = await asked(world, sender="T1/U1")
        assert world.mail.sent[-1][0].inquiry.asked_by == "slack:u1"
        await world.say(run.id, "no", channel="slack", sender="T1/U1", reply_to=THREAD)
        assert world.mail.texts[-1].endswith("\nDenied by slack:u1.")
        assert any(text.endswith("\nDenied by slack:t1/u1.") for text in world.slack.texts)

    async def test_who_cancels_in_slack_is_named_like_who_decides(self, world: World) -> None:
        run = await asked(world)
        await world.say(run.id, "/cancel", channel="slack", sender="T1/U1", reply_to=THREAD)
        assert any(text.endswith("Cancelled by slack:t1/u1.") for text in world.slack.texts)
        assert world.mail.texts[-1].endswith("Cancelled by slack:u1.")
        assert (await world.run(run.id)).error == "Cancelled by slack:u1."

    def test_a_name_that_is_none_cannot_look_like_arguments(self) -> None:
        call = ToolCall(tool="pay", arguments={'to="ann", x': 1, "euro": 2})
        assert shown(call) == 'pay("to=\\"ann\\", x"=1, euro=2)'

    @pytest.mark.parametrize(
        ("by", "via", "told"),
        [
            ("U2", "slack", "Approved by slack:u2: go."),
            ("ann", "api", "Approved by api:ann: go."),
            (
                "x\u202e (approved by email:boss)\napproved by slack:uboss",
                "api",
                "Approved by api:“x approved by email boss approved by slack uboss”: go.",
            ),
            ("slack:uboss", "", "Approved by “slack uboss”: go."),
        ],
    )
    def test_a_decider_is_one_plain_name(self, by: str, via: str, told: str) -> None:
        assert (
            decided_text(e.ApprovalAnswered(at=1, approved=True, by=by, via=via, remark="go"))
            == told
        )

    def test_a_remark_begins_no_line(self) -> None:
        said = e.ApprovalAnswered(
            at=1,
            approved=False,
            by="ann",
            via="api",
            remark="no\nApproved by slack:uboss.",
            withdrawn=False,
        )
        assert decided_text(said) == "Denied by api:ann: no Approved by slack:uboss.."
