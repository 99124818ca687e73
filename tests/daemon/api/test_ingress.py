"""POST /webhooks/{source}: what becomes of a delivery, from outside."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from ponderd.channels.blobs import open_blobs
from ponderd.channels.errors import StartupError
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.webhook.intake import Intake
from ponderd.daemon.api.server import create_app
from ponderd.daemon.refusals import REGISTRY
from ponderd.daemon.routing import load_routes, route_to
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.run import events as e
from ponderd.workers.store.memory_store import MemoryStore
from tests.services import twilio_api
from tests.services.asgi import AppAnswer, ask

ROUTES = """
[webhooks.github]
verify = "github"
secret = "s3cret"
when = "action == 'opened' and sender.type != 'Bot'"
text = "{{ issue.title }}\\n\\n{{ issue.body }}"

[webhooks.ops]
verify = "bearer"
token = "tok"
text = "{{ headers.x_kind }} {{ query.team }}: {{ payload }}"
id = "{{ event.id }}"
conversation = "{{ event.about }}"

[webhooks.plain]
verify = "bearer"
token = "tok"

[webhooks.meta]
verify = "meta"
secret = "s3cret"
token = "word"

[webhooks.sms]
preset = "twilio"
secret = "twilio-token"

[webhooks.drivers]
preset = "twilio"
secret = "twilio-token"
when = "From in ('+15557777',)"
text = "A driver wrote: {{ Body }}"
conversation = "drivers"
answer = "slack:C0123"

