import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from ponderd.channels.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    StartupError,
    Unavailable,
)
from ponderd.channels.message import (
    Accepted,
    Address,
    Attachment,
    Ignored,
    Inquiry,
    Reaction,
    Reply,
    Trigger,
    Verdict,
)
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import SocketMode, build_app, http_handler
from ponderd.channels.slack.clicks import is_response_url, parse_click
from ponderd.channels.slack.out.send import SlackChannel
from ponderd.channels.slack.receive import parse
from tests.services import slack_api
from tests.services.eventually import eventually, patiently
from tests.services.slack_api import SlackApi, mention, signed

Handle = Callable[[Request], Awaitable[Response]]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


class TestParse:
    def test_a_mention_becomes_a_trigger(self) -> None:
        assert parse(mention("<@UBOT> what is 2 &lt; 3?")) == Trigger(
            channel="slack",
            keys=("slack:event:Ev1", "slack:T1:C1:1700000001.000100"),
            conversation="T1:C1:1700000001.000100",
            text="what is 2 < 3?",
            sender="U1",
            authentic=True,
            reply_to=Address(channel="slack", to="C1", thread="1700000001.000100"),
        )

    def test_a_message_in_a_thread_belongs_to_the_thread(self) -> None:
        trigger = parse(mention(thread_ts="1700000000.000001"))
        assert isinstance(trigger, Trigger)
        assert trigger.conversation == "T1:C1:1700000000.000001"
        assert trigger.reply_to is not None
        assert trigger.reply_to.thread == "1700000000.000001"

    def test_a_direct_message_is_heard_without_a_mention(self) -> None:
        trigger = parse(mention("hello", type="message", channel_type="im", channel="D1"))
        assert isinstance(trigger, Trigger)
        assert trigger.conversation == "T1:D1:1700000001.000100"

    def test_files_are_named(self) -> None:
        trigger = parse(
            mention(
                type="message",
                channel_type="im",
                subtype="file_share",
                files=[{"name": "a.pdf", "mimetype": "application/pdf", "size": 5}, {"id": "F1"}],
            )
        )
        assert isinstance(trigger, Trigger)
        assert trigger.attachments == (
            Attachment(name="a.pdf", content_type="application/pdf", size=5),
            Attachment(name="F1", content_type="", size=0),
        )

    @pytest.mark.parametrize(
        "fields",
        [
            {"bot_id": "B1"},
            {"bot_profile": {"id": "B1"}},
            {"user": "UBOT"},
            {"type": "message", "channel_type": "channel"},
            {"type": "message", "channel_type": "im", "subtype": "message_changed"},
            {"type": "message", "channel_type": "im", "subtype": "message_deleted"},
            {"type": "message", "channel_type": "im", "subtype": "bot_message"},
            {"type": "message", "channel_type": "im", "subtype": "channel_join"},
            {"type": "reaction_added"},
        ],
    )
    def test_what_asks_for_no_answer_is_ignored(self, fields: dict[str, Any]) -> None:
        assert isinstance(parse(mention(**fields)), Ignored)

    def test_other_payloads_are_ignored(self) -> None:
        assert isinstance(parse({"type": "block_actions"}), Ignored)

    @pytest.mark.parametrize("field", ["channel", "ts", "user"])
    @pytest.mark.parametrize("value", [None, 5, "", "a b", "a:b", "x" * 100])
    def test_a_field_of_the_wrong_kind_is_named(self, field: str, value: object) -> None:
        with pytest.raises(Malformed, match=f"^{field}: "):
            parse(mention(**{field: value}))

    def test_an_event_without_a_body_is_malformed(self) -> None:
        with pytest.raises(Malformed, match=r"^event: "):
            parse({"type": "event_callback"})


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


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
        assert isinstance(found, Reaction)
        assert found.value == value

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


