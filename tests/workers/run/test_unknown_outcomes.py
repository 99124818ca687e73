"""A tool that may have happened or not: people are asked, and nothing begins it again before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ponderd.channels.errors import DeliveryError, Unavailable
from ponderd.workers.agents.agent import ToolContext, tool
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.contract import Tail
from tests.services.eventually import eventually
from tests.workers.world import CALLBACK, LOOK, REPLY, THREAD, World, make_world

PAY = {"action": "pay", "euro": 100}
FETCH = {"action": "fetch"}
FAIL = {"action": "fail", "name": "it"}


@dataclass
class Bank:
    """Pays when `over` is set, in a thread of its own."""

    over: threading.Event = field(default_factory=threading.Event)
    paid: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    refuses: bool = False


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.over.set()


@pytest.fixture
def world(bank: Bank) -> World:
    @tool(timeout=0.05)
    def pay(euro: int, context: ToolContext) -> str:
        """pay"""
        bank.over.wait(60)
        if bank.refuses:
            raise ValueError("no money")
        bank.paid.append(context.idempotency_key)
        return f"paid {euro} euro"

    @tool(idempotent=True, timeout=0.05)
    async def fetch(context: ToolContext) -> str:
        """fetch"""
        bank.fetched.append(context.idempotency_key)
        await asyncio.sleep(60)
        return "fetched"

    world = make_world()
    world.become(tools=(*world.agent.tools, pay, fetch))
    world.model.lines = [PAY, REPLY]
    return world


async def late(world: World, run_id: str) -> None:
    async def recorded() -> bool:
        return bool(await world.of_type(run_id, e.LateResultReceived))

    await eventually(recorded)
    await world.later(5)


def once_begun(
    world: World, act: Callable[[], Awaitable[object]], written: bytes = b"tool_started"
) -> None:
    """Somebody acts right after the next tool was begun, or something else was `written`."""
    commit = world.store.commit

    async def committing(*args: Any, **kwargs: Any) -> Any:
        outcome = await commit(*args, **kwargs)
        if any(written in event for event in args[3]):
            world.store.commit = commit  # type: ignore[method-assign]
            await act()
        return outcome

    world.store.commit = committing  # type: ignore[method-assign]


async def unknown(world: World, **fields: Any) -> Run:
    """A run that waits until somebody says what became of the payment."""
    run = await world.advance(await world.write("pay 100 euro", **fields))
    assert (run.status, run.waits_for) == (Status.WAITING, "answer")
    return run


class TestATimeOut:
    async def test_is_no_failure_and_a_person_is_asked_with_the_facts(self, world: World) -> None:
        run = await unknown(world, reply_to=CALLBACK)
        (outcome,) = await world.of_type(run.id, e.ToolOutcomeUnknown)
        assert (outcome.why, outcome.seconds > 0) == ("timeout", True)
        (key,) = [event.key for event in await world.of_type(run.id, e.ToolStarted)]
        (asked,) = world.channel.texts
        for fact in ("pay(euro=100)", key, "no result within 0.05 s", "may have happened"):
            assert fact in asked
        assert not any("failed" in turn.text for turn in run.turns)

    async def test_of_an_idempotent_tool_is_repeated_with_the_same_key_then_asked(
        self, world: World, bank: Bank
    ) -> None:
        world.model.lines = [FETCH, REPLY]
        run = await world.advance(await world.write("fetch"))
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        assert (len(bank.fetched), len(set(bank.fetched))) == (3, 1)
        (asked,) = await world.of_type(run.id, e.ReplyStarted)
        assert "I began it 3 times, with the same key" in asked.text
        assert not any("failed" in turn.text for turn in run.turns)

    async def test_counts_as_spent_time(self, world: World) -> None:
        run = await unknown(world)
        assert (run.usage.tool_calls, run.usage.seconds > 0.05) == (1, True)

    async def test_in_a_cancelled_run_is_told_too(self, world: World, bank: Bank) -> None:
        run_id = await world.write("pay", reply_to=CALLBACK)
        once_begun(world, lambda: world.runs.cancel(run_id, by="ann"))
        run = await world.advance(run_id)
        assert run.status is Status.CANCELLED
        assert any("may have happened" in text for text in world.channel.texts)

    async def test_is_told_if_the_run_is_cancelled_before_people_were_asked(
        self, world: World
    ) -> None:
        run_id = await world.write("pay", reply_to=CALLBACK)
        once_begun(world, lambda: world.runs.cancel(run_id, by="ann"), b"tool_outcome_unknown")
        run = await world.advance(run_id)
        assert run.status is Status.CANCELLED
        assert sum("may have happened" in text for text in world.channel.texts) == 1
        assert not run.outbox.queue

    async def test_is_told_if_the_run_is_cancelled_before_the_question_arrived(
        self, world: World
    ) -> None:
        world.channel.failures = [DeliveryError("down")]
        run_id = await world.write("pay", reply_to=CALLBACK)
        await world.advance(run_id)
        assert world.channel.texts == []
        await world.runs.cancel(run_id, by="ann")
        await world.advance(run_id)
        await world.later(60)
        assert sum("may have happened" in text for text in world.channel.texts) == 1
        assert (await world.run(run_id)).status is Status.CANCELLED

    async def test_in_a_cancelled_run_that_keeps_its_replies_is_read_there(
        self, world: World
    ) -> None:
        run_id = await world.write("pay")
        once_begun(world, lambda: world.runs.cancel(run_id, by="ann"))
        run = await world.advance(run_id)
        assert "Cancelled by" in (run.outbox.reply or "")
        assert "may have happened" in (run.outbox.reply or "")


class TestALateResult:
    async def test_is_told_to_whoever_was_asked_and_seen_by_the_model(
        self, world: World, bank: Bank
    ) -> None:
        run = await unknown(world, reply_to=CALLBACK)
        bank.over.set()
        await late(world, run.id)
        assert "the result has come by now" in world.channel.texts[-1]
        assert "paid 100 euro" in world.channel.texts[-1]
        run = await world.run(run.id)
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        run = await world.say(run.id, "so it did happen", reply_to=CALLBACK)
        assert "paid 100 euro" in str(world.model.prompts[-1])
        assert (run.status, len(bank.paid)) == (Status.COMPLETED, 1)

    async def test_can_be_a_failure_in_the_words_of_the_tool(
        self, world: World, bank: Bank
    ) -> None:
        bank.refuses = True
        run = await unknown(world, reply_to=CALLBACK)
        bank.over.set()
        await late(world, run.id)
        assert "it failed" in world.channel.texts[-1] and "no money" in world.channel.texts[-1]

    async def test_is_read_in_a_run_that_keeps_its_replies(self, world: World, bank: Bank) -> None:
        run = await unknown(world)
        bank.over.set()
        await late(world, run.id)
        assert "paid 100 euro" in ((await world.run(run.id)).outbox.reply or "")

    @pytest.mark.parametrize("ends", ["cancel", "answer"])
    async def test_reaches_a_run_that_is_over(self, world: World, bank: Bank, ends: str) -> None:
        run = await unknown(world, reply_to=CALLBACK)
        if ends == "cancel":
            await world.runs.cancel(run.id, by="ann")
        else:
            await world.say(run.id, "it did not happen", reply_to=CALLBACK)
        before = await world.advance(run.id)
        bank.over.set()
        await late(world, run.id)
        after = await world.run(run.id)
        assert after.status is before.status
        assert "paid 100 euro" in world.channel.texts[-1]

    async def test_waits_for_a_store_that_is_away(
        self, world: World, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.workers.execution.late_results.AGAIN", 0.01)
        run = await unknown(world)
        latest, left = world.store.latest, [3]

        async def away(*args: Any) -> Tail:
            if left[0]:
                left[0] -= 1
                raise Unavailable("away")
            return await latest(*args)

        monkeypatch.setattr(world.store, "latest", away)
        bank.over.set()
        await eventually(lambda: not left[0])
        await late(world, run.id)

    async def test_of_a_worker_that_lost_the_run_is_told_once(
        self, world: World, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It comes while nobody has said yet that the outcome is unknown."""
        monkeypatch.setattr("ponderd.workers.execution.late_results.AGAIN", 0.01)
        world.become(tools=[replace(one, timeout=60) for one in world.agent.tools])
        run_id = await world.write("pay", reply_to=CALLBACK)
        advancing = asyncio.create_task(world.executor.advance(run_id))

        async def begun() -> bool:
            return "tool_started" in await world.types(run_id)

        await eventually(begun)
        advancing.cancel()
        await asyncio.wait({advancing})
        bank.over.set()
        await eventually(lambda: world.executor.late._recording)
        await world.worker().advance(run_id)
        await late(world, run_id)
        assert len(await world.of_type(run_id, e.ToolOutcomeUnknown)) == 1
        assert len(await world.of_type(run_id, e.LateResultReceived)) == 1
        assert len(bank.paid) == 1

    async def test_of_a_run_that_is_gone_troubles_nobody(self, world: World, bank: Bank) -> None:
        run = await unknown(world)
        del world.store._runs[run.id]
        bank.over.set()
        await eventually(lambda: not world.executor.late._following)