[webhooks.zoom]
verify = "zoom"
secret = ["s3cret", "the next one"]
"""


class Daemon:
    def __init__(self, app: FastAPI, log: RunLog) -> None:
        self.app, self.log = app, log

    async def post(
        self, source: str, body: Any, headers: dict[str, str] | None = None, sign: str = "bearer"
    ) -> AppAnswer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        if sign == "bearer":
            given["authorization"] = "Bearer tok"
        elif sign:
            digest = hmac.new(b"s3cret", content, hashlib.sha256).hexdigest()
            given[sign] = f"sha256={digest}"
        return await ask(self.app, "POST", f"/webhooks/{source}", content, given)

    async def messages(self, answer: AppAnswer) -> list[e.MessageReceived]:
        assert answer.status == 202, answer
        events = await self.log.events(json.loads(answer.body)["run_id"])
        return [event for event in events if isinstance(event, e.MessageReceived)]

    async def text(self, answer: AppAnswer) -> str:
        return (await self.messages(answer))[-1].text

    async def runs(self) -> int:
        page = await self.log.store.list_runs(status=None, agent=None, limit=100, cursor=None)
        return len(page.heads)


@pytest.mark.parametrize("table", ["channels", "alerts"])
def test_a_channel_of_slack_is_named_by_its_id(table: str, tmp_path: Path) -> None:
    file = tmp_path / "ponderd.toml"
    file.write_text(f'[slack.{table}]\n"#ops" = "assistant"\n')
    with pytest.raises(StartupError, match=f"slack.{table}: '#ops' is no id of a channel"):
        load_routes(file, discover([], None))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    file = tmp_path / "ponderd.toml"
    file.write_text(ROUTES)
    agents = discover([], file)
    routes, log = load_routes(file, agents), RunLog(MemoryStore(), lambda _: None)
    runs, inquiries = Runs(log, agents), Inquiries(log, agents)
    settings = ChannelSettings(callback_allow=("127.0.0.1",), data_dir=tmp_path)
    intake = Intake(open_blobs(settings), settings.callback_allow)
    app = create_app(
        log,
        runs,
        inquiries,
        route_to(runs, routes),
        routes,
        settings,
        DaemonSettings(api_token=SecretStr("api token")),
        intake,
    )
    yield Daemon(app, log)
    await intake.close()


def github(**changed: Any) -> dict[str, Any]:
    sender = {"login": "ann", "type": "User"}
    issue = {"title": "Crash", "body": None}
    return {"action": "opened", "issue": issue, "sender": sender, **changed}


async def test_a_delivery_is_read_by_its_route(daemon: Daemon) -> None:
    answer = await daemon.post("github", github(), sign="x-hub-signature-256")
    assert (await daemon.text(answer)).strip() == "Crash"


@pytest.mark.parametrize(
    "changed",
    [{"action": "labeled"}, {"action": "edited"}, {"sender": {"type": "Bot"}}, {"action": None}],
)
async def test_one_that_is_not_wanted_is_204_a_line_and_a_count(
    daemon: Daemon, changed: dict[str, Any]
) -> None:
    labels = {"channel": "webhook", "source": "github", "reason": "when"}
    before = REGISTRY.get_sample_value("ponderd_ignored_total", labels) or 0
    with capture_logs() as lines:
        answer = await daemon.post("github", github(**changed), sign="x-hub-signature-256")
    assert (answer.status, answer.body) == (204, b"")
    assert REGISTRY.get_sample_value("ponderd_ignored_total", labels) == before + 1
    assert [(line["event"], line["source"]) for line in lines] == [("ignored", "github")]
    assert await daemon.runs() == 0


async def test_a_text_that_renders_empty_is_ignored_too(daemon: Daemon) -> None:
    empty = github(issue={"title": None, "body": ""})
    assert (await daemon.post("github", empty, sign="x-hub-signature-256")).status == 204


async def test_headers_query_and_id_reach_the_templates(daemon: Daemon) -> None:
    event = {"event": {"id": "E1", "about": 17, "at": 1.50}, "reply_to": {"no": "url"}}
    body = b'{"event": {"id": "E1", "about": 17, "at": 1.50}, "reply_to": {"no": "url"}}'
    first = await daemon.post("ops?team=db&token=x", body, {"x-kind": "alert"})
    assert await daemon.text(first) == (
        'alert db: {"event":{"id":"E1","about":17,"at":1.50},"reply_to":{"no":"url"}}'
    )
    again = await daemon.post("ops?team=db", body, {"x-kind": "alert"})
    assert json.loads(again.body) == json.loads(first.body)
    assert len(await daemon.messages(again)) == 1
    event["event"] = {"id": "E2", "about": 17}
    next_one = await daemon.post("ops?team=db", event, {"x-kind": "alert"})
    assert len(await daemon.messages(next_one)) == 2


async def test_a_template_that_fails_in_part_is_told(daemon: Daemon) -> None:
    with capture_logs() as lines:
        answer = await daemon.post("github", github(action=5), sign="x-hub-signature-256")
    assert answer.status == 204
    assert [line for line in lines if line["event"] == "template failed in part"] == []


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ({"content-encoding": "gzip"}, gzip.compress(b'{"text": "hi"}', mtime=0), "hi"),
        ({"content-type": "text/plain"}, b"disk full on db-1", "disk full on db-1"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"text=hi", "hi"),
    ],
)
async def test_other_bodies_than_json_are_read(
    daemon: Daemon, headers: dict[str, str], body: bytes, text: str
) -> None:
    assert await daemon.text(await daemon.post("plain", body, headers)) == text


async def test_a_batch_starts_what_it_holds_once(daemon: Daemon) -> None:
    batch = [
        {"specversion": "1.0", "id": str(n), "source": "/a", "type": "t", "data": {"text": f"n{n}"}}
        for n in range(3)
    ]
    headers = {"content-type": "application/cloudevents-batch+json", "webhook-id": "w1"}
    first = await daemon.post("plain", batch, headers)
    assert len(set(json.loads(first.body)["run_ids"])) == 3
    again = await daemon.post("plain", batch, headers)
    assert (again.status, json.loads(again.body)) == (202, json.loads(first.body))
    assert await daemon.runs() == 3


@pytest.mark.parametrize(
    ("source", "sign", "body", "status", "label"),
    [
        ("github", "", b"{}", 401, ("github", "unauthenticated")),
        ("plain", "bearer", b"{", 400, ("plain", "malformed")),
        ("plain", "bearer", b'{"conversation": {}}', 400, ("plain", "malformed")),
        ("nope", "bearer", b"{}", 404, ("unknown", "not_found")),
    ],
)
async def test_what_is_refused_is_a_line_and_a_count(
    daemon: Daemon, source: str, sign: str, body: bytes, status: int, label: tuple[str, str]
) -> None:
    labels = {"channel": "webhook", "source": label[0], "reason": label[1]}
    before = REGISTRY.get_sample_value("ponderd_refused_total", labels) or 0
    with capture_logs() as lines:
        assert (await daemon.post(source, body, sign=sign)).status == status
    assert REGISTRY.get_sample_value("ponderd_refused_total", labels) == before + 1
    assert [line["event"] for line in lines] == ["refused"]


async def test_a_store_that_is_away_burns_no_key(daemon: Daemon) -> None:
    store = daemon.log.store
    assert isinstance(store, MemoryStore)
    store.available = False
    headers = {"webhook-id": "k1"}
    assert (await daemon.post("plain", {"text": "a"}, headers)).status == 503
    store.available = True
    assert await daemon.text(await daemon.post("plain", {"text": "b"}, headers)) == "b"


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "b"},
        {"conversation": "d"},
        {"reply_to": "http://127.0.0.1:9/other"},
        {"conversation": None},
    ],
)
async def test_a_key_that_comes_again_with_another_message_is_409(
    daemon: Daemon, changed: dict[str, Any]
) -> None:
    body = {"text": "a", "conversation": "c", "reply_to": "http://127.0.0.1:9/"}
    for headers in ({"webhook-id": "42"}, {"idempotency-key": "42"}, {"x-github-delivery": "42"}):
        first = await daemon.post("plain", body, headers)
        again = await daemon.post("plain", body, headers)
        assert (again.status, again.body) == (202, first.body)
        other = await daemon.post("plain", {**body, **changed}, headers)
        assert other.status == 409
        assert b"came before with another message" in other.body
    assert len(await daemon.messages(first)) == 3


async def test_a_refused_delivery_burns_no_key(daemon: Daemon) -> None:
    headers = {"webhook-id": "k2"}
    refused = await daemon.post("plain", {"text": "a", "conversation": {}}, headers)
    assert refused.status == 400
    assert await daemon.text(await daemon.post("plain", {"text": "b"}, headers)) == "b"


async def test_of_two_at_once_with_one_key_one_is_taken(daemon: Daemon) -> None:
    sent = [daemon.post("plain", {"text": f"t{n}"}, {"webhook-id": "k3"}) for n in range(8)]
    statuses = [answer.status for answer in await asyncio.gather(*sent)]
    assert sorted(statuses) == [202] + [409] * 7


@pytest.mark.parametrize("kind", ["launch", "messages", "events", "fork"])
async def test_so_it_is_in_the_api(daemon: Daemon, kind: str) -> None:
    async def post(path: str, body: dict[str, Any], key: str) -> AppAnswer:
        headers = {
            "authorization": "Bearer api token",
            "content-type": "application/json",
            "idempotency-key": key,
        }
        return await ask(daemon.app, "POST", path, json.dumps(body).encode(), headers)

    launched = await post("/runs", {"agent": "assistant", "text": "a"}, "first")
    run_id = json.loads(launched.body)["id"]
    path, body, other = {
        "launch": ("/runs", {"agent": "assistant", "text": "a"}, {"conversation": "other"}),
        "messages": (f"/runs/{run_id}/messages", {"text": "a"}, {"text": "b"}),
        "events": (f"/runs/{run_id}/events", {"name": "n", "payload": 1}, {"payload": 2}),
        "fork": (f"/runs/{run_id}/fork", {"text": "a"}, {"at": 2}),
    }[kind]
    first = await post(path, body, "k")
    again = await post(path, {**body, "by": "api"}, "k")
    assert first.status == again.status < 300
    assert json.loads(first.body)["id"] == json.loads(again.body)["id"]
    assert (await post(path, {**body, **other}, "k")).status == 409
    store = daemon.log.store
    assert isinstance(store, MemoryStore)
    store.available = False
    assert (await post(path, body, "later")).status == 503
    store.available = True
    assert (await post(path, {**body, **other}, "later")).status < 300


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "meta?hub.mode=subscribe&hub.challenge=77&hub.verify_token=word", 200, b"77"),
        ("GET", "meta?hub.mode=subscribe&hub.challenge=77&hub.verify_token=no", 401, None),
        ("GET", "meta?hub.mode=subscribe&hub.challenge=77", 401, None),
        ("GET", "zoom?challenge=abc", 200, b"abc"),
        ("POST", "zoom?validationToken=t%20t", 200, b"t t"),
        ("GET", "plain?challenge=abc", 401, None),
        ("HEAD", "zoom", 200, None),
        ("GET", "nope?challenge=abc", 404, None),
        ("OPTIONS", "zoom", 204, b""),
    ],
)
async def test_senders_ask_first(
    daemon: Daemon, method: str, path: str, status: int, body: bytes | None
) -> None:
    answer = await ask(daemon.app, method, f"/webhooks/{path}")
    assert answer.status == status, answer
    assert body is None or answer.body == body
    assert await daemon.runs() == 0


async def test_a_question_in_a_proven_body_is_answered(daemon: Daemon) -> None:
    for body, said in [
        ({"type": "url_verification", "challenge": "c1"}, {"challenge": "c1"}),
        ({"event": {"event_type": "pagey.ping"}}, {"pong": True}),
    ]:
        answer = await daemon.post("plain", body)
        assert (answer.status, json.loads(answer.body)) == (200, said)
        assert (await daemon.post("plain", body, sign="")).status == 401
    ping = {"x-github-event": "ping"}
    answer = await daemon.post("github", {"zen": "z"}, ping, sign="x-hub-signature-256")
    assert json.loads(answer.body) == {"pong": True}
    assert await daemon.runs() == 0


async def test_files_of_a_form_reach_the_agent(daemon: Daemon) -> None:
    def form(content: str) -> bytes:
        return (
            '--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nSee the log.\r\n'
            '--b\r\nContent-Disposition: form-data; name="f"; filename="app.log"\r\n'
            f"Content-Type: text/plain\r\n\r\n{content}\r\n--b--\r\n"
        ).encode()

    headers = {"content-type": "multipart/form-data; boundary=b", "webhook-id": "f1"}
    [message] = await daemon.messages(await daemon.post("plain", form("disk full"), headers))
    assert message.text == "See the log."
    [file] = message.attachments
    assert (file.name, file.content_type, file.text) == ("app.log", "text/plain", "disk full")
    assert file.blob
    assert (await daemon.post("plain", form("disk full"), headers)).status == 202
    assert (await daemon.post("plain", form("disk empty"), headers)).status == 409


async def test_a_batch_of_nothing_is_taken_and_starts_nothing(daemon: Daemon) -> None:
    kind = {"content-type": "application/cloudevents-batch+json"}
    assert (await daemon.post("plain", b"[]", kind)).status == 204


async def test_a_long_body_is_read_too(daemon: Daemon) -> None:
    [message] = await daemon.messages(await daemon.post("plain", {"text": "x" * 100_000}))
    assert len(message.text) == 100_000


async def test_what_is_compressed_in_another_way_is_told_how_to(daemon: Daemon) -> None:
    answer = await daemon.post("plain", b"x", {"content-encoding": "br"})
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, identity"
    bomb = gzip.compress(b"a" * 3_000_000)
    assert (await daemon.post("plain", bomb, {"content-encoding": "gzip"})).status == 413


@pytest.mark.parametrize(
    ("source", "headers", "status"),
    [
        ("plain", {}, 401),
        ("plain", {"authorization": "Bearer wrong"}, 401),
        ("github", {}, 401),
        ("none", {}, 404),
    ],
)
async def test_who_proves_nothing_is_refused_before_the_body(
    daemon: Daemon, source: str, headers: dict[str, str], status: int
) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"{}", "more_body": False}

    answer = await ask(daemon.app, "POST", f"/webhooks/{source}", headers=headers, receive=receive)
    assert (answer.status, read) == (status, 0)


async def test_the_text_of_a_question_is_no_page(daemon: Daemon) -> None:
    path = "/webhooks/meta?hub.challenge=%3Cscript%3E&hub.verify_token=word"
    answer = await ask(daemon.app, "GET", path)
    assert (answer.status, answer.body) == (200, b"<script>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_zoom_is_answered_with_the_secret_that_it_used(daemon: Daemon) -> None:
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}'
    for secret in (b"s3cret", b"the next one"):
        stamp = str(int(time.time()))
        signature = hmac.new(secret, f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
        headers = {"x-zm-request-timestamp": stamp, "x-zm-signature": f"v0={signature}"}
        answer = await daemon.post("zoom", body, headers, sign="")
        assert json.loads(answer.body) == {
            "plainToken": "abc",
            "encryptedToken": hmac.new(secret, b"abc", "sha256").hexdigest(),
        }


class TestSms:
    """Forms of Twilio. The whole way: tests/scenarios/test_sms.py."""

    async def send(self, daemon: Daemon, body: str, source: str = "sms", **more: str) -> AppAnswer:
        fields = twilio_api.form(body, **more)
        headers = twilio_api.signed(f"https://agents.test/webhooks/{source}", fields)
        return await daemon.post(source, urlencode(fields).encode(), headers, sign="")

    async def received(self, daemon: Daemon) -> list[e.MessageReceived]:
        page = await daemon.log.store.list_runs(status=None, agent=None, limit=100, cursor=None)
        events = [one for head in page.heads for one in await daemon.log.events(head.id)]
        return [event for event in events if isinstance(event, e.MessageReceived)]

    async def test_twilio_shall_say_nothing(self, daemon: Daemon) -> None:
        for body in ("hello", "STOP"):
            answer = await self.send(daemon, body)
            assert (answer.status, answer.headers["content-type"]) == (
                200,
                "text/xml; charset=utf-8",
            )
            assert answer.body.endswith(b"<Response/>")
        assert [one.text for one in await self.received(daemon)] == ["hello"]

    async def test_another_message_with_the_same_id_is_a_conflict(self, daemon: Daemon) -> None:
        statuses = [(await self.send(daemon, body)).status for body in ("a", "a", "b")]
        assert statuses == [200, 200, 409]

    async def test_the_person_wrote_it(self, daemon: Daemon) -> None:
        await self.send(daemon, "hello")
        [received] = await self.received(daemon)
        assert (received.via, received.sender) == ("sms", twilio_api.THEIRS)
        assert received.authentic and received.reply_to
        assert (received.reply_to.channel, received.reply_to.to) == ("sms", twilio_api.THEIRS)

    async def test_a_route_may_say_more(self, daemon: Daemon) -> None:
        await self.send(daemon, "late", "drivers", From="+15558888")
        assert await daemon.runs() == 0
        await self.send(daemon, "late", "drivers")
        [received] = await self.received(daemon)
        assert (received.text, received.own) == ("A driver wrote: late", "late")
        assert received.reply_to and received.reply_to.channel == "slack"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_who_has_a_proof_learns_which_sources_there_are(
    daemon: Daemon, method: str
) -> None:
    async def asked(**headers: str) -> str:
        answer = await ask(daemon.app, method, "/webhooks/gihub", b"", headers)
        assert answer.status == 404
        return answer.body.decode()

    signed = f"sha256={hmac.new(b's3cret', b'', hashlib.sha256).hexdigest()}"
    for headers in (
        {"authorization": "Bearer tok"},
        {"authorization": "Bearer api token"},
        {"x-hub-signature-256": signed},
    ):
        said = await asked(**headers)
        assert "no [webhooks.gihub]" in said and "default, " in said and "github, " in said
    for headers in (
        {},
        {"authorization": "Bearer to"},
        {"x-hub-signature-256": f"{signed[:-4]}aaaa"},
    ):
        said = await asked(**headers)
        assert "no [webhooks.gihub]" in said and "github" not in said


@pytest.mark.parametrize(
    ("source", "kind", "body"),
    [
        ("ops", "application/json", {"event": {"id": "E7", "about": 1}}),
        ("plain", "application/cloudevents+json", {"specversion": "1.0", "id": "E7", "source": "/s",
                                                   "type": "t", "data": {"text": "a"}}),
    ],
)  # fmt: skip
async def test_so_it_is_with_the_ids_that_stand_in_a_body(
    daemon: Daemon, source: str, kind: str, body: dict[str, Any]
) -> None:
    headers = {"content-type": kind}
    first = await daemon.post(source, body, headers)
    again = await daemon.post(source, body, headers)
    assert (again.status, again.body) == (202, first.body)
    other = {**body, "data": {"text": "b"}, "more": 1}
    assert (await daemon.post(source, other, headers)).status == 409
    assert len(await daemon.messages(first)) == 1
