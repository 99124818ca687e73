from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.slack.out.send import LOOKBACK, SlackChannel
from tests.services import slack_api
from tests.services.slack_api import SlackApi


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


def reply(text: str = "**4**", key: str = "run1:7", **fields: Any) -> Reply:
    given = {
        "kind": "answer",
        "to": Address(channel="slack", to="C1", thread="1.2"),
        "run_id": "run1",
        "agent": "assistant",
        "conversation": "T1:C1:1.2",
    }
    return Reply(key=key, text=text, **given | fields)


def question(prompt: Inquiry, text: str = "Shall I?") -> Reply:
    return reply(text, kind="question", inquiry=prompt)


def texts(message: dict[str, Any]) -> list[str]:
    """What the blocks of a message show, each part by itself."""
    shown = []
    for block in message["blocks"]:
        if block["type"] == "section":
            shown.append(block["text"]["text"])
        for part in block["elements"] if block["type"] == "rich_text" else ():
            shown.append("".join(e.get("text", e.get("user_id", "")) for e in part["elements"]))
    return shown


def buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    [actions] = [block for block in message["blocks"] if block["type"] == "actions"]
    found: list[dict[str, Any]] = actions["elements"]
    return found


def labels(message: dict[str, Any]) -> list[str]:
    return [button["text"]["text"] for button in buttons(message)]


APPROVAL = Inquiry(id="run1:7", kind="approval")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


class TestSend:
    async def test_a_reply_is_posted_into_its_thread_with_its_key(self, api: SlackApi) -> None:
        receipt = await SlackChannel(api.settings).send(reply(), resend=False)
        [message] = api.messages
        assert receipt == message["ts"]
        assert (message["channel"], message["thread_ts"], message["text"]) == ("C1", "1.2", "*4*")
        assert message["metadata"] == {
            "event_type": "ponderd_reply",
            "event_payload": {"key": "run1:7"},
        }

    async def test_a_lost_response_does_not_post_twice(self, api: SlackApi) -> None:
        api.page_size = 1
        channel = SlackChannel(api.settings)
        await channel.send(reply(key="run1:3"), resend=False)
        api.trouble = ["lose_response"]
        with pytest.raises(DeliveryError) as failed:
            await channel.send(reply(), resend=False)
        assert not failed.value.permanent
        assert len(api.messages) == 2
        assert await channel.send(reply(), resend=True) == api.messages[1]["ts"]
        assert len(api.messages) == 2

    async def test_a_post_that_never_arrived_is_posted_on_resend(self, api: SlackApi) -> None:
        api.trouble = ["drop"]
        channel = SlackChannel(api.settings)
        with pytest.raises(DeliveryError):
            await channel.send(reply(), resend=False)
        await channel.send(reply(), resend=True)
        assert len(api.messages) == 1

    @pytest.mark.parametrize(
        ("trouble", "permanent", "mendable", "wait"),
        [
            ("429", False, False, 7),
            ("invalid_auth", False, True, None),
            ("channel_not_found", False, True, None),
            ("not_in_channel", False, True, None),
            ("is_archived", True, False, None),
            ("internal_error", False, False, None),
        ],
    )
    async def test_the_error_says_whether_to_try_again(
        self, trouble: str, permanent: bool, mendable: bool, wait: float | None, api: SlackApi
    ) -> None:
        api.trouble = [trouble]
        with pytest.raises(DeliveryError) as failed:
            await SlackChannel(api.settings).send(reply(), resend=False)
        error = failed.value
        assert (error.permanent, error.mendable, error.retry_after) == (permanent, mendable, wait)
        assert [method for method, _ in api.calls] == ["chat.postMessage"]

    async def test_a_slack_that_is_away_is_worth_another_try(self, api: SlackApi) -> None:
        away = api.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:1/api/"})
        with pytest.raises(DeliveryError) as failed:
            await SlackChannel(away).send(reply(), resend=False)
        assert not failed.value.permanent


