"""What Slack sends, read: messages, reactions, clicks, commands, shortcuts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Ignored, Verdict
from ponderd.channels.slack.button import parse_click
from ponderd.channels.slack.receive import (
    Command,
    Pressed,
    Reacted,
    Shortcut,
    SlackMessage,
    parse,
)
from tests.services import slack_api
from tests.services.slack_api import SlackApi, mention


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


class TestParse:
    def test_a_mention_is_read(self) -> None:
        message = parse(mention("<@UBOT> what is 2 &lt; 3?"))
        assert isinstance(message, SlackMessage)
        assert (message.ts, message.thread) == ("1700000001.000100", "")
        assert (message.mentions_us, message.is_direct) == (True, False)
        assert (message.writer.sender, message.writer.team) == ("T1/U1", "T1")

    def test_a_message_in_a_thread_names_it(self) -> None:
        message = parse(mention(thread_ts="1700000000.000001"))
        assert isinstance(message, SlackMessage)
        assert message.thread == "1700000000.000001"

    def test_a_direct_message_needs_no_mention(self) -> None:
        message = parse(mention("hello", type="message", channel_type="im", channel="D1"))
        assert isinstance(message, SlackMessage)
        assert (message.is_direct, message.mentions_us) == (True, False)

    def test_a_mention_may_come_as_a_message(self) -> None:
        message = parse(mention("hello <@UBOT>", type="message", channel_type="channel"))
        assert isinstance(message, SlackMessage)
        assert message.mentions_us

    @pytest.mark.parametrize(
        "fields",
        [
            {"user": "UBOT"},
            {"bot_id": "B1", "app_id": "A1"},
            {"type": "message", "channel_type": "im", "subtype": "message_changed"},
            {"type": "message", "channel_type": "im", "subtype": "message_deleted"},
            {"type": "message", "channel_type": "im", "subtype": "channel_join"},
            {"type": "message", "channel_type": "im", "hidden": True},
            {"type": "reaction_added"},
            {"type": "channel_rename"},
        ],
    )
    def test_what_asks_for_no_answer_is_ignored(self, fields: dict[str, Any]) -> None:
        assert isinstance(parse(mention(**fields)), Ignored)

    def test_other_payloads_are_ignored(self) -> None:
        assert isinstance(parse({"type": "block_actions"}), Ignored)
        assert isinstance(parse({"type": "view_submission"}), Ignored)

    @pytest.mark.parametrize("field", ["channel", "ts", "user"])
    @pytest.mark.parametrize("value", [None, 5, "", "a b", "a:b", "x" * 100])
    def test_a_field_of_the_wrong_kind_is_named(self, field: str, value: object) -> None:
        with pytest.raises(Malformed, match=f"^{field}: "):
            parse(mention(**{field: value}))

    def test_an_event_without_a_body_is_malformed(self) -> None:
        with pytest.raises(Malformed, match=r"^event: "):
            parse({"type": "event_callback"})

    def test_a_command(self) -> None:
        body = {
            "command": "/ponderd",
            "text": " what is new? ",
            "team_id": "T1",
            "user_id": "U1",
            "channel_id": "C1",
            "trigger_id": "1.2.3",
        }
        command = parse(body)
        assert isinstance(command, Command)
        assert (command.text, command.writer.sender) == ("what is new?", "T1/U1")
        with pytest.raises(Malformed):
            parse({**body, "user_id": 5})

    def test_a_shortcut(self) -> None:
        body = {
            "type": "message_action",
            "callback_id": "ask",
            "team": {"id": "T1"},
            "user": {"id": "U1", "team_id": "T1"},
            "channel": {"id": "C1"},
            "message": {"ts": "1.2", "text": "look", "user": "U2"},
            "trigger_id": "1.2.3",
        }
        shortcut = parse(body)
        assert isinstance(shortcut, Shortcut)
        assert (shortcut.ts, shortcut.thread, shortcut.writer.sender) == ("1.2", "1.2", "T1/U1")


class TestOrganisations:
    @pytest.mark.parametrize(
        ("outside", "event", "sender"),
        [
            ({"team_id": None, "enterprise_id": "E1"}, {"team": "T7"}, "T7/U1"),
            ({"team_id": None, "context_team_id": "T5", "authorizations": []}, {}, "T5/U1"),
            ({"authorizations": []}, {}, "T1/U1"),
            ({}, {"user_team": "T9"}, "T9/U1"),
        ],
    )
    def test_the_team_is_found(
        self, outside: dict[str, Any], event: dict[str, Any], sender: str
    ) -> None:
        message = parse({**mention(**event), **outside})
        assert isinstance(message, SlackMessage)
        assert message.writer.sender == sender

    def test_an_event_of_nowhere_is_malformed(self) -> None:
        with pytest.raises(Malformed, match="team_id"):
            parse({**mention(), "team_id": None, "authorizations": []})


def reacted(name: str, **fields: Any) -> dict[str, Any]:
    """The event of somebody's reaction to a message."""
    event = mention()
    event["event"] = {
        "type": "reaction_added",
        "user": "U2",
        "reaction": name,
        "item": {"type": "message", "channel": "C1", "ts": "1700000001.000100"},
        "event_ts": "1700000002.000100",
        **fields,
    }
    return event


