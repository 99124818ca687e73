"""/pause, /resume and /cancel in the conversation itself, and by the API, at every point."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, ModelError
from ponderd.workers.agents.tools.waiting import sleep
from ponderd.workers.execution.leases import Leases
from ponderd.workers.run import events as e
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.state import Run, Status
from tests.services.eventually import patiently
from tests.workers.world import CALLBACK, LAUNCH, REPLY, RING, THREAD, Thought, World


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/pause", "pause"),
        ("!pause", "pause"),
        (" /Resume. ", "resume"),
        ("!CANCEL!", "cancel"),
        ("/cancel\n-- \nAnn", "cancel"),
        ("/cancel\n\nSent from my iPhone", "cancel"),
        ("Hi,\n\n/cancel\n\nThanks\nMaria Keller\nHead of Sales", "cancel"),
        ("/pause\n\nAnn", "pause"),
        ("/resume\n\nThis e-mail is confidential and intended for its recipient only.", "resume"),
        ("你好，\n/cancel\n谢谢", "cancel"),
        ("\u200e/cancel", "cancel"),
        ("！cancel", "cancel"),
        ("/cancel\n\nno, wait", None),
        ("/cancel\n-- \nAnn\nnot before Friday", None),
        ("/cancel\n\nBob", None),
        ("/cancel" + "\n" * 30_000, None),
        ("please /cancel", None),
        ("/cancel the order", None),
        ("pause", None),
        ("//pause", None),
        ("/paused", None),
        ("", None),
    ],
)
def test_a_command_stands_alone(text: str, command: str | None) -> None:
    assert command_of(text, "ann@team.test") == command


async def in_answer(world: World) -> Run:
    """A run that waits for a person's answer, in a thread."""
    world.model.lines = [{"action": "ask_human", "text": "Which one?"}, REPLY]
    return await world.advance(await world.write("do it", reply_to=THREAD))


async def in_approval(world: World) -> Run:
    world.model.lines = [LAUNCH, REPLY]
    return await world.advance(await world.write("do it", reply_to=THREAD))


async def in_retry(world: World) -> Run:
    world.model.lines = [ModelError("away"), REPLY]
    return await world.advance(await world.write("do it", reply_to=THREAD))


async def in_a_wait(world: World) -> Run:
    world.become(tools=(sleep,))
    world.model.lines = [{"action": "sleep", "seconds": 60}, REPLY]
    return await world.advance(await world.write("do it", reply_to=THREAD))


async def ready(world: World) -> Run:
    return await world.run(await world.write("do it", reply_to=THREAD))


STATES = [ready, in_answer, in_approval, in_retry, in_a_wait]
State = Callable[[World], Awaitable[Run]]


