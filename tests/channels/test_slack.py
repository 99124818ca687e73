import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from channels.errors import DeliveryFailed, Malformed, NotFound, StartupFailed, Unavailable
from channels.message import Accepted, Address, Attachment, Ignored, Reply, Trigger
from channels.settings import ChannelSettings
from channels.slack import (
    TEXT_LIMIT,
    SlackChannel,
    SocketMode,
    build_app,
    http_handler,
    mrkdwn,
    parse,
    readable,
)
from tests.services import slack_api
from tests.services.slack_api import SIGNING_SECRET, SlackApi, mention, signed


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@UBOT>: deploy", "deploy"),
        ("<@UBOT|bot> deploy", "deploy"),
        ("ask <@UBOT> and <@U2> or <@U3|bob>", "ask @UBOT and @U2 or @bob"),
        ("in <#C1|general> or <#C2>", "in #general or #C2"),
        ("<!here> <!subteam^S1|@ops> <!date^1^{date}|today>", "@here @ops today"),
        ("see <https://a.test/?x=1&amp;y=2|the page>", "see the page (https://a.test/?x=1&y=2)"),
        ("<https://a.test/> <mailto:a@b.test|a@b.test>", "https://a.test/ a@b.test"),
        ("&amp;lt; 2 &gt; 1", "&lt; 2 > 1"),
        ("a\x00b\ud800", "ab"),
    ],
)
def test_markup_is_read_as_a_person_would_write_it(text: str, expected: str) -> None:
    assert readable(text, "UBOT") == expected


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("[page](https://a.test/?x=1&y=2)", "<https://a.test/?x=1&amp;y=2|page>"),
        ("## Title ##\ntext", "*Title*\ntext"),
        ("`**code** <b>`", "`**code** &lt;b&gt;`"),
        (
            "```\n**code** & [a](https://b.test)\n```",
            "```\n**code** &amp; [a](https://b.test)\n```",
        ),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("2 ** 3 ** 4", "2 ** 3 ** 4"),
    ],
)
def test_markdown_becomes_slacks_markup(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


@pytest.mark.parametrize("piece", ["x", "&", "**a** ", "`", "[a](", "# "])
def test_a_long_answer_is_cut_quickly(piece: str) -> None:
    start = time.perf_counter()
    assert len(mrkdwn(piece * 300_000)) <= TEXT_LIMIT
    assert time.perf_counter() - start < 2


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


def settings(api: SlackApi) -> ChannelSettings:
    return ChannelSettings(
        slack_api_url=api.url,
        slack_bot_token=SecretStr("xoxb-1"),
        slack_app_token=SecretStr("xapp-1"),
        slack_signing_secret=SecretStr(SIGNING_SECRET),
    )


def reply(text: str = "**4**", key: str = "run1:7") -> Reply:
    return Reply(
        key=key,
        run_id="run1",
        agent="assistant",
        conversation="T1:C1:1.2",
        kind="answer",
        text=text,
        to=Address(channel="slack", to="C1", thread="1.2"),
    )


class TestSend:
    async def test_a_reply_is_posted_into_its_thread_with_its_key(self, api: SlackApi) -> None:
        receipt = await SlackChannel(settings(api)).send(reply(), resend=False)
        [message] = api.messages
        assert receipt == message["ts"]
        assert (message["channel"], message["thread_ts"], message["text"]) == ("C1", "1.2", "*4*")
        assert message["metadata"] == {
            "event_type": "ponderd_reply",
            "event_payload": {"key": "run1:7"},
        }

    async def test_a_lost_response_does_not_post_twice(self, api: SlackApi) -> None:
        api.page_size = 1
        channel = SlackChannel(settings(api))
        await channel.send(reply(key="run1:3"), resend=False)
        api.trouble = ["lose_response"]
        with pytest.raises(DeliveryFailed) as failed:
            await channel.send(reply(), resend=False)
        assert not failed.value.permanent
        assert len(api.messages) == 2
        assert await channel.send(reply(), resend=True) == api.messages[1]["ts"]
        assert len(api.messages) == 2

    async def test_a_post_that_never_arrived_is_posted_on_resend(self, api: SlackApi) -> None:
        api.trouble = ["drop"]
        channel = SlackChannel(settings(api))
        with pytest.raises(DeliveryFailed):
            await channel.send(reply(), resend=False)
        await channel.send(reply(), resend=True)
        assert len(api.messages) == 1

    @pytest.mark.parametrize(
        ("trouble", "permanent", "wait"),
        [
            ("429", False, 7),
            ("invalid_auth", True, None),
            ("channel_not_found", True, None),
            ("not_in_channel", True, None),
            ("is_archived", True, None),
            ("internal_error", False, None),
        ],
    )
    async def test_the_error_says_whether_to_try_again(
        self, trouble: str, permanent: bool, wait: float | None, api: SlackApi
    ) -> None:
        api.trouble = [trouble]
        with pytest.raises(DeliveryFailed) as failed:
            await SlackChannel(settings(api)).send(reply(), resend=False)
        assert (failed.value.permanent, failed.value.retry_after) == (permanent, wait)
        assert [method for method, _ in api.calls] == ["chat.postMessage"]

    async def test_a_slack_that_is_away_is_worth_another_try(self, api: SlackApi) -> None:
        away = settings(api).model_copy(update={"slack_api_url": "http://127.0.0.1:1/api/"})
        with pytest.raises(DeliveryFailed) as failed:
            await SlackChannel(away).send(reply(), resend=False)
        assert not failed.value.permanent


class Inbox:
    """The daemon's side of Slack."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.error: Exception | None = None

    async def accept(self, trigger: Trigger) -> Accepted:
        if self.error:
            raise self.error
        self.triggers.append(trigger)
        return Accepted(run_id="run1")


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
    def handle(self, api: SlackApi, inbox: Inbox) -> Callable[[Request], Awaitable[Response]]:
        return http_handler(build_app(settings(api), inbox.accept))

    async def test_a_signed_event_is_stored_then_acknowledged(
        self, handle: Callable[[Request], Awaitable[Response]], inbox: Inbox, api: SlackApi
    ) -> None:
        body = json.dumps(mention()).encode()
        assert (await handle(request(body, signed(body)))).status_code == 200
        assert [trigger.text for trigger in inbox.triggers] == ["hello"]
        assert api.calls == []  # nothing is asked of Slack before the event is safe

    async def test_url_verification_is_answered(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> None:
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
        handle: Callable[[Request], Awaitable[Response]],
        inbox: Inbox,
    ) -> None:
        body = json.dumps(mention()).encode()
        if headers and "content-type" not in headers:
            headers = signed(body) | headers
        headers.setdefault("content-type", "application/json")
        assert (await handle(request(body, headers))).status_code == 401
        assert inbox.triggers == []

    async def test_a_store_that_is_away_means_later(
        self, handle: Callable[[Request], Awaitable[Response]], inbox: Inbox
    ) -> None:
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
        handle: Callable[[Request], Awaitable[Response]],
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
        self, body: bytes, handle: Callable[[Request], Awaitable[Response]], inbox: Inbox
    ) -> None:
        assert (await handle(request(body, signed(body)))).status_code in (200, 400)
        assert inbox.triggers == []

    async def test_without_a_signing_secret_nobody_is_let_in(self, inbox: Inbox) -> None:
        handle = http_handler(build_app(ChannelSettings(), inbox.accept))
        body = json.dumps(mention()).encode()
        assert (await handle(request(body, signed(body, secret="")))).status_code == 401


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


class TestSocketMode:
    async def test_an_event_is_stored_then_acknowledged(self, api: SlackApi) -> None:
        inbox = Inbox()
        socket = SocketMode(build_app(settings(api), inbox.accept), "xapp-1")
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await until(lambda: api.acks)
            assert api.acks == [{"envelope_id": "e1"}]
            assert [trigger.text for trigger in inbox.triggers] == ["hello"]
            assert [method for method, _ in api.calls] == ["apps.connections.open"]
        finally:
            await socket.stop()

    async def test_a_store_that_is_away_is_not_acknowledged(self, api: SlackApi) -> None:
        inbox = Inbox()
        inbox.error = Unavailable("the state server is away")
        socket = SocketMode(build_app(settings(api), inbox.accept), "xapp-1")
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await asyncio.sleep(0.1)
            inbox.error = None
            await api.send_envelope(mention(event_id="Ev2"), "e2")
            await until(lambda: api.acks)
            assert api.acks == [{"envelope_id": "e2"}]
        finally:
            await socket.stop()

    async def test_a_wrong_token_stops_the_start(self, api: SlackApi) -> None:
        api.bad_app_token = True
        socket = SocketMode(build_app(settings(api), Inbox().accept), "xapp-1")
        with pytest.raises(StartupFailed, match="PONDERD_SLACK_APP_TOKEN"):
            await socket.start()

    async def test_a_slack_that_is_away_does_not_stop_the_start(self, api: SlackApi) -> None:
        away = settings(api).model_copy(update={"slack_api_url": "http://127.0.0.1:1/api/"})
        socket = SocketMode(build_app(away, Inbox().accept), "xapp-1")
        await socket.start()
        await asyncio.sleep(0.05)
        await socket.stop()