class TestQuestion:
    async def test_an_approval_has_two_buttons(self, api: SlackApi) -> None:
        await SlackChannel(api.settings).send(question(APPROVAL, "May I **go**?"), resend=False)
        [message] = api.messages
        assert message["text"] == "May I **go**?"
        assert texts(message) == ["May I **go**?"]
        assert [(b["text"]["text"], b["style"], b["value"]) for b in buttons(message)] == [
            ("Approve", "primary", "run1:7 approve"),
            ("Deny", "danger", "run1:7 deny"),
        ]
        assert len({button["action_id"] for button in buttons(message)}) == 2

    async def test_every_choice_has_a_button(self, api: SlackApi) -> None:
        prompt = Inquiry(id="run1:7", kind="question", choices=("today", "next week"))
        await SlackChannel(api.settings).send(question(prompt), resend=False)
        [message] = api.messages
        assert labels(message) == ["today", "next week"]
        assert texts(message) == ["Shall I?"]

    async def test_choices_that_buttons_cannot_tell_are_written_too(self, api: SlackApi) -> None:
        choices = ("x" * 76, " ", "y" * 2_000, *(str(number) for number in range(30)))
        prompt = Inquiry(id="run1:7", kind="question", choices=choices)
        await SlackChannel(api.settings).send(question(prompt), resend=False)
        *_, last = api.messages
        assert labels(last) == ["x" * 74 + "…", *(str(number) for number in range(22))]
        whole = "\n".join(message["text"] for message in api.messages)
        assert all(f"• {choice}".rstrip() in whole for choice in choices)

    async def test_an_open_question_has_no_buttons(self, api: SlackApi) -> None:
        prompt = Inquiry(id="run1:7", kind="question", urgency="high")
        await SlackChannel(api.settings).send(question(prompt), resend=False)
        assert api.messages[0]["text"] == "🚨 Shall I?"
        assert "blocks" not in api.messages[0]

    @pytest.mark.parametrize(
        ("urgency", "text"),
        [("high", "🚨 Shall I?"), ("normal", "Shall I?"), ("low", "Shall I?")],
    )
    async def test_urgency_is_seen(self, urgency: str, text: str, api: SlackApi) -> None:
        prompt = APPROVAL.model_copy(update={"urgency": urgency})
        await SlackChannel(api.settings).send(question(prompt), resend=False)
        assert (api.messages[0]["text"], texts(api.messages[0])) == (text, [text])

    async def test_what_a_long_call_leaves_out_is_said(self, api: SlackApi) -> None:
        call = f'deploy(note="{"& " * 10_000}")'
        prompt = APPROVAL.model_copy(update={"call": call})
        text = f"May I run {call}? Please answer yes or no."
        await SlackChannel(api.settings).send(question(prompt, text), resend=False)
        [message] = api.messages
        _, shown, warning = texts(message)
        assert call.startswith(shown)
        hidden = f"{len(call) - len(shown):,} more characters"
        assert hidden in warning and "ponderd runs show run1" in warning
        assert "more characters" in message["text"] and len(message["text"]) <= 3_900
        assert labels(message) == ["Approve", "Deny"]

    async def test_a_long_question_is_asked_in_pieces(self, api: SlackApi) -> None:
        prompt = Inquiry(id="run1:7", kind="question", choices=("a", "b"))
        text = "\n".join(f"{number} words of a question" for number in range(300))
        receipt = await SlackChannel(api.settings).send(question(prompt, text), resend=False)
        assert "\n".join(message["text"] for message in api.messages) == text
        assert receipt == api.messages[-1]["ts"] and labels(api.messages[-1]) == ["a", "b"]
        assert not any("blocks" in message for message in api.messages[:-1])

    async def test_blocks_that_slack_refuses_do_not_stop_the_question(self, api: SlackApi) -> None:
        api.trouble = ["msg_blocks_too_long"]
        await SlackChannel(api.settings).send(question(APPROVAL), resend=False)
        [message] = api.messages
        assert (message["text"], "blocks" in message) == ("Shall I?", False)

    async def test_a_lost_response_does_not_ask_twice(self, api: SlackApi) -> None:
        channel = SlackChannel(api.settings)
        api.trouble = ["lose_response"]
        with pytest.raises(DeliveryError):
            await channel.send(question(APPROVAL), resend=False)
        receipt = await channel.send(question(APPROVAL), resend=True)
        assert [message["ts"] for message in api.messages] == [receipt]