class TestNothingBeginsItAgain:
    async def test_because_of_a_message_that_was_written_before_the_question(
        self, world: World, bank: Bank
    ) -> None:
        world.model.lines = [PAY, PAY, REPLY]
        run_id = await world.write("pay", reply_to=THREAD)
        hurry = {"run_id": run_id, "reply_to": THREAD}
        once_begun(world, lambda: world.write("hurry up, pay!", **hurry))
        run = await world.advance(run_id)
        assert (run.status, run.waits_for) == (Status.WAITING, "approval")
        assert "it may have happened" in world.slack.texts[-1]
        assert len(await world.of_type(run_id, e.ToolStarted)) == 1

    async def test_but_the_word_of_whoever_was_asked(self, world: World, bank: Bank) -> None:
        world.model.lines = [PAY, PAY, REPLY]
        run = await unknown(world)
        bank.over.set()
        await late(world, run.id)
        run = await world.say(run.id, "pay once more")
        assert len(await world.of_type(run.id, e.ToolStarted)) == 2

    async def test_when_its_result_came_after_the_word(self, world: World, bank: Bank) -> None:
        """The person said that it did not happen, but it had, as is known by now."""
        world.model.lines = [PAY, PAY, REPLY]
        run = await unknown(world)
        await world.runs.pause(run.id, by="ann")
        await world.write("it did not happen, do it", run_id=run.id)
        bank.over.set()
        await late(world, run.id)
        await world.runs.resume(run.id, by="ann")
        run = await world.advance(run.id)
        assert (run.status, run.waits_for) == (Status.WAITING, "approval")
        assert len(await world.of_type(run.id, e.ToolStarted)) == 1
        await world.decide(run.id, False, by="api:ann")
        assert len(bank.paid) == 1