class TestReactions:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("+1", 1), ("thumbsup", 1), ("+1::skin-tone-3", 1), ("heart", 1), ("-1", 0), ("x", 0)],
    )
    def test_good_and_bad_ones_are_told_apart(self, name: str, value: float) -> None:
        found = parse(reacted(name))
        assert isinstance(found, Reacted)
        assert found.reaction.value == value

    @pytest.mark.parametrize(
        "event",
        [
            reacted("eyes"),
            reacted(""),
            reacted("+1", item={"type": "file", "file": "F1"}),
            reacted("+1", item=None),
            reacted("+1", user="UBOT"),
        ],
    )
    def test_others_are_ignored(self, event: dict[str, Any]) -> None:
        assert isinstance(parse(event), Ignored)

    def test_one_that_names_no_message_is_malformed(self) -> None:
        with pytest.raises(Malformed):
            parse(reacted("+1", item={"type": "message", "channel": "C1"}))


class TestParseClick:
    @pytest.fixture
    def body(self, api: SlackApi) -> dict[str, Any]:
        button = {"action_id": "ponderd:0", "value": "run1:7 next week"}
        actions = [{"type": "actions", "elements": [button]}]
        message = {"channel": "C1", "ts": "1.2", "text": "When?", "blocks": actions}
        return api.press(message, "next week", user="U2")

    def test_a_button_says_what_was_asked_what_was_chosen_and_by_whom(
        self, body: dict[str, Any]
    ) -> None:
        click = parse_click(body)
        assert not isinstance(click, Ignored)
        assert click.verdict == Verdict(inquiry="run1:7", choice="next week", by="slack:u2")
        assert (click.message, click.thread) == ("When?", "")

    def test_who_pressed_it_has_a_team(self, body: dict[str, Any]) -> None:
        pressed = parse(body)
        assert isinstance(pressed, Pressed)
        assert pressed.click.verdict.by == "slack:t1/u2"

    @pytest.mark.parametrize(
        "fields",
        [
            {"actions": []},
            {"actions": [{"action_id": "other:0", "value": "run1:7 approve"}]},
            {"actions": [{"action_id": "ponderd:0"}]},
            {"actions": 5},
            {"user": "U2"},
        ],
    )
    def test_what_is_no_button_of_ours_is_ignored(
        self, fields: dict[str, Any], body: dict[str, Any]
    ) -> None:
        assert isinstance(parse_click(body | fields), Ignored)

    @pytest.mark.parametrize(
        "fields",
        [
            {"user": {}},
            {"user": {"id": "U 2"}},
            {"actions": [{"action_id": "ponderd:0", "value": "run1:7 \ud800"}]},
        ],
    )
    def test_what_slack_would_not_send_is_refused(
        self, fields: dict[str, Any], body: dict[str, Any]
    ) -> None:
        with pytest.raises(Malformed):
            parse_click(body | fields)