class TestNotice:
    @pytest.fixture
    def channel(self, api: SlackApi) -> SlackChannel:
        return SlackChannel(api.settings)

    async def asked(self, channel: SlackChannel, to: str = "C1") -> Reply:
        """A notice that resolves a question that was just posted."""
        address = Address(channel="slack", to=to)
        asked = question(APPROVAL).model_copy(update={"to": address})
        receipt = await channel.send(asked, resend=False)
        text = "Shall I?\nApproved by slack:u2."
        return reply(text, "run1:9", kind="notice", resolves=receipt, to=address)

    @pytest.mark.parametrize("to", ["C1", "U1"])
    async def test_it_takes_the_place_of_the_question(
        self, to: str, api: SlackApi, channel: SlackChannel
    ) -> None:
        notice = await self.asked(channel, to)
        receipt = await channel.send(notice, resend=False)
        [message] = api.messages
        assert receipt == message["ts"]
        assert message["text"] == "Shall I?\nApproved by <@U2>."
        assert message["blocks"] == []

    async def test_it_can_be_repeated(self, api: SlackApi, channel: SlackChannel) -> None:
        notice = await self.asked(channel)
        api.trouble = ["lose_response", "429"]
        for resend in (False, True):
            with pytest.raises(DeliveryError) as failed:
                await channel.send(notice, resend=resend)
            assert not failed.value.permanent
        await channel.send(notice, resend=True)
        assert [message["blocks"] for message in api.messages] == [[]]

    async def test_the_outcome_is_never_cut(self, api: SlackApi, channel: SlackChannel) -> None:
        notice = await self.asked(channel)
        text = "&" * 20_000 + "\nDenied by slack:u2."
        await channel.send(notice.model_copy(update={"text": text}), resend=False)
        assert api.messages[0]["text"].endswith("\nDenied by <@U2>.")
        assert "more characters do not fit here" in api.messages[0]["text"]

    @pytest.mark.parametrize("trouble", ["message_not_found", "cant_update_message"])
    async def test_it_is_posted_once_where_the_question_cannot_be_changed(
        self, trouble: str, api: SlackApi, channel: SlackChannel
    ) -> None:
        notice = await self.asked(channel)
        api.trouble = [trouble, "lose_response", trouble]
        with pytest.raises(DeliveryError):
            await channel.send(notice, resend=False)
        receipt = await channel.send(notice, resend=True)
        _, message = api.messages
        assert (message["ts"], message["text"]) == (receipt, notice.text)

    async def test_without_a_question_it_is_posted(
        self, api: SlackApi, channel: SlackChannel
    ) -> None:
        await channel.send(reply("Paused.", kind="notice"), resend=False)
        assert [message["text"] for message in api.messages] == ["Paused."]


LONG = "\n".join(f"{number:04} some words" for number in range(600))