class TestACommand:
    @pytest.mark.parametrize("state", STATES)
    async def test_pauses_and_resumes_from_every_state(self, world: World, state: State) -> None:
        run = await state(world)
        waited = run.waits_for if run.waits_for != "retry" else None  # tried again at once
        run = await world.say(run.id, "/pause", reply_to=THREAD)
        assert run.status is Status.PAUSED
        assert world.slack.texts[-1].startswith("Paused.")
        calls = len(world.model.prompts)
        await world.later(10 * 86400)
        assert (await world.run(run.id)).status is Status.PAUSED
        assert len(world.model.prompts) == calls
        run = await world.say(run.id, "/resume", reply_to=THREAD)
        assert "It goes on." in world.slack.texts
        if waited in ("answer", "approval"):
            assert run.waits_for == waited
        else:
            assert run.status is Status.COMPLETED
        assert [turn.text for turn in run.turns if turn.role == "person"] == ["do it"]

    @pytest.mark.parametrize("state", STATES)
    @pytest.mark.parametrize("paused", [False, True])
    async def test_cancels_from_every_state(self, world: World, state: State, paused: bool) -> None:
        run = await state(world)
        if paused:
            await world.runs.pause(run.id, "bob")
        run = await world.say(run.id, "/cancel", reply_to=THREAD)
        assert run.status is Status.CANCELLED
        told = [text for text in world.slack.texts if text == "Cancelled by ann."]
        assert len(told) == 1  # no more and no less
        await world.later(10 * 86400)
        assert world.effects.counted == []
        assert (await world.run(run.id)).status is Status.CANCELLED

    async def test_to_a_run_that_is_over_is_answered(self, world: World) -> None:
        run = await world.advance(await world.write("do it", reply_to=THREAD))
        for word in ("pause", "resume", "cancel"):
            run = await world.say(run.id, f"/{word}", reply_to=THREAD)
            assert run.status is Status.COMPLETED
            assert world.slack.texts[-1] == f"There is nothing to {word} here."
        assert len(world.model.prompts) == 1

    async def test_as_the_first_message_is_answered(self, world: World) -> None:
        run = await world.advance(await world.write("!cancel", reply_to=THREAD))
        assert run.status is Status.COMPLETED
        assert world.slack.texts == ["There is nothing to cancel here."]

    async def test_that_changes_nothing_is_answered(self, world: World) -> None:
        run = await in_answer(world)
        run = await world.say(run.id, "/resume", reply_to=THREAD)
        assert world.slack.texts[-1] == "This is not paused."
        await world.say(run.id, "/pause", reply_to=THREAD)
        run = await world.say(run.id, "/pause", reply_to=THREAD)
        assert world.slack.texts[-1].startswith("This is already paused.")
        assert (run.status, run.waits_for) == (Status.PAUSED, "answer")

    async def test_stands_in_what_the_sender_wrote_themselves(self, world: World) -> None:
        run_id = await world.write("who said that?\nForwarded message:\n!cancel", own="!cancel")
        await world.advance(run_id)
        assert world.model.prompts == []
        await world.advance(await world.write("!cancel", own="", conversation="d"))
        assert len(world.model.prompts) == 1

    @pytest.mark.parametrize("word", ["pause", "resume", "cancel"])
    async def test_of_somebody_unknown_is_refused(self, world: World, word: str) -> None:
        run = await in_approval(world)
        before = run.status, run.waits_for, run.work.approval
        run = await world.say(run.id, f"/{word}", reply_to=CALLBACK, authentic=False)
        assert (run.status, run.waits_for, run.work.approval) == before
        assert world.channel.texts == [
            f"I cannot see who wrote this, so I did not {word} anything."
        ]

    async def test_is_no_word_for_the_model_and_no_remark(self, world: World) -> None:
        run = await in_approval(world)
        await world.say(run.id, "/pause", reply_to=THREAD)
        await world.say(run.id, "/resume", reply_to=THREAD)
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert world.effects.counted == ["rocket"]
        assert "pause" not in str(world.model.prompts)

    async def test_after_a_message_lets_it_wait(self, world: World) -> None:
        run_id = await world.write("do it", reply_to=THREAD)
        await world.write("/pause", reply_to=THREAD)
        assert (await world.advance(run_id)).status is Status.PAUSED
        assert world.model.prompts == []

    async def test_is_told_also_to_who_gave_it_elsewhere(self, world: World) -> None:
        run = await in_answer(world)
        await world.say(run.id, "/cancel", sender="bob", reply_to=CALLBACK)
        assert world.channel.texts == ["Cancelled by bob."]

    async def test_of_a_run_with_messages_waiting_owes_each_an_outcome(self, world: World) -> None:
        run_id = await world.write("one", reply_to=THREAD)
        await world.write("two", reply_to=CALLBACK)
        await world.write("/cancel", reply_to=CALLBACK)
        await world.advance(run_id)
        assert world.slack.texts == world.channel.texts == ["Cancelled by ann."]


