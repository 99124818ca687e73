"""What an agent may ask people, and how the answer comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ponderd.channels.errors import Conflict
from ponderd.channels.message import Inquiry, Verdict
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.workers.world import CALLBACK, REPLY, THREAD, World

ANN, BOB = "slack:u1", "slack:u2"


def ask(**fields: Any) -> dict[str, Any]:
    plain = {"format": "text", "choices": [], "urgency": "normal"}
    return {"action": "ask_human", "text": "Which colour?", **plain, **fields}


COLOURS = ask(format="choices", choices=["red", "blue"])


@pytest.fixture
def world(world: World) -> World:
    world.become(questions="any")
    return world


async def asked(world: World, question: dict[str, Any]) -> tuple[Run, Inquiry | None]:
    world.model.lines = [question, REPLY]
    run_id = await world.write("paint it", channel="slack", sender="U1", reply_to=THREAD)
    run = await world.advance(run_id)
    assert (run.status, run.waits_for) == (Status.WAITING, "answer")
    reply = world.slack.sent[-1][0]
    assert (reply.kind, reply.text) == ("question", "Which colour?")
    return run, reply.inquiry


def chosen(prompt: Inquiry | None, choice: str, by: str = ANN) -> Verdict:
    assert prompt is not None
    return Verdict(inquiry=prompt.id, choice=choice, by=by)


class TestAQuestion:
    async def test_in_free_text_is_only_a_message(self, world: World) -> None:
        _, prompt = await asked(world, ask())
        assert prompt is None

    async def test_for_yes_or_no_offers_both(self, world: World) -> None:
        _, prompt = await asked(world, ask(format="yes_no"))
        assert prompt is not None
        assert (prompt.kind, prompt.choices) == ("question", ("yes", "no"))

    async def test_with_choices_offers_them(self, world: World) -> None:
        _, prompt = await asked(world, COLOURS)
        assert prompt is not None
        assert (prompt.choices, prompt.urgency) == (("red", "blue"), "normal")

    async def test_says_how_urgent_it_is(self, world: World) -> None:
        _, prompt = await asked(world, ask(urgency="high"))
        assert prompt is not None
        assert (prompt.choices, prompt.urgency) == ((), "high")

    @pytest.mark.parametrize("wrong", [{"format": "song"}, {"urgency": "now"}, {"choices": [""]}])
    async def test_in_no_known_form_is_refused(self, world: World, wrong: dict[str, Any]) -> None:
        world.model.lines = [ask(**wrong), REPLY]
        run = await world.advance(await world.write())
        [rejected] = await world.of_type(run.id, e.ModelRejected)
        assert rejected.reason == "invalid_arguments"

    async def test_waits_for_a_month_without_a_worker(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        await world.later(30 * 86400)
        assert (await world.run(run.id)).version == run.version
        await world.inquiries.answer(chosen(prompt, "blue"))
        assert (await world.advance(run.id)).status is Status.COMPLETED


class TestAnAnswer:
    async def test_by_button_is_an_event_with_responder_and_time(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        world.clock.now += 77
        assert await world.inquiries.answer(chosen(prompt, "blue")) == f"{ANN}: blue"
        received = (await world.of_type(run.id, e.MessageReceived))[-1]
        assert (received.text, received.via, received.sender) == ("blue", "slack", "u1")
        assert received.at == world.clock.now
        run = await world.advance(run.id)
        assert world.model.prompts[1][-1]["content"] == "blue"
        assert (world.slack.texts[-1], run.status) == ("all done", Status.COMPLETED)

    async def test_in_free_text_is_taken_all_the_same(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        run = await world.say(
            run.id, "neither, green", channel="slack", sender="U1", reply_to=THREAD
        )
        assert "neither, green" in world.model.prompts[1][-1]["content"]
        with pytest.raises(Conflict, match=r"answered by slack:u1: neither, green"):
            await world.inquiries.answer(chosen(prompt, "blue", BOB))

    async def test_takes_the_buttons_away(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        await world.inquiries.answer(chosen(prompt, "blue"))
        await world.advance(run.id)
        [notice] = [reply for reply, _ in world.slack.sent if reply.resolves]
        assert notice.resolves == "receipt-1"
        assert notice.text.endswith("slack:u1: blue")

    async def test_counts_once_and_others_are_told(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        for _ in range(2):
            await world.inquiries.answer(chosen(prompt, "blue"))
        with pytest.raises(Conflict, match="answered by slack:u1: blue"):
            await world.inquiries.answer(chosen(prompt, "red", BOB))
        await world.advance(run.id)
        with pytest.raises(Conflict, match="answered by slack:u1: blue"):
            await world.inquiries.answer(chosen(prompt, "red", BOB))
        assert len(await world.of_type(run.id, e.MessageReceived)) == 2

    async def test_counts_once_when_two_click_at_once(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        signal = world.store.signal

        async def slow(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)  # both have read the run by now
            return await signal(*args, **kwargs)

        world.store.signal = slow  # type: ignore[method-assign]
        verdicts = [chosen(prompt, "blue"), chosen(prompt, "red", BOB)]
        outcomes = await asyncio.gather(
            *map(world.inquiries.answer, verdicts), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes].count(Conflict) == 1
        assert len(await world.of_type(run.id, e.MessageReceived)) == 2

    async def test_that_is_quicker_than_the_worker_is_not_lost(self, world: World) -> None:
        """Clicked before the worker has written down that the question was sent."""
        world.model.lines = [COLOURS, REPLY]
        run_id = await world.write("paint it", channel="slack", sender="U1", reply_to=THREAD)
        send = world.slack.send

        async def clicked_at_once(reply: Any, *, resend: bool) -> str:
            receipt = await send(reply, resend=resend)
            if reply.kind == "question":
                await world.inquiries.answer(chosen(reply.inquiry, "blue"))
            return receipt

        world.slack.send = clicked_at_once  # type: ignore[method-assign]
        run = await world.advance(run_id)
        assert run.status is Status.COMPLETED
        assert world.model.prompts[1][-1]["content"] == "blue"

    async def test_to_a_question_of_a_cancelled_run_is_refused(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        await world.runs.cancel(run.id, "bob")
        with pytest.raises(Conflict):
            await world.inquiries.answer(chosen(prompt, "blue"))

    async def test_may_come_after_a_command(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        for word in ("/pause", "/resume"):
            await world.say(run.id, word, channel="slack", sender="U2", reply_to=THREAD)
        assert await world.inquiries.answer(chosen(prompt, "blue")) == f"{ANN}: blue"

    async def test_while_the_run_is_paused_is_kept(self, world: World) -> None:
        run, prompt = await asked(world, COLOURS)
        await world.runs.pause(run.id, "ann")
        await world.inquiries.answer(chosen(prompt, "blue"))
        assert (await world.advance(run.id)).status is Status.PAUSED
        await world.runs.resume(run.id, "ann")
        assert (await world.advance(run.id)).status is Status.COMPLETED


class TestSeveralPeople:
    async def test_are_told_apart_by_name(self, world: World) -> None:
        run, _ = await asked(world, ask())
        await world.say(run.id, "blue", channel="slack", sender="U2", reply_to=THREAD)
        assert world.model.prompts[1][-1]["content"] == "blue\n[from U2]"

    async def test_are_not_named_when_there_is_only_one(self, world: World) -> None:
        run, _ = await asked(world, ask())
        await world.say(run.id, "blue", channel="slack", sender="U1", reply_to=THREAD)
        assert "[from" not in str(world.model.prompts)

    async def test_are_each_answered_where_they_wrote(self, world: World) -> None:
        run, _ = await asked(world, ask())
        await world.say(run.id, "blue", channel="webhook", sender="prog", reply_to=CALLBACK)
        assert world.channel.texts == ["all done"]
        run = await world.say(run.id, "thanks", channel="slack", sender="U1", reply_to=THREAD)
        assert world.slack.texts[-1] == "all done"
        assert run.message.sender == ANN
