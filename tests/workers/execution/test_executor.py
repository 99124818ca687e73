"""How a run is advanced: what is written, in which order, and what happens in between."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace
from typing import Any

import pytest

from ponderd.channels.errors import DeliveryError, ModelError, Unavailable
from ponderd.channels.message import Address, Trigger
from ponderd.workers.agents.agent import Tool, tool
from ponderd.workers.execution.leases import Leases
from ponderd.workers.llm.client import Completion
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.state import Run, Status
from ponderd.workers.run.undelivered import next_try
from ponderd.workers.store.contract import Projection
from tests.services.eventually import eventually, patiently
from tests.workers.world import CALLBACK, LAUNCH, LOOK, REPLY, RING, Crash, World


class TestAnAnswer:
    async def test_is_held_in_a_run_without_address(self, world: World) -> None:
        run = await world.advance(await world.write())
        assert (run.status, run.outbox.reply) == (Status.COMPLETED, "ok")
        assert await world.types(run.id) == [
            "run_launched",
            "message_received",
            "model_answered",
            "reply_started",
            "reply_sent",
        ]
        assert (run.usage.model_calls, run.usage.prompt_tokens) == (1, 10)

    async def test_goes_to_the_address_of_its_message_once(self, world: World) -> None:
        run_id = await world.write(reply_to=CALLBACK)
        run = await world.advance(run_id)
        await world.advance(run_id)
        [(reply, resend)] = world.channel.sent
        assert (reply.text, reply.to, resend) == ("ok", CALLBACK, False)
        assert reply.key == f"{run_id}:3"
        assert run.status is Status.COMPLETED

    async def test_of_a_later_message_reopens_the_run(self, world: World) -> None:
        first = await world.write("one")
        await world.advance(first)
        assert await world.write("two") == first
        run = await world.advance(first)
        assert run.status is Status.COMPLETED
        assert [turn.text for turn in run.turns if turn.role == "person"] == ["one", "two"]

    async def test_every_message_gets_its_own(self, world: World) -> None:
        world.model.lines = [{"action": "reply", "text": str(i)} for i in range(3)]
        run_id = await world.write("a", reply_to=CALLBACK)
        elsewhere = Address(channel="webhook", to="https://example.com/b")
        await world.write("b", reply_to=elsewhere)
        await world.write("c")
        run = await world.advance(run_id)
        assert [(reply.text, reply.to) for reply, _ in world.channel.sent] == [
            ("0", CALLBACK),
            ("1", elsewhere),
        ]
        assert run.outbox.reply == "2"

    async def test_to_a_message_that_came_while_the_model_thought(self, world: World) -> None:
        world.model.lines = [{"action": "reply", "text": "one"}, {"action": "reply", "text": "two"}]
        run_id = await world.write("a", reply_to=CALLBACK)
        world.model.before_answer = lambda call: (
            world.write("b", reply_to=CALLBACK) if call == 1 else None
        )
        run = await world.advance(run_id)
        assert world.channel.texts == ["one", "two"]
        assert run.usage.model_calls == 2  # no call was wasted


class TestATool:
    async def test_runs_between_intent_and_outcome(self, world: World) -> None:
        world.model.lines = [RING, REPLY]
        run = await world.advance(await world.write())
        assert world.effects.counted == ["bell"]
        assert (await world.types(run.id))[2:6] == [
            "model_answered",
            "tool_started",
            "tool_finished",
            "model_answered",
        ]
        assert run.outbox.reply == "all done"

    async def test_that_fails_is_told_to_the_model(self, world: World) -> None:
        world.model.lines = [{"action": "fail", "name": "luck"}, REPLY]
        run = await world.advance(await world.write())
        assert run.status is Status.COMPLETED
        assert "fail: failed: no luck here" in world.model.prompts[1][-1]["content"]

    async def test_is_not_begun_when_a_pause_came_after_it_was_chosen(self, world: World) -> None:
        world.model.lines = [RING, REPLY]
        run_id = await world.write()
        world.model.before_answer = lambda call: world.runs.pause(run_id, "ann")
        run = await world.advance(run_id)
        assert run.status is Status.PAUSED
        assert (run.work.call, world.effects.counted) == (
            ToolCall(tool="ring", arguments={"name": "bell"}),
            [],
        )
        world.model.before_answer = None
        await world.runs.resume(run_id, "ann")
        run = await world.advance(run_id)
        assert world.effects.counted == ["bell"]
        assert run.status is Status.COMPLETED

    async def test_is_not_begun_when_a_cancel_came_after_it_was_chosen(self, world: World) -> None:
        world.model.lines = [RING]
        run_id = await world.write(reply_to=CALLBACK)
        world.model.before_answer = lambda call: world.runs.cancel(run_id, "ann")
        run = await world.advance(run_id)
        assert run.status is Status.CANCELLED
        assert world.effects.counted == []
        assert world.channel.texts == ["Cancelled by ann."]

    async def test_cut_short_by_a_crash_is_repeated_if_idempotent(self, world: World) -> None:
        world.model.lines = [LOOK, REPLY]
        run = await crash_in_tool(world)
        assert world.effects.counted == ["sky", "sky"]
        assert run.status is Status.COMPLETED
        assert (await world.types(run.id)).count("tool_started") == 1

    async def test_cut_short_by_a_crash_is_never_repeated_otherwise(self, world: World) -> None:
        world.model.lines = [RING, REPLY]
        run = await crash_in_tool(world)
        assert world.effects.counted == ["bell"]
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        assert run.outbox.reply is not None
        assert 'ring(name="bell")' in run.outbox.reply
        assert "interrupted" in run.outbox.reply
        await world.write("yes, it rang")
        run = await world.advance(run.id)
        assert run.status is Status.COMPLETED
        assert world.effects.counted == ["bell"]

    async def test_is_not_run_by_a_worker_whose_lease_ended(self, world: World) -> None:
        """SIGSTOP for longer than a lease, right after the intent was written."""
        world.model.lines = [RING, REPLY]
        run_id = await world.write()
        executor = world.worker(leases=Leases(world.store, "slow", 0.05))
        commit = world.store.commit

        async def slow_commit(*args: Any, **kwargs: Any) -> Any:
            outcome = await commit(*args, **kwargs)
            if b"tool_started" in b"".join(args[3]):
                await asyncio.sleep(0.1)
            return outcome

        world.store.commit = slow_commit  # type: ignore[method-assign]
        await executor.advance(run_id)
        assert world.effects.counted == []


def broken() -> list[Tool]:
    """Tools that misbehave."""

    @tool()
    def leave() -> str:
        """exit"""
        raise SystemExit(3)

    @tool()
    async def give_up() -> str:
        """be cancelled"""
        raise asyncio.CancelledError

    @tool()
    def odd_names() -> str:
        """a name that is no UTF-8"""
        return "caf\udce9"

    @tool()
    def odd_error() -> str:
        """an error that is no UTF-8"""
        raise ValueError("caf\udce9")

    @tool(approval=lambda arguments: bool(arguments["missing"]))
    def ask() -> str:
        """a policy that raises"""
        return "asked"

    return [leave, give_up, odd_names, odd_error, ask]


class TestWhatRaisesTheUnexpected:
    @pytest.mark.parametrize("name", ["leave", "give_up", "odd_names", "odd_error", "ask"])
    async def test_a_tool(self, world: World, name: str) -> None:
        agent = replace(world.agent, tools=broken())
        world.model.lines = [{"action": name}, REPLY]
        run_id = await world.write()
        await world.worker(agents={"tester": agent}).advance(run_id)
        run = await world.run(run_id)
        asked = name in ("ask", "give_up")  # what was cancelled in the middle may have happened
        assert run.status is (Status.WAITING if asked else Status.COMPLETED)

    async def test_a_hung_tool_leaves_the_threads_to_others(self, world: World) -> None:
        over = threading.Event()

        @tool(timeout=0.05)
        def hang() -> str:
            """hang"""
            over.wait()
            return ""

        agent = replace(world.agent, tools=[hang])
        worker = world.worker(agents={"tester": agent})
        try:
            runs = [await world.write(conversation=str(i)) for i in range(40)]
            world.model.lines = [*[{"action": "hang"}] * 40, REPLY]
            await asyncio.gather(*map(worker.advance, runs))
            await patiently(asyncio.to_thread(lambda: None))
        finally:
            over.set()

    async def test_a_model_client_ends_in_news_of_a_failure(self, world: World) -> None:
        async def nonsense(*_: Any, **__: Any) -> Completion:
            raise TypeError("a list where a text should be")

        world.model.complete = nonsense  # type: ignore[method-assign]
        run_id = await world.write(reply_to=CALLBACK)
        for _ in range(6):
            run = await world.advance(run_id)
            world.clock.now += 1000
            await world.store.sweep(10, 1)
        assert run.status is Status.FAILED

    async def test_a_channel_is_tried_again_later(self, world: World) -> None:
        world.channel.failures = [UnicodeError("label too long")]  # type: ignore[list-item]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert (run.status, run.waits_for) == (Status.WAITING, "retry")

    async def test_a_receiver_that_says_come_back_in_a_thousand_years(self, world: World) -> None:
        for wait in (1e11, float("inf")):
            world.channel.failures = [DeliveryError("busy", retry_after=wait)]
            run = await world.advance(await world.write(reply_to=CALLBACK, conversation=str(wait)))
            tried_at = next_try(run)
            assert tried_at is not None
            assert tried_at - world.clock.now < 86400


class TestALease:
    async def test_that_ended_is_taken_over_within_the_same_process(self, world: World) -> None:
        """A suspended machine: the sweeper wakes up before the renewal."""
        run_id = await world.write()
        leases = world.executor.leases
        thinking = asyncio.Event()

        async def think(call: int) -> None:
            thinking.set()
            await asyncio.sleep(3600 if call == 1 else 0)

        world.model.before_answer = think
        first = asyncio.create_task(world.executor.advance(run_id))
        await thinking.wait()
        world.clock.now += 60
        assert await world.store.sweep(10, 1) == [run_id]
        second = asyncio.create_task(world.executor.advance(run_id))
        await patiently(asyncio.gather(first, second))
        assert (await world.run(run_id)).status is Status.COMPLETED
        assert len(leases) == 0

    async def test_counts_from_when_it_was_asked_for(self, world: World) -> None:
        run_id = await world.write()
        claim = world.store.claim

        async def slow_claim(*args: Any, **kwargs: Any) -> Any:
            found = await claim(*args, **kwargs)
            await asyncio.sleep(0.1)
            return found

        world.store.claim = slow_claim  # type: ignore[method-assign]
        world.model.lines = [RING, REPLY]
        await world.worker(leases=Leases(world.store, "slow", 0.05)).advance(run_id)
        assert world.effects.counted == []


class TestAStoreThatIsAwayForAMoment:
    @pytest.mark.parametrize("written", [True, False])
    @pytest.mark.parametrize("fact", ["model_answered", "tool_finished", "reply_sent"])
    async def test_does_not_make_a_worker_forget_what_it_did(
        self, world: World, fact: str, written: bool
    ) -> None:
        world.model.lines = [RING, REPLY]
        run_id = await world.write(reply_to=CALLBACK)
        commit = world.store.commit
        failures = [Unavailable("gone"), Unavailable("still gone")]

        async def broken(*args: Any, **kwargs: Any) -> Any:
            if f'"{fact}"'.encode() in b"".join(args[3]) and failures:
                if written:
                    await commit(*args, **kwargs)
                raise failures.pop()
            return await commit(*args, **kwargs)

        world.store.commit = broken  # type: ignore[method-assign]
        run = await world.advance(run_id)
        assert run.status is Status.COMPLETED
        assert world.effects.counted == ["bell"]
        assert world.channel.texts == ["all done"]
        assert (await world.types(run_id)).count(fact) == (2 if fact == "model_answered" else 1)


async def crash_in_tool(world: World) -> Run:
    """The worker dies inside the tool; another one takes over when the lease has expired."""
    run_id = await world.write()
    world.effects.crash = True
    with contextlib.suppress(Crash):
        await world.executor.advance(run_id)
    world.effects.crash = False
    world.clock.now += 60
    assert await world.store.sweep(10, 1) == [run_id]
    await world.worker().advance(run_id)
    return await world.run(run_id)


class TestAnApproval:
    async def launch(self, world: World, **fields: Any) -> Run:
        world.model.lines = [LAUNCH, REPLY]
        run = await world.advance(await world.write("launch it", **fields))
        assert (run.status, run.waits_for) == (Status.WAITING, "approval")
        assert world.effects.counted == []
        return run

    async def test_is_asked_for_before_the_tool_is_begun(self, world: World) -> None:
        run = await self.launch(world, reply_to=CALLBACK)
        assert world.channel.texts == ['May I run launch(name="rocket")? Please answer yes or no.']
        assert "tool_started" not in await world.types(run.id)

    @pytest.mark.parametrize(
        "text", ["yes", "Yes!", "Yes, go ahead!", "  YES please. ", "yes\n-- \nAnn", "👍"]
    )
    async def test_of_a_clear_yes_runs_the_tool_once(self, world: World, text: str) -> None:
        run = await self.launch(world)
        await world.write(text)
        run = await world.advance(run.id)
        assert world.effects.counted == ["rocket"]
        assert (run.status, run.outbox.reply) == (Status.COMPLETED, "all done")
        await world.write(text)
        await world.advance(run.id)
        assert world.effects.counted == ["rocket"]  # a second yes approves nothing

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("no", Status.COMPLETED),
            ("No thanks", Status.COMPLETED),
            ("", Status.COMPLETED),
            ("yess", Status.COMPLETED),
            ("whatever", Status.COMPLETED),
            ("yes?", Status.COMPLETED),
            # Its writer may believe to have approved: they are told how to, and may still do so.
            ("yes but not today", Status.WAITING),
            ("ok\nwait, no", Status.WAITING),
        ],
    )
    async def test_of_anything_else_does_not(self, world: World, text: str, status: Status) -> None:
        run = await self.launch(world)
        await world.write(text)
        run = await world.advance(run.id)
        assert world.effects.counted == []
        assert run.status is status

    @pytest.mark.parametrize("proven", ["other agent", "no such run"])
    async def test_cannot_be_given_with_the_proof_of_another_run(
        self, world: World, proven: str
    ) -> None:
        run = await self.launch(world)
        other = replace(world.agent, name="other")
        world.serve({"tester": world.agent, "other": other})
        own = Trigger(channel="api", conversation="own", text="hi", sender="mallory")
        run_id = (await world.runs.accept("other", own)).run_id
        if proven == "no such run":
            run_id = run_id[:-1] + "-"
        await world.write("yes", run_id=run_id)
        await world.advance(run.id)
        assert world.effects.counted == []

    async def test_needs_somebody_the_channel_vouches_for(self, world: World) -> None:
        run = await self.launch(world)
        await world.write("yes", authentic=False)
        run = await world.advance(run.id)
        assert world.effects.counted == []

    async def test_cannot_be_given_before_the_question_was_asked(self, world: World) -> None:
        world.model.lines = [LAUNCH, REPLY]
        run_id = await world.write("launch it")
        await world.write("yes")
        run = await world.advance(run_id)
        assert world.effects.counted == []
        assert run.status is Status.COMPLETED

    async def test_survives_a_pause(self, world: World) -> None:
        run = await self.launch(world)
        await world.runs.pause(run.id, "ann")
        await world.write("yes")
        assert (await world.advance(run.id)).status is Status.PAUSED
        assert world.effects.counted == []
        await world.runs.resume(run.id, "ann")
        await world.advance(run.id)
        assert world.effects.counted == ["rocket"]


class TestTheModel:
    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ("Sure, the answer is 4.", "prose"),
            ('{"action": "reply", "text": ', "invalid_json"),
            ("", "empty"),
            ('{"action": "fly"}', "unknown_action"),
            ('{"action": "ring", "volume": 3}', "invalid_arguments"),
        ],
    )
    async def test_is_told_what_was_wrong_with_its_answer(
        self, world: World, said: str, reason: str
    ) -> None:
        world.model.lines = [said, REPLY]
        run = await world.advance(await world.write())
        rejected = (await world.log.events(run.id))[2]
        assert isinstance(rejected, e.ModelRejected)
        assert rejected.reason == reason
        assert rejected.detail in world.model.prompts[1][-1]["content"]
        assert run.status is Status.COMPLETED

    async def test_that_is_wrong_three_times_in_a_row_makes_a_person_be_asked(
        self, world: World
    ) -> None:
        world.model.lines = ["prose"] * 3 + [REPLY]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        assert len(world.model.prompts) == 3
        await world.write("try it like this", reply_to=CALLBACK)
        run = await world.advance(run.id)
        assert world.channel.texts[1:] == ["all done"]

    async def test_that_goes_round_in_circles_makes_a_person_be_asked(self, world: World) -> None:
        world.model.lines = [LOOK]
        run = await world.advance(await world.write())
        assert run.waits_for == "answer"
        assert run.usage.model_calls == world.agent.limits.model_calls
        assert run.outbox.reply is not None
        assert "Shall I go on?" in run.outbox.reply

    async def test_that_asks_a_person_waits_for_the_answer(self, world: World) -> None:
        world.model.lines = [{"action": "ask_human", "text": "Which one?"}, REPLY]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        assert world.channel.sent[0][0].kind == "question"
        await world.write("the blue one", reply_to=CALLBACK)
        run = await world.advance(run.id)
        assert world.channel.texts == ["Which one?", "all done"]
        assert run.status is Status.COMPLETED

    async def test_server_away_is_asked_again_later_and_the_run_is_not_lost(
        self, world: World
    ) -> None:
        world.model.lines = [ModelError("connection refused"), REPLY]
        run = await world.advance(await world.write())
        assert (run.status, run.waits_for) == (Status.WAITING, "retry")
        assert "connection refused" in (run.error or "")
        assert await world.store.sweep(10, 1) == []
        world.clock.now += 3
        assert await world.store.sweep(10, 1) == [run.id]
        run = await world.advance(run.id)
        assert (run.status, run.error) == (Status.COMPLETED, None)

    async def test_server_that_stays_away_becomes_an_honest_failure(self, world: World) -> None:
        world.model.lines = [ModelError("connection refused")]
        run_id = await world.write(reply_to=CALLBACK)
        for _ in range(20):
            run = await world.advance(run_id)
            world.clock.now += 2000
        assert run.status is Status.FAILED
        [(reply, _)] = world.channel.sent
        assert reply.kind == "failure"
        assert "model server" in reply.text

    async def test_gets_a_shorter_thought_and_then_a_shorter_prompt_when_it_was_too_long(
        self, world: World
    ) -> None:
        too_long = ModelError("maximum context length", retryable=False, too_long=True)
        world.model.lines = [too_long, too_long, too_long, REPLY]
        run = await world.advance(await world.write("x" * 50_000))
        sizes = [sum(len(m["content"]) for m in prompt) for prompt in world.model.prompts]
        assert [decision.budget for decision in world.model.decisions] == [256, 128, 128, 128]
        assert sizes[0] == sizes[1] > sizes[2] > sizes[3]
        (answered,) = await world.of_type(run.id, e.ModelAnswered)
        assert answered.call.decision.budget == 128
        assert run.status is Status.COMPLETED


class TestAReply:
    async def test_that_could_not_be_sent_is_sent_again_later(self, world: World) -> None:
        world.channel.failures = [DeliveryError("503")]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert (run.status, run.waits_for) == (Status.WAITING, "retry")
        world.clock.now += 3
        run = await world.advance(run.id)
        assert run.status is Status.COMPLETED
        [(_, resend)] = world.channel.sent
        assert resend

    async def test_waits_as_long_as_the_other_side_wishes(self, world: World) -> None:
        world.channel.failures = [DeliveryError("429", retry_after=90)]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert next_try(run) == pytest.approx(world.clock.now + 90, abs=1)

    async def test_that_can_never_be_sent_fails_the_run_but_can_be_read(self, world: World) -> None:
        world.channel.failures = [DeliveryError("410 gone", permanent=True)]
        run = await world.advance(await world.write(reply_to=CALLBACK))
        assert (run.status, run.outbox.reply) == (Status.FAILED, "ok")
        assert "410 gone" in (run.error or "")

    async def test_is_given_up_after_many_attempts(self, world: World) -> None:
        world.channel.failures = [DeliveryError("503") for _ in range(50)]
        run_id = await world.write(reply_to=CALLBACK)
        for _ in range(20):
            run = await world.advance(run_id)
            world.clock.now += 100_000
        assert run.status is Status.FAILED
        assert len(world.channel.failures) == 50 - 8

    async def test_begun_before_a_crash_is_looked_up_before_it_is_sent_again(
        self, world: World
    ) -> None:
        run_id = await world.write(reply_to=CALLBACK)
        send = world.channel.send

        async def crash(*args: Any, **kwargs: Any) -> str:
            await send(*args, **kwargs)
            raise Crash

        world.channel.send = crash  # type: ignore[method-assign]
        with contextlib.suppress(Crash):
            await world.executor.advance(run_id)
        world.channel.send = send  # type: ignore[method-assign]
        world.clock.now += 60
        await world.worker().advance(run_id)
        assert [(reply.key, resend) for reply, resend in world.channel.sent] == [
            (f"{run_id}:3", False),
            (f"{run_id}:3", True),
        ]


class TestAWorker:
    async def test_leaves_events_it_does_not_know_to_a_newer_one(self, world: World) -> None:
        run_id = await world.write()
        future = b'{"type":"from_the_future","at":1}'
        await world.store.signal(run_id, 2, future, Projection("READY"))
        log = await world.store.load(run_id)
        await world.executor.advance(run_id)
        assert await world.store.load(run_id) == log
        world.clock.now += 31
        assert await world.store.sweep(10, 1) == [run_id]

    async def test_leaves_agents_it_does_not_know_to_others(self, world: World) -> None:
        run_id = await world.write()
        await world.worker(agents={}).advance(run_id)
        world.clock.now += 31
        run = await world.advance(run_id)
        assert run.status is Status.COMPLETED

    async def test_that_drains_gives_the_run_back_after_the_step(self, world: World) -> None:
        world.model.lines = [LOOK, REPLY]
        run_id = await world.write()
        world.model.before_answer = lambda call: world.executor.draining.set()
        run = await world.advance(run_id)
        assert run.work.call is not None  # the model call was not wasted
        world.clock.now += 0.1
        assert await world.store.sweep(10, 1) == [run_id]
        await world.worker().advance(run_id)
        assert (await world.run(run_id)).status is Status.COMPLETED

    async def test_that_is_cancelled_in_a_step_gives_the_run_back_at_once(
        self, world: World
    ) -> None:
        run_id = await world.write()
        world.model.before_answer = lambda call: asyncio.sleep(3600)
        task = asyncio.create_task(world.executor.advance(run_id))
        await eventually(lambda: world.model.prompts)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.clock.now += 0.1
        assert await world.store.sweep(10, 1) == [run_id]

    async def test_stops_when_its_lease_passed_to_another(self, world: World) -> None:
        run_id = await world.write()
        world.model.before_answer = lambda call: asyncio.sleep(3600 if call == 1 else 0)
        task = asyncio.create_task(world.executor.advance(run_id))
        await eventually(lambda: world.model.prompts)
        world.clock.now += 60
        await world.worker().advance(run_id)
        await world.executor.leases.renew()
        await task
        assert (await world.types(run_id)).count("model_answered") == 1

    async def test_whose_store_goes_away_writes_down_what_happened_when_it_is_back(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.workers.execution.leases.RECORD_RETRY", 0.01)
        run_id = await world.write()

        def away(call: int) -> None:
            world.store.available = False

        world.model.before_answer = away
        task = asyncio.create_task(world.executor.advance(run_id))
        await eventually(lambda: not world.store.available)
        await asyncio.sleep(0.1)  # for some tries
        assert not task.done()
        world.store.available = True
        await task
        assert (await world.types(run_id)).count("model_answered") == 1
        assert len(world.model.prompts) == 1

    async def test_whose_store_stays_away_leaves_the_run_to_the_sweeper_when_it_is_stopped(
        self, world: World
    ) -> None:
        run_id = await world.write()

        def away(call: int) -> None:
            world.store.available = False

        world.model.before_answer = away
        task = asyncio.create_task(world.executor.advance(run_id))
        await eventually(lambda: not world.store.available)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.store.available = True
        world.model.before_answer = None
        world.clock.now += 60
        assert await world.store.sweep(10, 1) == [run_id]
        assert (await world.advance(run_id)).status is Status.COMPLETED


class TestSteering:
    async def test_pausing_twice_changes_nothing(self, world: World) -> None:
        run_id = await world.write()
        first = await world.runs.pause(run_id, "ann")
        second = await world.runs.pause(run_id, "bob")
        assert first == second
        assert first.status is Status.PAUSED

    async def test_a_finished_run_cannot_be_paused(self, world: World) -> None:
        run = await world.advance(await world.write())
        for verb in (world.runs.pause, world.runs.resume, world.runs.cancel):
            with pytest.raises(Exception, match="COMPLETED"):
                await verb(run.id, "ann")

    async def test_cancel_tells_everybody_who_waits(self, world: World) -> None:
        run_id = await world.write("a", reply_to=CALLBACK)
        other = Address(channel="webhook", to="https://example.com/b")
        await world.write("b", reply_to=other)
        await world.runs.cancel(run_id, "ann", "wrong button")
        run = await world.advance(run_id)
        assert run.status is Status.CANCELLED
        assert [(r.text, r.to) for r, _ in world.channel.sent] == [
            ("Cancelled by ann. wrong button", CALLBACK),
            ("Cancelled by ann. wrong button", other),
        ]

    async def test_a_message_to_a_cancelled_run_reopens_it(self, world: World) -> None:
        run_id = await world.write()
        await world.runs.cancel(run_id, "ann")
        await world.advance(run_id)
        await world.write("again")
        assert (await world.advance(run_id)).status is Status.COMPLETED

    async def test_a_message_by_api_is_answered_where_the_conversation_lives(
        self, world: World
    ) -> None:
        run_id = await world.write("launch it", reply_to=CALLBACK)
        world.model.lines = [LAUNCH, REPLY]
        await world.advance(run_id)
        await world.runs.message(run_id, "yes", sender="api")
        await world.advance(run_id)
        assert world.channel.texts[-1] == "all done"
        assert world.effects.counted == ["rocket"]


async def test_a_store_that_is_away_refuses_and_nothing_is_stored(world: World) -> None:
    world.store.available = False
    with pytest.raises(Unavailable):
        await world.write()
    world.store.available = True
    assert (await world.store.list_runs(status=None, agent=None, limit=5, cursor=None)).heads == ()