class TestACancel:
    @pytest.mark.parametrize("news", ["heard", "missed"])
    @pytest.mark.parametrize("by", ["api", "word"])
    async def test_drops_the_model_call_in_flight(self, world: World, by: str, news: str) -> None:
        thought = Thought(world.model)
        run_id = await world.write("do it", reply_to=THREAD)
        leases = world.executor.leases
        listening = asyncio.create_task(leases.listen()) if news == "heard" else None
        advancing = asyncio.create_task(world.executor.advance(run_id))
        await patiently(thought.begun.wait())
        if by == "api":
            await world.runs.cancel(run_id, "ann")
        else:
            await world.write("/cancel", reply_to=THREAD)
        if news == "missed":  # the next renewal tells
            await leases.renew()
        await patiently(advancing)
        assert thought.dropped
        assert (await world.run(run_id)).status is Status.CANCELLED
        assert world.slack.texts == ["Cancelled by ann."]
        [interrupted] = await world.of_type(run_id, e.ModelInterrupted)
        assert interrupted.reason == "cancelled"
        if listening:
            await world.store.close()
            await listening

    async def test_word_of_somebody_unknown_drops_nothing(self, world: World) -> None:
        run = await thinking_while(world, lambda run_id: cancel_unproven(world))
        assert run.status is Status.COMPLETED
        assert run.outbox.reply == "all done"

    async def test_is_repeated_without_effect(self, world: World) -> None:
        run = await in_answer(world)
        await world.runs.cancel(run.id, "ann")
        run = await world.advance(run.id)
        await world.runs.cancel(run.id, "bob")
        assert (await world.run(run.id)).version == run.version

    async def test_between_choice_and_execution_wins(self, world: World) -> None:
        """Written while the worker is about to begin the tool."""
        world.model.lines = [RING]
        run_id = await world.write(reply_to=THREAD)
        commit = world.store.commit

        async def just_before(*args: Any, **kwargs: Any) -> Any:
            if b"tool_started" in b"".join(args[3]):
                world.store.commit = commit  # type: ignore[method-assign]
                await world.runs.cancel(run_id, "ann")
            return await commit(*args, **kwargs)

        world.store.commit = just_before  # type: ignore[method-assign]
        run = await world.advance(run_id)
        assert (run.status, world.effects.counted) == (Status.CANCELLED, [])


async def test_a_word_written_before_the_message_it_would_stop_does_nothing(world: World) -> None:
    run = await in_approval(world)
    since = run.message.since
    run = await world.say(run.id, "/cancel", reply_to=CALLBACK, written_at=since - 301)
    assert run.waits_for == "approval"
    assert "You wrote that before" in world.channel.texts[-1]
    run = await world.say(run.id, "/cancel", reply_to=CALLBACK, written_at=since - 300)
    assert run.status is Status.CANCELLED


async def cancel_unproven(world: World) -> None:
    await world.write("/cancel", reply_to=CALLBACK, authentic=False)


async def thinking_while(world: World, happens: Callable[[str], Awaitable[Any]]) -> Run:
    """What becomes of a run while whose model call something happens."""
    world.model.lines = [REPLY]
    thought = Thought(world.model)
    run_id = await world.write("do it", reply_to=THREAD)
    advancing = asyncio.create_task(world.executor.advance(run_id))
    await patiently(thought.begun.wait())
    await happens(run_id)
    await world.executor.leases.renew()
    await asyncio.sleep(0.01)  # it has looked
    assert not thought.dropped
    thought.over.set()
    await patiently(advancing)
    return await world.run(run_id)


class TestAPause:
    @pytest.mark.parametrize("by", ["api", "word"])
    async def test_wastes_no_model_call(self, world: World, by: str) -> None:
        async def pause(run_id: str) -> None:
            if by == "api":
                await world.runs.pause(run_id, "ann")
            else:
                await world.write("/pause", reply_to=THREAD)

        run = await thinking_while(world, pause)
        assert run.status is Status.PAUSED
        assert await world.of_type(run.id, e.ModelInterrupted) == []
        assert "all done" not in world.slack.texts  # not sent before somebody says go on
        await world.runs.resume(run.id, "ann")
        run = await world.advance(run.id)
        assert (run.status, world.slack.texts[-1]) == (Status.COMPLETED, "all done")
        assert len(world.model.prompts) == 1

    async def test_between_choice_and_execution_wins(self, world: World) -> None:
        world.model.lines = [RING, REPLY]
        run_id = await world.write(reply_to=THREAD)
        world.model.before_answer = lambda call: world.write("/pause", reply_to=THREAD)
        run = await world.advance(run_id)
        assert (run.status, world.effects.counted) == (Status.PAUSED, [])
        world.model.before_answer = None
        await world.say(run_id, "/resume", reply_to=THREAD)
        assert world.effects.counted == ["bell"]

    async def test_of_a_run_that_is_over_is_refused(self, world: World) -> None:
        run = await world.advance(await world.write())
        with pytest.raises(Conflict, match="COMPLETED"):
            await world.runs.pause(run.id, "ann")


async def test_a_worker_that_never_hears_news_still_stops_at_once_after_its_call(
    world: World,
) -> None:
    run_id = await world.write("do it", reply_to=THREAD)
    world.model.lines = [RING]
    world.model.before_answer = lambda call: world.runs.cancel(run_id, "ann")
    await world.worker(leases=Leases(world.store, "deaf", 10)).advance(run_id)
    assert world.effects.counted == []
    assert (await world.run(run_id)).usage.model_calls == 1  # paid for, so it is counted