class Inbox:
    """The daemon's side of Slack."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.verdicts: list[Verdict] = []
        self.reactions: list[Reaction] = []
        self.error: Exception | None = None
        self.refused = 0

    def _meet(self) -> None:
        if self.error:
            self.refused += 1
            raise self.error

    async def accept(self, trigger: Trigger) -> Accepted:
        self._meet()
        self.triggers.append(trigger)
        return Accepted(run_id="run1")

    async def answer(self, verdict: Verdict) -> str:
        self._meet()
        self.verdicts.append(verdict)
        return f"Approved by {verdict.by}."

    async def react(self, reaction: Reaction) -> None:
        self._meet()
        self.reactions.append(reaction)


def request(body: bytes, headers: dict[str, str]) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/slack/events",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    return Request(scope, receive)


class TestHttp:
    @pytest.fixture
    def inbox(self) -> Inbox:
        return Inbox()

    @pytest.fixture
    def handle(self, api: SlackApi, inbox: Inbox) -> Handle:
        return http_handler(build_app(api.settings, inbox.accept, inbox.answer, inbox.react))

    async def test_a_signed_event_is_stored_then_acknowledged(
        self, handle: Handle, inbox: Inbox, api: SlackApi
    ) -> None:
        body = json.dumps(mention()).encode()
        assert (await handle(request(body, signed(body)))).status_code == 200
        assert [trigger.text for trigger in inbox.triggers] == ["hello"]
        assert api.calls == []  # nothing is asked of Slack before the event is safe

    async def test_a_reaction_is_noted_then_acknowledged(
        self, handle: Handle, inbox: Inbox
    ) -> None:
        body = json.dumps(reacted("+1")).encode()
        inbox.error = Unavailable("the state server is away")
        assert (await handle(request(body, signed(body)))).status_code == 503
        inbox.error = None
        assert (await handle(request(body, signed(body)))).status_code == 200
        [reaction] = inbox.reactions
        assert reaction == Reaction(
            channel="slack", message="C1:1700000001.000100", by="slack:u2", value=1
        )

    async def test_url_verification_is_answered(self, handle: Handle) -> None:
        body = json.dumps({"type": "url_verification", "challenge": "c1"}).encode()
        response = await handle(request(body, signed(body)))
        assert response.status_code == 200
        assert b"c1" in response.body

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-slack-signature": "v0=bad"},
            {"x-slack-signature": "v0=é"},
            {"x-slack-request-timestamp": "yesterday"},
            signed(b"other"),
            signed(json.dumps(mention()).encode(), now=1_700_000_000),
            signed(json.dumps(mention()).encode(), secret="other"),
        ],
        ids=["none", "bad", "latin", "time", "body", "old", "secret"],
    )
    async def test_a_wrong_signature_is_refused(
        self,
        headers: dict[str, str],
        handle: Handle,
        inbox: Inbox,
    ) -> None:
        body = json.dumps(mention()).encode()
        if headers and "content-type" not in headers:
            headers = signed(body) | headers
        headers.setdefault("content-type", "application/json")
        assert (await handle(request(body, headers))).status_code == 401
        assert inbox.triggers == []

    async def test_a_store_that_is_away_means_later(self, handle: Handle, inbox: Inbox) -> None:
        body = json.dumps(mention()).encode()
        inbox.error = Unavailable("the state server is away")
        assert (await handle(request(body, signed(body)))).status_code == 503
        inbox.error = None
        assert (await handle(request(body, signed(body)))).status_code == 200
        assert len(inbox.triggers) == 1

    @pytest.mark.parametrize("error", [NotFound("no such agent"), None])
    async def test_what_cannot_be_answered_is_acknowledged(
        self,
        error: Exception | None,
        handle: Handle,
        inbox: Inbox,
    ) -> None:
        inbox.error = error
        body = json.dumps(mention(user=None) if error is None else mention()).encode()
        assert (await handle(request(body, signed(body)))).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[1]", b"\xff", b'{"authorizations": 5}', b"[" * 100_000],
    )
    async def test_a_malformed_body_is_refused(
        self, body: bytes, handle: Handle, inbox: Inbox
    ) -> None:
        assert (await handle(request(body, signed(body)))).status_code in (200, 400)
        assert inbox.triggers == []

    async def test_without_a_signing_secret_nobody_is_let_in(self, inbox: Inbox) -> None:
        handle = http_handler(build_app(ChannelSettings(), inbox.accept, inbox.answer, inbox.react))
        body = json.dumps(mention()).encode()
        assert (await handle(request(body, signed(body, secret="")))).status_code == 401


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


@pytest.mark.parametrize(
    ("url", "api_url", "trusted"),
    [
        ("https://hooks.slack.com/actions/T1/2/3", "https://slack.com/api/", True),
        ("http://hooks.slack.com/actions/T1/2/3", "https://slack.com/api/", False),
        ("https://slack.com/actions", "https://slack.com/api/", False),
        ("https://hooks.slack.com.evil.test/", "https://slack.com/api/", False),
        ("https://hooks.slack.com@evil.test/", "https://slack.com/api/", False),
        ("https://hooks.slack.com:8443/", "https://slack.com/api/", False),
        ("http://127.0.0.1:80/", "https://slack.com/api/", False),
        ("https://[", "https://slack.com/api/", False),
        ("", "https://slack.com/api/", False),
        ("https://hooks.slack-gov.com/x", "https://slack-gov.com/api/", True),
        ("http://127.0.0.1:80/response", "http://127.0.0.1:80/api/", True),
        ("http://127.0.0.1:81/response", "http://127.0.0.1:80/api/", False),
    ],
)
def test_only_slack_itself_is_answered(url: str, api_url: str, trusted: bool) -> None:
    assert is_response_url(url, api_url) is trusted


class TestClick:
    @pytest.fixture
    def inbox(self) -> Inbox:
        return Inbox()

    @pytest.fixture
    def handle(self, api: SlackApi, inbox: Inbox) -> Handle:
        return http_handler(build_app(api.settings, inbox.accept, inbox.answer, inbox.react))

    @pytest.fixture
    async def question(self, api: SlackApi) -> dict[str, Any]:
        """An approval in a thread, as it stands in Slack."""
        reply = Reply(
            key="run1:7",
            run_id="run1",
            agent="deployer",
            conversation="T1:C1:1.2",
            kind="question",
            text="May I **go**?",
            to=Address(channel="slack", to="C1", thread="1.2"),
            inquiry=Inquiry(id="run1:7", kind="approval", urgency="high"),
        )
        await SlackChannel(api.settings).send(reply, resend=False)
        return api.messages[0]

    async def test_the_verdict_is_stored_then_acknowledged_then_shown(
        self, handle: Handle, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        assert (
            await handle(request(*api.click(question, "approve", user="U2")))
        ).status_code == 200
        assert inbox.verdicts == [Verdict(inquiry="run1:7", choice="approve", by="slack:u2")]
        await eventually(lambda: question["blocks"] == [])
        assert question["text"] == "May I **go**?\nApproved by <@U2>."
        assert api.whispers == []

    @pytest.mark.parametrize("error", [Conflict, Forbidden, NotFound])
    async def test_a_click_that_does_not_count_is_explained_to_who_clicked(
        self,
        error: type[Exception],
        handle: Handle,
        inbox: Inbox,
        api: SlackApi,
        question: dict[str, Any],
    ) -> None:
        inbox.error = error("already denied by slack:u3")
        assert (
            await handle(request(*api.click(question, "approve", user="U2")))
        ).status_code == 200
        await eventually(lambda: api.whispers)
        [whisper] = api.whispers
        assert (whisper["user"], whisper["text"]) == ("U2", "already denied by <@U3>")
        assert (whisper["response_type"], whisper["thread_ts"]) == ("ephemeral", "1.2")
        assert question["blocks"] != []

    async def test_a_store_that_is_away_is_an_error_to_who_clicked(
        self, handle: Handle, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        inbox.error = Unavailable("the state server is away")
        click = api.click(question, "deny")
        assert (await handle(request(*click))).status_code == 503
        inbox.error = None
        assert (await handle(request(*click))).status_code == 200
        assert [verdict.choice for verdict in inbox.verdicts] == ["deny"]

    async def test_a_slow_slack_does_not_delay_the_acknowledgement(
        self, handle: Handle, api: SlackApi, question: dict[str, Any]
    ) -> None:
        api.response_delay = 3600
        answer = await patiently(handle(request(*api.click(question, "approve"))))
        assert answer.status_code == 200
        assert question["blocks"] != []

    async def test_nobody_but_slack_is_answered(
        self, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        elsewhere = api.settings.model_copy(update={"slack_api_url": "https://slack.com/api/"})
        handle = http_handler(build_app(elsewhere, inbox.accept, inbox.answer, inbox.react))
        assert (await handle(request(*api.click(question, "approve")))).status_code == 200
        assert len(inbox.verdicts) == 1
        await asyncio.sleep(0.2)
        assert question["blocks"] != []

    @pytest.mark.parametrize("secret", ["other", ""])
    async def test_a_wrong_signature_decides_nothing(
        self, secret: str, handle: Handle, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        body, headers = api.click(question, "approve")
        forged = headers | {
            name: value
            for name, value in signed(body, secret=secret).items()
            if name != "content-type"
        }
        assert (await handle(request(body, forged))).status_code == 401
        payload = api.press(question, "approve") | {"ssl_check": "1"}  # needs no signature
        await handle(request(json.dumps(payload).encode(), forged))
        assert inbox.verdicts == []

    async def test_over_socket_mode(
        self, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        socket = SocketMode(
            build_app(api.settings, inbox.accept, inbox.answer, inbox.react), "xapp-1"
        )
        await socket.start()
        try:
            inbox.error = Unavailable("the state server is away")
            await api.send_envelope(api.press(question, "approve"), "e1", "interactive")
            await eventually(lambda: inbox.refused)
            inbox.error = None
            await api.send_envelope(api.press(question, "approve"), "e2", "interactive")
            await eventually(lambda: api.acks and question["blocks"] == [])
            assert api.acks == [{"envelope_id": "e2"}]
            assert [verdict.by for verdict in inbox.verdicts] == ["slack:u2"]
        finally:
            await socket.stop()


class TestSocketMode:
    async def test_an_event_is_stored_then_acknowledged(self, api: SlackApi) -> None:
        inbox = Inbox()
        socket = SocketMode(
            build_app(api.settings, inbox.accept, inbox.answer, inbox.react), "xapp-1"
        )
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await eventually(lambda: api.acks)
            assert api.acks == [{"envelope_id": "e1"}]
            assert [trigger.text for trigger in inbox.triggers] == ["hello"]
            assert [method for method, _ in api.calls] == ["apps.connections.open"]
        finally:
            await socket.stop()

    async def test_a_store_that_is_away_is_not_acknowledged(self, api: SlackApi) -> None:
        inbox = Inbox()
        inbox.error = Unavailable("the state server is away")
        socket = SocketMode(
            build_app(api.settings, inbox.accept, inbox.answer, inbox.react), "xapp-1"
        )
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await eventually(lambda: inbox.refused)
            inbox.error = None
            await api.send_envelope(mention(event_id="Ev2"), "e2")
            await eventually(lambda: api.acks)
            assert api.acks == [{"envelope_id": "e2"}]
        finally:
            await socket.stop()

    async def test_a_wrong_token_stops_the_start(self, api: SlackApi) -> None:
        api.bad_app_token = True
        socket = SocketMode(
            build_app(api.settings, Inbox().accept, Inbox().answer, Inbox().react), "xapp-1"
        )
        with pytest.raises(StartupError, match="PONDERD_SLACK_APP_TOKEN"):
            await socket.start()

    async def test_a_slack_that_is_away_does_not_stop_the_start(self, api: SlackApi) -> None:
        away = api.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:1/api/"})
        socket = SocketMode(
            build_app(away, Inbox().accept, Inbox().answer, Inbox().react), "xapp-1"
        )
        await socket.start()
        await asyncio.sleep(0.05)
        await socket.stop()
