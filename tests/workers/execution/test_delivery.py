"""Replies that do not arrive: tried again, kept, and sent after all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from ponderd.channels.channel import still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.workers.execution.delivery import (
    MENDABLE_EVERY,
    MENDABLE_SECONDS,
    REPLY_BACKOFF,
    deliver,
    until_retry,
)
from ponderd.workers.execution.leases import LeaseLost, Leases
from ponderd.workers.execution.receivers import Receivers
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Outgoing, Run, Status, Trouble
from tests.workers.world import CALLBACK, LAUNCH, MAILBOX, REPLY, THREAD, Crash, World

REVOKED = DeliveryError("slack: token_revoked", mendable=True)
GONE = DeliveryError("slack: is_archived", permanent=True)
AWAY = DeliveryError("slack: service_unavailable")
HOUR = 3600.0

QUESTION = {"action": "ask_human", "text": "Which one?"}


def slack(text: str, **fields: Any) -> dict[str, Any]:
    return {"channel": "slack", "sender": "U1", "reply_to": THREAD, "text": text, **fields}


async def work(world: World, run_id: str, seconds: float, step: float = 60.0) -> Run:
    """Time passes while workers look at what is due."""
    until = world.clock.now + seconds
    while world.clock.now < until:
        await world.later(step)
    return await world.run(run_id)


class TestTheNextAttempt:
    def out(self, **trouble: Any) -> Outgoing:
        fields = {"since": 0.0, "renewed": 0.0, "error": "", "mendable": True, "attempts": 9}
        return Outgoing("answer", "a", None, attempts=9, trouble=Trouble(**{**fields, **trouble}))

    def test_comes_at_least_every_five_minutes_while_an_operator_must_mend_something(self) -> None:
        fresh = Outgoing("answer", "a", None)
        assert until_retry(fresh, REVOKED, 0) == REPLY_BACKOFF[0]
        for hours in range(48):
            assert until_retry(self.out(), REVOKED, hours * HOUR) == MENDABLE_EVERY
        assert until_retry(self.out(), REVOKED, MENDABLE_SECONDS) is None

    def test_never_comes_if_it_can_never_work(self) -> None:
        assert until_retry(self.out(), GONE, 0) is None

    def test_is_not_missing_because_of_what_was_mended(self) -> None:
        assert until_retry(self.out(), AWAY, 40 * HOUR) == REPLY_BACKOFF[0]
        assert until_retry(self.out(mendable=False), AWAY, HOUR) is None

    def test_waits_as_long_as_the_other_side_asks(self) -> None:
        slow = DeliveryError("429", mendable=True, retry_after=900)
        assert until_retry(self.out(), slow, 0) == 900


@dataclass
class Forgetful:
    """A channel whose other side does not recognise what comes again."""

    name: str = "slack"
    posted: list[str] = field(default_factory=list)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        still_ours.get()()
        self.posted.append(reply.text)
        return "1"

    async def close(self) -> None:
        pass


class TestWhatIsNotRecognised:
    @pytest.mark.parametrize(("passed", "goes_out"), [(0, True), (5_000, True), (8_000, False)])
    async def test_goes_out_only_if_it_lands_before_another_worker_looks_for_it(
        self, world: World, passed: int, goes_out: bool
    ) -> None:
        """The lease is of 9,000 s, of which some have passed."""
        run_id = await world.write(**slack("hello"))
        claim = await world.store.claim(run_id, "w", 9_000)
        assert claim is not None
        channel, out = Forgetful(), Outgoing("answer", "a", THREAD)
        leases = Leases(world.store, "w", 9_000)
        async with leases.hold(claim, time.monotonic() - passed) as held:
            held.check()
            run = await world.run(run_id)
            sending = deliver({"slack": channel}, Receivers(), held, run, out, "k", resend=False)
            if goes_out:
                assert (await sending).type == "reply_sent"
            else:
                with pytest.raises(LeaseLost):
                    await sending
        assert channel.posted == ["a"] * goes_out


class TestAnAnswerThatAnOperatorCanHelp:
    async def test_is_waited_out_for_hours_and_arrives_once(self, world: World) -> None:
        world.slack.failures = [REVOKED] * 200
        run_id = await world.write(**slack("hello"))
        run = await world.advance(run_id)
        run = await work(world, run_id, 10 * HOUR)
        assert (run.status, run.waits_for) == (Status.WAITING, "retry")
        assert 200 - len(world.slack.failures) >= 10 * HOUR / (MENDABLE_EVERY + 60)
        world.slack.failures = []
        run = await work(world, run_id, MENDABLE_EVERY + 60)
        [(reply, resend)] = world.slack.sent
        assert (reply.text, resend, run.status) == ("ok", True, Status.COMPLETED)

    async def test_is_sent_at_once_when_somebody_writes_there(self, world: World) -> None:
        world.slack.failures = [REVOKED] * 5
        run_id = await world.write(**slack("hello"))
        await world.advance(run_id)
        await world.later(400)
        world.slack.failures = []
        world.model.lines = [{"action": "reply", "text": "second"}]
        await world.write(**slack("are you there?"))
        run = await world.advance(run_id)
        assert world.slack.texts == ["ok", "second"]
        assert run.status is Status.COMPLETED

    async def test_is_kept_after_two_days_and_sent_again_by_one_command(self, world: World) -> None:
        world.slack.failures = [REVOKED] * 2000
        run_id = await world.write(**slack("hello"))
        await world.advance(run_id)
        run = await work(world, run_id, 50 * HOUR, 300)
        assert (run.status, run.outbox.reply) == (Status.FAILED, "ok")
        [kept] = run.outbox.undelivered
        assert kept.trouble and kept.trouble.retry_at is None
        assert "token_revoked" in (run.error or "")
        world.slack.failures = []
        await world.runs.retry_deliveries(run_id, by="api:ann")
        run = await world.advance(run_id)
        [(reply, resend)] = world.slack.sent
        assert (reply.key, resend) == (kept.key, True)
        assert (run.status, run.error) == (Status.COMPLETED, None)
        assert not run.outbox.undelivered

    async def test_has_all_attempts_before_it_after_that_command(self, world: World) -> None:
        world.slack.failures = [GONE, *[REVOKED] * 9]
        run_id = await world.write(**slack("hello"))
        await world.advance(run_id)
        await world.runs.retry_deliveries(run_id, by="api:ann")
        run = await world.advance(run_id)
        [kept] = run.outbox.undelivered
        assert kept.trouble and kept.trouble.retry_at is not None
        assert kept.trouble.retry_at - world.clock.now == pytest.approx(REPLY_BACKOFF[0], abs=1)
        run = await work(world, run_id, HOUR)
        assert (world.slack.texts, run.status) == (["ok"], Status.COMPLETED)


class TestAnAnswerThatDoesNotArrive:
    @pytest.fixture
    async def run(self, world: World) -> Run:
        world.slack.failures = [GONE]
        return await world.advance(await world.write(**slack("hello")))

    async def test_fails_its_run_and_is_kept(self, run: Run) -> None:
        assert run.status is Status.FAILED
        assert [out.text for out in run.outbox.undelivered] == ["ok"]

    async def test_is_sent_before_the_answer_to_the_next_message(
        self, world: World, run: Run
    ) -> None:
        world.model.lines = [{"action": "reply", "text": "second"}]
        run = await world.say(run.id, **slack("again"))
        assert world.slack.texts == ["ok", "second"]
        assert (run.status, run.error, run.outbox.reply) == (Status.COMPLETED, None, "second")
        assert not run.outbox.undelivered

    async def test_does_not_keep_the_next_answer_from_arriving(
        self, world: World, run: Run
    ) -> None:
        world.slack.failures = [GONE]
        world.model.lines = [{"action": "reply", "text": "second"}]
        run = await world.say(run.id, **slack("again"))
        assert world.slack.texts == ["second"]
        assert run.status is Status.COMPLETED
        assert [out.text for out in run.outbox.undelivered] == ["ok"]

    async def test_stays_for_its_own_callback_if_the_next_message_names_another(
        self, world: World
    ) -> None:
        world.channel.failures = [GONE]
        fields = {"channel": "webhook", "reply_to": CALLBACK}
        run_id = await world.write("one", **fields)
        await world.advance(run_id)
        fields["reply_to"] = Address(channel="webhook", to="https://example.com/new")
        world.model.lines = [{"action": "reply", "text": "second"}]
        await world.write("two", **fields)
        await world.advance(run_id)
        await world.runs.retry_deliveries(run_id, by="api:ann")
        await world.advance(run_id)
        assert [(r.text, r.to.to) for r, _ in world.channel.sent] == [
            ("second", "https://example.com/new"),
            ("ok", CALLBACK.to),
        ]

    async def test_is_sent_once_even_if_everybody_asks_for_it(self, world: World, run: Run) -> None:
        await world.runs.retry_deliveries(run.id, by="api:ann")
        await world.runs.retry_deliveries(run.id, by="api:bob")
        await world.advance(run.id)
        await work(world, run.id, 2 * HOUR)
        assert world.slack.texts == ["ok"]

    async def test_is_not_lost_with_a_worker_that_dies_while_sending(
        self, world: World, run: Run
    ) -> None:
        await world.runs.retry_deliveries(run.id, by="api:ann")
        send = world.slack.send

        async def crash(*args: Any, **fields: Any) -> str:
            await send(*args, **fields)
            raise Crash

        world.slack.send = crash  # type: ignore[method-assign]
        with pytest.raises(Crash):
            await world.executor.advance(run.id)
        world.slack.send = send  # type: ignore[method-assign]
        world.clock.now += 60
        await world.worker().advance(run.id)
        keys = [(reply.key, resend) for reply, resend in world.slack.sent]
        assert keys == [(run.outbox.undelivered[0].key, True)] * 2


class TestAnApprovalThatIsNotSeen:
    @pytest.fixture
    async def run(self, world: World) -> Run:
        world.model.lines = [LAUNCH, REPLY]
        world.slack.failures = [REVOKED] * 3
        return await world.advance(await world.write(**slack("launch it")))

    async def test_stays_open_while_it_is_tried(self, world: World, run: Run) -> None:
        assert run.waits_for == "approval"
        assert [approval.tool for approval in await world.open_approvals()] == ["launch"]
        assert run.work.call is not None

    async def test_can_be_decided_elsewhere_and_is_then_asked_nobody(
        self, world: World, run: Run
    ) -> None:
        await world.decide(run.id, True, "api:ann")
        assert world.effects.counted == ["rocket"]
        run = await work(world, run.id, HOUR)
        assert world.slack.texts == ["all done"]
        assert run.status is Status.COMPLETED

    async def test_is_decided_by_a_yes_that_came_by_the_api(self, world: World, run: Run) -> None:
        await world.runs.message(run.id, "yes", sender="ann")
        await world.advance(run.id)
        assert world.effects.counted == ["rocket"]

    async def test_is_asked_at_last_and_then_a_yes_counts(self, world: World, run: Run) -> None:
        run = await work(world, run.id, HOUR)
        assert [reply.kind for reply, _ in world.slack.sent] == ["question"]
        assert run.error is None
        await world.say(run.id, **slack("yes"))
        assert world.effects.counted == ["rocket"]

    async def test_is_asked_when_somebody_writes_who_has_not_seen_it(
        self, world: World, run: Run
    ) -> None:
        """Their yes may mean anything."""
        world.slack.failures = []
        run = await world.say(run.id, **slack("yes"))
        assert [reply.kind for reply, _ in world.slack.sent] == ["question", "notice"]
        assert "answer again" in world.slack.texts[1]
        assert (world.effects.counted, run.waits_for) == ([], "approval")
        await world.say(run.id, **slack("yes"))
        assert world.effects.counted == ["rocket"]

    async def test_is_told_of_if_it_can_never_arrive(self, world: World) -> None:
        world.model.lines = [LAUNCH, REPLY]
        world.slack.failures = [GONE, GONE]
        run = await world.advance(await world.write(**slack("launch it")))
        run = await world.say(run.id, **slack("hello?"))
        assert "answer again: May I run launch" in world.slack.texts[0]
        assert (run.waits_for, run.inbox.early) == ("approval", ())

    async def test_and_what_was_written_meanwhile_is_answered_after_a_decision(
        self, world: World, run: Run
    ) -> None:
        await world.say(run.id, **slack("hello?"))
        await world.decide(run.id, False, "api:ann")
        run = await work(world, run.id, HOUR)
        assert not (run.inbox.early or run.inbox.waiting)
        assert run.status is Status.COMPLETED

    async def test_goes_with_a_run_that_is_cancelled_and_its_writer_is_told(
        self, world: World, run: Run
    ) -> None:
        await world.runs.cancel(run.id, "ann")
        run = await work(world, run.id, HOUR)
        assert (run.status, world.slack.texts) == (Status.CANCELLED, ["Cancelled by ann."])
        assert not run.outbox.undelivered


class TestAQuestionThatIsNotSeen:
    async def test_is_sent_before_the_next_message_is_answered(self, world: World) -> None:
        world.model.lines = [QUESTION, REPLY]
        world.slack.failures = [GONE]
        run = await world.advance(await world.write(**slack("hello")))
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        run = await world.say(run.id, **slack("well?"))
        assert world.slack.texts == ["Which one?", "all done"]
        assert run.status is Status.COMPLETED


class TestANotice:
    async def test_that_cannot_be_sent_holds_up_nothing_and_is_tried_for_hours(
        self, world: World
    ) -> None:
        world.model.lines = [LAUNCH, REPLY]
        approvals = world.agent.approvals.model_copy(update={"ask": ("email:boss@example.com",)})
        world.become(approvals=approvals)
        world.mail.failures = [REVOKED] * 20
        run_id = await world.write(**slack("launch it"))
        await world.advance(run_id)
        await world.decide(run_id, True, "api:ann")
        assert world.slack.texts[-1] == "all done"
        assert (await world.run(run_id)).status is Status.COMPLETED


async def test_an_old_log_means_what_it_meant(world: World) -> None:
    """There a reply that was given up was gone, and its run had failed."""
    world.model.lines = [LAUNCH, REPLY]
    world.slack.failures = [GONE]
    run = await world.advance(await world.write(**slack("launch it")))
    events = [
        event.model_copy(update={"key": ""}) if isinstance(event, e.ReplyFailed) else event
        for event in await world.log.events(run.id)
    ]
    old = fold(events)
    assert (old.status, old.work.approval, old.work.call) == (Status.FAILED, None, None)
    assert not old.outbox.undelivered
    later = e.ReplyFailed(at=1, error="503", retry_at=5)
    assert fold([*events[:-1], later]).retry_at == 5


async def test_a_mail_in_trouble_does_not_stop_the_answer_of_another(world: World) -> None:
    world.mail.failures = [REVOKED] * 4
    run_id = await world.write("one", reply_to=MAILBOX)
    await world.advance(run_id)
    await world.write("two", reply_to=CALLBACK, channel="api")
    run = await work(world, run_id, HOUR)
    assert (world.mail.texts, world.channel.texts) == (["ok"], ["ok"])
    assert run.status is Status.COMPLETED