class TestTheSameFailingCall:
    async def test_is_made_three_times_then_a_person_reads_the_error(self, world: World) -> None:
        world.model.lines = [FAIL] * 12
        run = await world.advance(await world.write("go", reply_to=CALLBACK))
        assert (run.status, run.waits_for) == (Status.WAITING, "answer")
        assert len(await world.of_type(run.id, e.ToolFailed)) == 3
        (asked,) = world.channel.texts
        assert 'fail(name="it")' in asked and "no it here" in asked

    async def test_also_with_others_in_between(self, world: World) -> None:
        world.model.lines = [FAIL, LOOK] * 6
        run = await world.advance(await world.write("go"))
        assert run.waits_for == "answer"
        assert len(await world.of_type(run.id, e.ToolFailed)) == 3

    async def test_counts_anew_after_an_answer(self, world: World) -> None:
        world.model.lines = [FAIL] * 5 + [REPLY]
        run = await world.advance(await world.write("go"))
        run = await world.say(run.id, "try again")
        assert len(await world.of_type(run.id, e.ToolFailed)) == 5
        assert run.status is Status.COMPLETED

    async def test_is_another_one_with_other_arguments(self, world: World) -> None:
        world.model.lines = [{**FAIL, "name": str(number)} for number in range(5)] + [REPLY]
        run = await world.advance(await world.write("go"))
        assert run.status is Status.COMPLETED

    async def test_may_also_be_one_that_the_tool_objects_to(self, world: World) -> None:
        def never(name: str) -> None:
            raise ValueError("there is no such rocket")

        @tool(approval="always", check=never)
        def start(name: str) -> str:
            """start"""
            return "started"

        world.become(tools=(start,))
        world.model.lines = [{"action": "start", "name": "r"}] * 12
        run = await world.advance(await world.write("go", reply_to=CALLBACK))
        assert run.waits_for == "answer"
        assert "there is no such rocket" in world.channel.texts[-1]
        assert len(await world.of_type(run.id, e.ToolFailed)) == 3


class TestWhatAToolReturns:
    @pytest.mark.parametrize("returned", [None, 7, {"paid": 1}])
    async def test_is_no_failure_if_it_is_no_text(self, world: World, returned: object) -> None:
        @tool()
        def odd() -> str:
            """odd"""
            return returned  # type: ignore[return-value]

        world.become(tools=(odd,))
        world.model.lines = [{"action": "odd"}, REPLY]
        run = await world.advance(await world.write("go"))
        assert "tool_failed" not in await world.types(run.id)
        assert run.status is Status.COMPLETED
