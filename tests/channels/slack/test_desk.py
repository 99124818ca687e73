"""Who is heard in Slack, and to which conversation a message belongs."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.channels.slack.desk import TYPED_AHEAD, WHICH_ONE
from ponderd.channels.slack.intake import Intake
from ponderd.channels.slack.memory import KnownRun
from ponderd.workers.store.asking import add_asking
from ponderd.workers.store.contract import receipt_key
from tests.channels.slack.counter import Counter, counter
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.slack_api import SlackApi, mention

IN_CHANNEL = {"type": "message", "channel_type": "channel"}
STRANGER = {"user_team": "T9", "user": "U9"}


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


@pytest.fixture
async def desk(api: SlackApi, tmp_path: Path) -> AsyncIterator[Counter]:
    async with counter(api, tmp_path, slack_bots=("B5", "U7"), slack_bot_hourly=3) as desk:
        yield desk


def conversations(desk: Counter) -> list[str]:
    return [trigger.conversation for trigger in desk.inbox.triggers]


def told(api: SlackApi) -> list[str]:
    return [fields["text"] for method, fields in api.calls if method == "chat.postEphemeral"]


class TestConversations:
    async def test_each_mention_in_a_channel_begins_one(self, desk: Counter) -> None:
        first, second = await desk.say("<@UBOT> a"), await desk.say("<@UBOT> b")
        assert conversations(desk) == [f"T1:C1:{first}", f"T1:C1:{second}"]
        assert desk.inbox.triggers[0].reply_to is not None
        assert desk.inbox.triggers[0].reply_to.thread == first

    async def test_a_message_that_is_told_twice_counts_once(self, desk: Counter) -> None:
        ts = await desk.say("<@UBOT> a")
        await desk.say("<@UBOT> a", ts=ts, **IN_CHANNEL)
        assert len(desk.inbox.triggers) == 1

    async def test_direct_messages_go_on(self, desk: Counter) -> None:
        first = await desk.tell("my server is called kestrel")
        await desk.tell("what is it called?")
        assert conversations(desk) == [f"T1:D1:{first}"] * 2
        assert [t.reply_to.thread for t in desk.inbox.triggers if t.reply_to] == ["", ""]

    async def test_until_somebody_was_silent_for_long(self, desk: Counter) -> None:
        await desk.tell("a", ts="1700000001.000100")
        later = await desk.tell("b", ts="1700090001.000100")
        assert conversations(desk)[1] == f"T1:D1:{later}"

    async def test_silence_counts_from_the_answer(self, desk: Counter) -> None:
        first = await desk.tell("a", ts="1700000001.000100")
        name = f"T1:D1:{first}"
        desk.memory.runs[name] = KnownRun(name, "", False, math.inf)
        await desk.tell("b", ts="1700090001.000100")
        assert conversations(desk) == [name, name]

    async def test_or_until_a_word(self, desk: Counter, api: SlackApi) -> None:
        await desk.tell("a")
        second = await desk.tell("!new b")
        await desk.tell("!new")
        third = await desk.tell("c")
        assert conversations(desk)[1:] == [f"T1:D1:{second}", f"T1:D1:{third}"]
        assert [trigger.text for trigger in desk.inbox.triggers] == ["a", "b", "c"]
        assert told(api) == ["The next message here begins a new conversation."]

    async def test_a_thread_below_a_direct_message_belongs_to_it(self, desk: Counter) -> None:
        first = await desk.tell("a")
        await desk.tell("b", thread_ts=first)
        assert desk.inbox.triggers[1].run_id == f"T1:D1:{first}"
        assert desk.inbox.triggers[1].reply_to is not None
        assert desk.inbox.triggers[1].reply_to.thread == first

    async def test_another_thread_there_is_a_conversation_of_its_own(self, desk: Counter) -> None:
        await desk.tell("a", thread_ts="1.000001")
        await desk.tell("b", thread_ts="1.000001")
        assert conversations(desk) == ["T1:D1:1.000001"] * 2


class TestQuestionsOfOtherRuns:
    """Asked of a person, not in the conversation that goes on in their direct messages."""

    @pytest.fixture(autouse=True)
    async def asked(self, desk: Counter) -> None:
        await self.ask(desk, "0c-a-b")

    async def ask(self, desk: Counter, run: str, asks: Any = "approval", at: float = 2e9) -> None:
        await add_asking(desk.store, "slack:D1", run)
        desk.memory.runs[run] = KnownRun(run, asks, False, math.inf, at)

    @pytest.mark.parametrize("before", [False, True])
    async def test_a_plain_yes_answers_it(self, before: bool, desk: Counter) -> None:
        if before:
            await desk.tell("hello")
        await desk.tell("yes")
        assert desk.inbox.triggers[-1].run_id == "0c-a-b"

    async def test_other_words_do_not(self, desk: Counter) -> None:
        first = await desk.tell("what is new?")
        assert conversations(desk) == [f"T1:D1:{first}"]
        assert desk.inbox.triggers[0].run_id is None

    async def test_nor_does_a_yes_after_it_was_decided(self, desk: Counter) -> None:
        await self.ask(desk, "0c-a-b", "")
        await desk.tell("yes")
        assert desk.inbox.triggers[0].run_id is None

    @pytest.mark.parametrize(("at", "heard"), [(2e9, True), (1.0, False)])
    async def test_an_open_question_is_answered_next(
        self, at: float, heard: bool, desk: Counter
    ) -> None:
        await desk.tell("hello")
        await self.ask(desk, "0c-a-b", "answer", at)
        await desk.tell("the blue one")
        assert (desk.inbox.triggers[-1].run_id == "0c-a-b") is heard

    async def test_where_two_are_open_a_yes_decides_nothing(
        self, desk: Counter, api: SlackApi
    ) -> None:
        await self.ask(desk, "0c-c-d")
        await desk.tell("yes")
        assert (desk.inbox.triggers, told(api)) == ([], [WHICH_ONE])

    async def test_the_own_conversation_counts_too(self, desk: Counter, api: SlackApi) -> None:
        name = f"T1:D1:{await desk.tell('hello')}"
        desk.memory.runs[name] = KnownRun(name, "approval", False, math.inf)
        await desk.tell("yes")
        assert (len(desk.inbox.triggers), told(api)) == (1, [WHICH_ONE])
        await self.ask(desk, "0c-a-b", "")
        await desk.tell("yes")
        assert desk.inbox.triggers[-1].run_id == name


class TestAThreadOfOurs:
    @pytest.fixture
    async def thread(self, desk: Counter) -> str:
        return await desk.say("<@UBOT> deploy")

    @pytest.mark.parametrize(
        ("asks", "listens", "text", "heard"),
        [
            ("", False, "thanks everybody", False),
            ("", True, "thanks everybody", True),
            ("answer", False, "the blue one", True),
            ("answer", False, "<@U5> which one?", False),
            ("answer", False, "ask <@U5> about it", True),
            ("approval", False, "yes", True),
            ("approval", False, "no", True),
            ("approval", False, "yes, but wait", True),
            ("approval", False, ":+1:", True),
            ("approval", False, "is that not too much?", False),
            ("approval", True, "is that not too much?", True),
            ("", False, "!cancel", True),
        ],
    )
    async def test_without_a_mention(
        self, asks: Any, listens: bool, text: str, heard: bool, desk: Counter, thread: str
    ) -> None:
        name = f"T1:C1:{thread}"
        desk.memory.runs[name] = KnownRun(name, asks, listens, 0)
        await desk.say(text, thread_ts=thread, **IN_CHANNEL)
        assert (len(desk.inbox.triggers) == 2) == heard

    @pytest.mark.parametrize(
        ("asks", "text", "user", "heard"),
        [
            ("approval", "yes", "U2", True),
            ("approval", "who is that?", "U1", False),
            ("answer", "the blue one", "U1", True),
            ("answer", "lunch?", "U2", False),
            ("", "yes", "U2", False),
            ("", "the blue one", "U1", False),
        ],
    )
    async def test_what_is_written_at_once_is_heard_if_a_question_follows(
        self,
        asks: Any,
        text: str,
        user: str,
        heard: bool,
        desk: Counter,
        thread: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("ponderd.channels.slack.intake.AGAIN", 0.01)
        name = f"T1:C1:{thread}"
        desk.memory.runs[name] = KnownRun(name, "", False, math.inf, works=True)
        await desk.say(text, thread_ts=thread, user=user, **IN_CHANNEL)
        await desk.say("and a mention <@UBOT>", thread_ts=thread)  # does not wait behind it
        assert [trigger.text for trigger in desk.inbox.triggers][1:] == ["and a mention"]
        desk.memory.runs[name] = KnownRun(name, asks, False, math.inf)
        await eventually(desk.is_empty)
        assert [trigger.text for trigger in desk.inbox.triggers][2:] == [text] * heard

    async def test_what_is_held_keeps_its_order(
        self, desk: Counter, thread: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.channels.slack.intake.AGAIN", 3600)
        name = f"T1:C1:{thread}"
        desk.memory.runs[name] = KnownRun(name, "", False, math.inf, works=True)
        for text in ("yes", "no"):
            await desk.say(text, thread_ts=thread, **IN_CHANNEL)
        desk.memory.runs[name] = KnownRun(name, "approval", False, math.inf)
        await desk.say("ok", thread_ts=thread, **IN_CHANNEL)
        assert [t.text for t in desk.inbox.triggers][1:] == ["yes", "no", "ok"]
        assert await desk.is_empty()

    async def test_a_yes_is_held_while_another_daemon_has_the_mention(
        self, desk: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.channels.slack.intake.AGAIN", 0.01)
        first = mention("<@UBOT> deploy", ts="1700000000.000900")
        await desk.memory.put("EvOther", json.dumps({"at": 2e9, "body": first}).encode())
        await desk.say("yes", thread_ts="1700000000.000900", **IN_CHANNEL)
        assert desk.inbox.triggers == []
        desk.memory.runs["run1"] = KnownRun("run1", "approval", False, math.inf)
        await desk.memory.belongs("T1:C1:1700000000.000900", "run1")
        await eventually(lambda: desk.inbox.triggers)
        assert desk.inbox.triggers[0].run_id == "run1"

    async def test_a_yes_from_before_the_question_is_asked_for_again(
        self, desk: Counter, api: SlackApi, thread: str
    ) -> None:
        name = f"T1:C1:{thread}"
        asked = KnownRun(name, "approval", False, math.inf, asked_ts="1700000050.000100")
        desk.memory.runs[name] = asked
        await desk.say("yes", thread_ts=thread, ts="1700000049.000100", **IN_CHANNEL)
        assert (len(desk.inbox.triggers), told(api)) == (1, [TYPED_AHEAD])
        await desk.say("yes", thread_ts=thread, ts="1700000051.000100", **IN_CHANNEL)
        assert len(desk.inbox.triggers) == 2

    async def test_a_thread_below_a_post_of_ours_belongs_to_its_run(self, desk: Counter) -> None:
        await desk.store.remember(receipt_key("slack", "C1:5.000001"), "0c-a-b:7", None)
        await desk.say("<@UBOT> why?", thread_ts="5.000001")
        assert desk.inbox.triggers[0].run_id == "0c-a-b"

    async def test_what_was_said_before_comes_along_once(
        self, desk: Counter, api: SlackApi
    ) -> None:
        said = {"type": "message", "channel": "C1", "thread_ts": "4.000001"}
        api.messages.append({**said, "ts": "1700000001.000001", "user": "U3", "text": "it is down"})
        await desk.say("<@UBOT> why?", thread_ts="4.000001", ts="1700000002.000001")
        api.messages.append({**said, "ts": "1700000003.000001", "user": "U3", "text": "still"})
        await desk.say("<@UBOT> and now?", thread_ts="4.000001", ts="1700000004.000001")
        first, second = desk.inbox.triggers
        assert "it is down" in first.before
        assert "still" in second.before and "it is down" not in second.before


class TestWhoMayWrite:
    async def test_a_stranger_is_told_no_once(self, desk: Counter, api: SlackApi) -> None:
        for _ in range(2):
            await desk.say("<@UBOT> hi", **STRANGER)
        assert desk.inbox.triggers == []
        assert told(api) == [
            "I answer members of the workspace that installed me. An admin can let you in."
        ]
        assert [reason for reason, _ in desk.refused] == ["forbidden", "forbidden"]

    @pytest.mark.parametrize(
        ("outside", "home", "let_in"),
        [
            ({}, "T1", True),
            ({"is_ext_shared_channel": True}, "T9", False),
            ({"is_ext_shared_channel": True}, "E1", True),
        ],
    )
    async def test_in_a_whole_organisation_slack_may_name_no_enterprise(
        self, outside: Any, home: str, let_in: bool, desk: Counter, api: SlackApi
    ) -> None:
        api.people["U3"] = {"team_id": "T1", "profile": {"display_name": "Ann"}}
        everywhere = {"team_id": None, "enterprise_id": "E1", "is_enterprise_install": True}
        told = {**everywhere, "authorizations": [{**everywhere, "user_id": "UBOT"}], **outside}
        await desk.say("<@UBOT> hi", user="U3", team=home, outside=told)
        assert bool(desk.inbox.triggers) is let_in

    @pytest.mark.parametrize("entry", ["T9", "U9", "C1"])
    async def test_an_operator_lets_them_in(
        self, entry: str, api: SlackApi, tmp_path: Path
    ) -> None:
        async with counter(api, tmp_path, slack_allow=(entry,)) as desk:
            await desk.say("<@UBOT> hi", **STRANGER)
            assert [trigger.sender for trigger in desk.inbox.triggers] == ["T9/U9"]

    async def test_a_stranger_presses_no_button(self, desk: Counter, api: SlackApi) -> None:
        await desk.say("<@UBOT> hi")
        button = {"action_id": "ponderd:0", "value": "run1:7 approve"}
        actions = [{"type": "actions", "elements": [button]}]
        message = {"channel": "C1", "ts": "1.2", "text": "May I?", "blocks": actions}
        pressed = api.press(message, "approve")
        pressed["user"]["team_id"] = "TEVIL"
        await desk.take(pressed)
        assert desk.inbox.verdicts == []
        await desk.take(api.press(message, "approve"))
        assert [verdict.by for verdict in desk.inbox.verdicts] == ["slack:t1/u2"]


class TestBots:
    async def test_one_that_is_not_listed_is_ignored(self, desk: Counter) -> None:
        await desk.say("<@UBOT> hi", bot_id="B9", subtype="bot_message")
        assert desk.inbox.triggers == []
        assert "PONDERD_SLACK_BOTS does not list the bot" in desk.ignored[0][1]

    async def test_one_that_is_listed_starts_an_agent_and_decides_nothing(
        self, desk: Counter
    ) -> None:
        await desk.say("<@UBOT> CPU high", bot_id="B5", subtype="bot_message")
        await desk.say("<@UBOT> hello", bot_id="B8", user="U7")
        assert [trigger.authentic for trigger in desk.inbox.triggers] == [False, False]

    async def test_in_a_channel_of_alerts_it_needs_no_mention(self, desk: Counter) -> None:
        await desk.say("CPU high", bot_id="B5", channel="CALERT", **IN_CHANNEL)
        await desk.say("hello all", channel="CALERT", **IN_CHANNEL)
        assert [trigger.agent for trigger in desk.inbox.triggers] == ["triage"]

    async def test_one_that_writes_too_much_is_stopped(self, desk: Counter) -> None:
        for _ in range(5):
            await desk.say("<@UBOT> hi", bot_id="B5", subtype="bot_message")
        assert len(desk.inbox.triggers) == 3
        assert [reason for reason, _ in desk.refused] == ["too_many"] * 2


class TestCommandsAndShortcuts:
    async def test_a_command_is_answered_directly(self, desk: Counter) -> None:
        command = {
            "command": "/ponderd",
            "text": "what is new?",
            "team_id": "T1",
            "user_id": "U1",
            "channel_id": "C1",
            "trigger_id": "1.2.3",
        }
        await desk.take(command)
        [trigger] = desk.inbox.triggers
        assert (trigger.text, trigger.sender) == ("what is new?", "T1/U1")
        assert trigger.reply_to is not None and trigger.reply_to.to == "D1"
        assert trigger.agent is None

        await desk.take({**command, "channel_id": "CDEPLOY", "trigger_id": "1.2.4"})
        assert desk.inbox.triggers[1].agent == "deployer"  # it is asked where it is at home

    async def test_a_shortcut_shows_the_message_and_says_nothing_in_its_name(
        self, desk: Counter
    ) -> None:
        shortcut = {
            "type": "message_action",
            "callback_id": "ask",
            "team": {"id": "T1"},
            "user": {"id": "U1", "team_id": "T1"},
            "channel": {"id": "C1"},
            "message": {"ts": "1.2", "text": "yes", "user": "U2"},
            "trigger_id": "1.2.3",
        }
        await desk.take(shortcut)
        [trigger] = desk.inbox.triggers
        assert (trigger.text, trigger.sender) == ("Please look at this message.", "T1/U1")
        assert trigger.before.endswith(": yes")


class TestTheIntake:
    async def test_what_cannot_be_stored_now_stays_kept(self, desk: Counter) -> None:
        desk.inbox.error = Unavailable("the state server is away")
        await desk.say("<@UBOT> hi")
        assert len(await desk.kept()) == 1
        desk.inbox.error = None
        desk.intake.start()
        await eventually(lambda: desk.inbox.triggers)
        await desk.settled()
        assert await desk.kept() == []

    async def test_another_daemon_takes_up_what_one_left(
        self, desk: Counter, api: SlackApi, tmp_path: Path
    ) -> None:
        desk.inbox.error = RuntimeError("a bug")
        await desk.say("<@UBOT> hi")
        async with counter(api, tmp_path, store=desk.store) as other:
            other.intake.start()
            await eventually(lambda: other.inbox.triggers)
            await other.settled()
            assert await other.kept() == []

    async def test_one_that_is_refused_is_done(self, desk: Counter) -> None:
        await desk.say("<@UBOT> hi", **STRANGER)
        assert await desk.kept() == []

    async def test_people_who_talk_to_each_other_cost_nothing(self, desk: Counter) -> None:
        desk.store.available = False
        await desk.intake.take(mention("lunch?", **IN_CHANNEL))

    async def test_messages_of_a_conversation_keep_their_order(self, desk: Counter) -> None:
        first = asyncio.Event()
        order: list[str] = []

        async def work(event: Any) -> None:
            if not order:
                await first.wait()
            order.append(event.event["text"])

        desk.intake._work = work
        for number, text in enumerate("abc"):
            direct = {"type": "message", "channel": "D1", "channel_type": "im"}
            body = {**mention(text, ts=f"170000000{number}.000100", **direct)}
            await desk.intake.take({**body, "event_id": f"Ev{number}"})
        first.set()
        await desk.settled()
        assert order == ["a", "b", "c"]
        assert isinstance(desk.intake, Intake)