class TestLongAnswer:
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ponderd.channels.slack.out.send.PAUSE", 0)

    async def test_it_arrives_whole_and_in_order(self, api: SlackApi) -> None:
        receipt = await SlackChannel(api.settings).send(reply(LONG), resend=False)
        assert len(api.messages) > 2 and receipt == api.messages[0]["ts"]
        assert "\n".join(message["text"] for message in api.messages) == LONG
        for number, message in enumerate(api.messages, 1):
            assert len(message["text"]) <= 3_900
            assert message["metadata"]["event_payload"] == {
                "key": "run1:7",
                "number": number,
                "total": len(api.messages),
                "limit": 3_900,
            }

    @pytest.mark.parametrize("lost", ["lose_response", "drop", "429"])
    @pytest.mark.parametrize("thread", ["1.2", ""])
    async def test_a_resend_posts_only_what_is_missing(
        self, lost: str, thread: str, api: SlackApi
    ) -> None:
        api.page_size = 1
        channel = SlackChannel(api.settings)
        long = reply(LONG, to=Address(channel="slack", to="C1", thread=thread))
        api.trouble = ["", lost]
        with pytest.raises(DeliveryError):
            await channel.send(long, resend=False)
        receipt = await channel.send(long, resend=True)
        assert "\n".join(message["text"] for message in api.messages) == LONG
        assert receipt == api.messages[0]["ts"]
        assert await channel.send(long, resend=True) == receipt

    async def test_where_slack_takes_less_the_pieces_are_smaller(self, api: SlackApi) -> None:
        channel = SlackChannel(api.settings)
        api.trouble = ["msg_too_long", "", "lose_response"]
        with pytest.raises(DeliveryError):
            await channel.send(reply(LONG), resend=False)
        await channel.send(reply(LONG), resend=True)
        assert "\n".join(message["text"] for message in api.messages) == LONG
        assert all(len(message["text"]) <= 1_200 for message in api.messages)

    @pytest.mark.parametrize("lost", ["", "lose_response", "drop"])
    @pytest.mark.parametrize("thread", ["1.2", ""])
    async def test_a_later_piece_that_is_too_long_repeats_nothing(
        self, lost: str, thread: str, api: SlackApi
    ) -> None:
        channel = SlackChannel(api.settings)
        long = reply(LONG, to=Address(channel="slack", to="C1", thread=thread))
        api.trouble = ["", "msg_too_long", "", lost]
        if lost:
            with pytest.raises(DeliveryError):
                await channel.send(long, resend=False)
        receipt = await channel.send(long, resend=bool(lost))
        assert "\n".join(message["text"] for message in api.messages) == LONG
        sizes = [len(message["text"]) for message in api.messages]
        assert sizes[0] > 3_000 and max(sizes[1:]) <= 1_200
        assert receipt == api.messages[0]["ts"]

    @pytest.mark.parametrize("first", [2_000, 3_000])
    async def test_what_follows_a_crash_is_cut_like_what_is_there(
        self, first: int, api: SlackApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        channel = SlackChannel(api.settings)
        api.trouble = ["", "", "drop"]
        with monkeypatch.context() as other_version, pytest.raises(DeliveryError):
            other_version.setattr("ponderd.channels.slack.out.arrived.TEXT_LIMIT", first)
            await channel.send(reply(LONG), resend=False)
        await channel.send(reply(LONG), resend=True)
        assert "\n".join(message["text"] for message in api.messages) == LONG

    @pytest.mark.parametrize("limit", [1_200, 3_900])
    async def test_pieces_of_an_older_version_say_no_sizes(self, limit: int, api: SlackApi) -> None:
        channel = SlackChannel(api.settings)
        api.trouble = ["msg_too_long"] if limit == 1_200 else []
        await channel.send(reply(LONG), resend=False)
        whole = len(api.messages)
        del api.messages[2:]
        for message in api.messages:
            message["metadata"]["event_payload"].pop("limit")
        await channel.send(reply(LONG), resend=True)
        assert "\n".join(message["text"] for message in api.messages) == LONG
        assert len(api.messages) == whole

    async def test_what_an_older_version_posted_whole_is_not_posted_again(
        self, api: SlackApi
    ) -> None:
        channel = SlackChannel(api.settings)
        await channel.send(reply("short"), resend=False)
        assert await channel.send(reply(LONG), resend=True) == api.messages[0]["ts"]
        assert len(api.messages) == 1


class TestHowItIsPosted:
    async def test_no_address_is_fetched_because_an_agent_wrote_it(self, api: SlackApi) -> None:
        await SlackChannel(api.settings).send(reply("https://a.test"), resend=False)
        [message] = api.messages
        assert (message["unfurl_links"], message["unfurl_media"]) in [("0", "0"), (False, False)]

    @pytest.mark.parametrize("trouble", ["thread_not_found", "cannot_reply_to_message"])
    async def test_without_its_thread_it_is_posted_to_the_channel(
        self, trouble: str, api: SlackApi
    ) -> None:
        api.trouble = [trouble]
        await SlackChannel(api.settings).send(reply(), resend=False)
        [message] = api.messages
        assert (message["channel"], "thread_ts" in message) == ("C1", False)

    async def test_a_notice_is_no_markdown_and_mentions_nobody(self, api: SlackApi) -> None:
        text = 'I started send(to="<@U1> *slack:u0boss* [x](http://a.test)") (key k).'
        await SlackChannel(api.settings).send(reply(text, kind="failure"), resend=False)
        [message] = api.messages
        assert "&lt;@U1&gt; *\u00adslack:u0boss* [x](http://a.test)" in message["text"]

    @pytest.mark.parametrize("kind", ["notice", "failure"])
    async def test_who_decided_is_mentioned_also_behind_the_question(
        self, kind: str, api: SlackApi
    ) -> None:
        told = "Cancelled by slack:t1/u1."
        text = f"May I ask slack:u9?\n{told}"
        await SlackChannel(api.settings).send(reply(text, kind=kind, outcome=told), resend=False)
        assert "Cancelled by <@U1>." in api.messages[0]["text"]
        assert "<@U9>" not in api.messages[0]["text"]

    async def test_an_empty_answer_says_so(self, api: SlackApi) -> None:
        await SlackChannel(api.settings).send(reply(" \n"), resend=False)
        assert api.messages[0]["text"] == "(The answer is empty.)"

    async def test_the_newest_token_is_used_at_every_attempt(
        self, api: SlackApi, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        settings = api.settings.model_copy(update={"slack_bot_token_file": file})
        channel = SlackChannel(settings)
        with pytest.raises(DeliveryError, match=str(file)) as failed:
            await channel.send(reply(), resend=False)
        assert failed.value.mendable
        file.write_text("xoxb-1\n")
        await channel.send(reply(), resend=False)
        assert len(api.messages) == 1

    async def test_an_unnamed_workspace_is_the_one_that_has_the_channel(
        self, api: SlackApi, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text("T1=xoxb-1\nT2=xoxb-2\n")
        settings = api.settings.model_copy(update={"slack_bot_token_file": file})
        api.trouble = ["channel_not_found"]
        await SlackChannel(settings).send(reply(), resend=False)
        assert [method for method, _ in api.calls] == ["chat.postMessage"] * 2


class TestDirectAddress:
    """A channel or a person that an operator named: there is no thread."""

    @pytest.mark.parametrize(("to", "where"), [("C123", "C123"), ("U123", "D123")])
    async def test_a_lost_response_does_not_post_twice(
        self, to: str, where: str, api: SlackApi
    ) -> None:
        api.page_size = 2
        channel = SlackChannel(api.settings)
        direct = reply(to=Address(channel="slack", to=to))
        api.trouble = ["lose_response"]
        with pytest.raises(DeliveryError):
            await channel.send(direct, resend=False)
        for number in range(5):
            await channel.send(direct.model_copy(update={"key": f"run2:{number}"}), resend=False)
        assert await channel.send(direct, resend=True) == api.messages[0]["ts"]
        assert len(api.messages) == 6
        assert {(entry["channel"], entry.get("thread_ts")) for entry in api.messages} == {
            (where, None)
        }

    async def test_a_post_that_never_arrived_is_posted_on_resend(self, api: SlackApi) -> None:
        channel = SlackChannel(api.settings)
        direct = reply(to=Address(channel="slack", to="U123"))
        api.trouble = ["drop"]
        with pytest.raises(DeliveryError):
            await channel.send(direct, resend=False)
        await channel.send(direct, resend=True)
        assert len(api.messages) == 1

    async def test_a_busy_channel_is_searched_for_a_day(self, api: SlackApi) -> None:
        """Counted from its newest message, so that a wrong clock of ours does no harm."""
        api.page_size = 2
        now = 1_900_000_000
        for age in (3 * LOOKBACK, 2 * LOOKBACK, LOOKBACK + 1, LOOKBACK - 1, 9, 0):
            api.messages.append({"channel": "C1", "text": "", "ts": f"{now - age}.000001"})
        await SlackChannel(api.settings).send(
            reply(to=Address(channel="slack", to="C1")), resend=True
        )
        assert [method for method, _ in api.calls] == [
            *["conversations.history"] * 2,
            "chat.postMessage",
        ]
