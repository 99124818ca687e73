"""Slack's way in by HTTP and Socket Mode: signatures, acknowledgements, clicks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from ponderd.channels.errors import (
    Conflict,
    Forbidden,
    NotFound,
    StartupError,
    Unavailable,
)
from ponderd.channels.message import Address, Inquiry, Reaction, Reply, Verdict
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import SocketMode, build_app, http_handler
from ponderd.channels.slack.clicks import is_response_url
from ponderd.channels.slack.out.send import SlackChannel
from tests.channels.slack.counter import Counter, Inbox, counter
from tests.channels.slack.test_receive import reacted
from tests.services import slack_api
from tests.services.eventually import eventually, patiently
from tests.services.slack_api import SlackApi, mention, signed

Handle = Callable[[Request], Awaitable[Response]]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


@pytest.fixture
async def desk(api: SlackApi, tmp_path: Path) -> AsyncIterator[Counter]:
    async with counter(api, tmp_path) as desk:
        yield desk


@pytest.fixture
def inbox(desk: Counter) -> Inbox:
    return desk.inbox


@contextlib.contextmanager
def stopped(desk: Counter) -> Iterator[None]:
    """Nothing that is taken is worked off meanwhile."""
    turns, desk.intake._turns = desk.intake._turns, asyncio.Semaphore(0)
    try:
        yield
    finally:
        desk.intake._turns.release()
        desk.intake._turns = turns


def handler(settings: ChannelSettings, desk: Counter) -> Handle:
    def refused(reason: str, detail: str) -> None:
        desk.refused.append((reason, detail))

    secret = settings.slack_signing_secret or SecretStr("none of Slack's")
    return http_handler(build_app(settings, desk.intake), secret, refused)


@pytest.fixture
def handle(api: SlackApi, desk: Counter) -> Handle:
    return handler(api.settings, desk)


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
    async def test_a_signed_event_is_kept_then_acknowledged(
        self, handle: Handle, desk: Counter
    ) -> None:
        with stopped(desk):
            body = json.dumps(mention()).encode()
            assert (await handle(request(body, signed(body)))).status_code == 200
            assert await desk.kept() == [mention()]
            assert desk.inbox.triggers == []
        await desk.settled()
        assert [trigger.text for trigger in desk.inbox.triggers] == ["hello"]
        assert await desk.kept() == []

    async def test_a_reaction_is_noted(self, handle: Handle, desk: Counter) -> None:
        body = json.dumps(reacted("+1")).encode()
        assert (await handle(request(body, signed(body)))).status_code == 200
        await desk.settled()
        assert desk.inbox.reactions == [
            Reaction(channel="slack", message="C1:1700000001.000100", by="slack:t1/u2", value=1)
        ]

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

    async def test_an_error_of_bolts_is_logged_and_described(
        self, handle: Handle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_: object) -> None:
            raise OverflowError("of Bolt's")

        monkeypatch.setattr("slack_bolt.app.async_app.AsyncApp.async_dispatch", fail)
        body = json.dumps(mention()).encode()
        with capture_logs() as lines:
            answered = await handle(request(body, signed(body)))
        assert answered.status_code == 503
        assert list(json.loads(bytes(answered.body))) == ["error"]
        assert [line["event"] for line in lines] == ["slack event failed"]

    async def test_a_store_that_is_away_means_later(self, handle: Handle, desk: Counter) -> None:
        body = json.dumps(mention()).encode()
        desk.store.available = False
        assert (await handle(request(body, signed(body)))).status_code == 503
        desk.store.available = True
        assert (await handle(request(body, signed(body)))).status_code == 200
        await desk.settled()
        assert len(desk.inbox.triggers) == 1

    @pytest.mark.parametrize("event", [mention(user=None), mention(type="message", channel="C 1")])
    async def test_what_cannot_be_read_is_acknowledged(
        self, event: dict[str, Any], handle: Handle, desk: Counter
    ) -> None:
        body = json.dumps(event).encode()
        assert (await handle(request(body, signed(body)))).status_code == 200
        assert [reason for reason, _ in desk.refused] == ["malformed"]

    async def test_slack_may_look_at_the_certificate(self, handle: Handle, desk: Counter) -> None:
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await handle(request(b"ssl_check=1&token=x", form))).status_code == 200
        assert (await handle(request(b"ssl_check=1&command=/x", form))).status_code == 401

    async def test_what_slack_did_not_sign_leaves_one_short_line(
        self, handle: Handle, desk: Counter, caplog: pytest.LogCaptureFixture
    ) -> None:
        body = b"x" * 1_000_000
        assert (await handle(request(body, signed(b"other")))).status_code == 401
        assert [reason for reason, _ in desk.refused] == ["unauthenticated"]
        assert sum(map(len, (record.getMessage() for record in caplog.records))) < 1_000

    async def test_a_command_is_acknowledged_with_a_word(self, handle: Handle) -> None:
        fields = {"command": "/ponderd", "text": "", "team_id": "T1", "user_id": "U1"}
        body = urlencode({**fields, "channel_id": "C1", "trigger_id": "1.2"}).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        response = await handle(request(body, signed(body) | form))
        assert response.status_code == 200
        assert b"Write what you want to know" in response.body

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[1]", b"\xff", b'{"authorizations": 5}', b"[" * 100_000],
    )
    async def test_a_malformed_body_is_refused(
        self, body: bytes, handle: Handle, inbox: Inbox
    ) -> None:
        assert (await handle(request(body, signed(body)))).status_code in (200, 400, 401)
        assert inbox.triggers == []


class TestClick:
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
        assert inbox.verdicts == [Verdict(inquiry="run1:7", choice="approve", by="slack:t1/u2")]
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

    async def test_an_error_of_ours_is_logged_and_described(
        self, handle: Handle, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        inbox.error = ZeroDivisionError("of ours")
        with capture_logs() as lines:
            answered = await handle(request(*api.click(question, "deny")))
        assert answered.status_code == 503 and answered.headers["retry-after"] == "2"
        assert list(json.loads(bytes(answered.body))) == ["error"]
        assert "slack event failed" in [line["event"] for line in lines]

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
        self, desk: Counter, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        elsewhere = api.settings.model_copy(update={"slack_api_url": "https://slack.com/api/"})
        desk.desk.replies._api_url = elsewhere.slack_api_url
        handle = handler(elsewhere, desk)
        with capture_logs() as logs:
            assert (await handle(request(*api.click(question, "approve")))).status_code == 200
        assert len(inbox.verdicts) == 1
        assert "slack gave no response_url of its own" in [line["event"] for line in logs]
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
        self, desk: Counter, inbox: Inbox, api: SlackApi, question: dict[str, Any]
    ) -> None:
        socket = SocketMode(build_app(api.settings, desk.intake), "xapp-1")
        await socket.start()
        try:
            inbox.error = Unavailable("the state server is away")
            await api.send_envelope(api.press(question, "approve"), "e1", "interactive")
            await eventually(lambda: inbox.refused)
            inbox.error = None
            await api.send_envelope(api.press(question, "approve"), "e2", "interactive")
            await eventually(lambda: api.acks and question["blocks"] == [])
            assert api.acks == [{"envelope_id": "e2"}]
            assert [verdict.by for verdict in inbox.verdicts] == ["slack:t1/u2"]
        finally:
            await socket.stop()


class TestSocketMode:
    async def test_an_event_is_kept_then_acknowledged(self, api: SlackApi, desk: Counter) -> None:
        socket = SocketMode(build_app(api.settings, desk.intake), "xapp-1")
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await eventually(lambda: api.acks)
            assert api.acks == [{"envelope_id": "e1"}]
            await eventually(lambda: desk.inbox.triggers)
            assert [trigger.text for trigger in desk.inbox.triggers] == ["hello"]
        finally:
            await socket.stop()

    async def test_a_store_that_is_away_is_not_acknowledged(
        self, api: SlackApi, desk: Counter
    ) -> None:
        desk.store.available = False
        socket = SocketMode(build_app(api.settings, desk.intake), "xapp-1")
        await socket.start()
        try:
            await api.send_envelope(mention(), "e1")
            await api.send_envelope({"type": "event_callback"}, "e2")
            await eventually(lambda: api.acks)  # of the second, which needs no store
            desk.store.available = True
            await api.send_envelope({**mention(), "event_id": "Ev2"}, "e3")
            await eventually(lambda: len(api.acks) > 1)
            assert [ack["envelope_id"] for ack in api.acks] == ["e2", "e3"]
        finally:
            await socket.stop()

    async def test_a_wrong_token_stops_the_start(self, api: SlackApi, desk: Counter) -> None:
        api.bad_app_token = True
        socket = SocketMode(build_app(api.settings, desk.intake), "xapp-1")
        with pytest.raises(StartupError, match="PONDERD_SLACK_APP_TOKEN"):
            await socket.start()

    async def test_a_slack_that_is_away_does_not_stop_the_start(
        self, api: SlackApi, desk: Counter
    ) -> None:
        away = api.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:1/api/"})
        socket = SocketMode(build_app(away, desk.intake), "xapp-1")
        with capture_logs() as logs:
            await socket.start()
        await socket.stop()
        assert [line["event"] for line in logs] == ["slack cannot be reached, trying again"]
