"""Webhooks from outside: signed requests to a running ponderd, read by its routes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from ponderd.channels.signature import sign_standard, standard_key
from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import CallbackSink
from tests.services.stack import WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = '''
[webhooks.github]
verify = "github"
secret = "s3cret"
when = "action == 'opened' and sender.type != 'Bot'"
text = "{{ issue.title }}\\n\\n{{ issue.body }}"
answer = "{{ issue.reply_to }}"
conversation = "issue {{ issue.number }}"

[webhooks.gitlab]
verify = "gitlab"
token = "tok"
text = "{{ object_attributes.title }}"

[webhooks.jira]
verify = "bearer"
token = "tok"
text = """
{{ issue.key }}: {% for i in changelog.items %}{{ i.field }} -> {{ i.toString }}{% endfor %}"""

[webhooks.grafana]
verify = ["grafana", "basic"]
secret = "s3cret"
token = "ops:word"
text = "{% for a in alerts %}{{ a.labels.alertname }} {{ a.values.B }}{% endfor %}"

[webhooks.desk]
verify = [{ type = "hmac", header = "X-Sig", algorithm = "sha1", encoding = "base64" }]
secret = ["new", "s3cret"]
text = "{{ conversation.subject }}"

[webhooks.stripe]
preset = "stripe"
secret = "s3cret"
text = "{{ type }}"

[webhooks.plain]
verify = "bearer"
token = "tok"
'''


@dataclass
class World:
    client: Client
    stack: Stack
    callbacks: CallbackSink

    async def post(
        self, source: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **proof(source, content), **(headers or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.stack.url}/webhooks/{source}", data=content, headers=given
            ) as response,
        ):
            said = await response.read()
            return response.status, json.loads(said) if said else None

    async def read(self, answer: tuple[int, Any]) -> str:
        """What the agent reads."""
        status, said = answer
        assert status == 202, answer
        events = await self.client.events(said["run_id"])
        return str([event["text"] for event in events if event["type"] == "message_received"][-1])

    def logged(self, event: str, source: str) -> int:
        lines = map(json.loads, self.stack.log("serve").splitlines())
        return sum((line["event"], line.get("source")) == (event, source) for line in lines)

    async def counted(self, name: str, source: str) -> float:
        async with self.client.session.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(f"{name}_total{{") and f'source="{source}"' in line
        )


def proof(source: str, body: bytes) -> dict[str, str]:
    """What the sender of this source would send along."""
    sha256 = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    sha1 = base64.b64encode(hmac.new(b"s3cret", body, hashlib.sha1).digest()).decode()
    now = str(int(time.time()))
    timed = hmac.new(b"s3cret", f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    signed = sign_standard(
        standard_key(WEBHOOK_SECRET), message_id="m1", body=body, now=time.time()
    )
    return {
        "github": {"x-hub-signature-256": f"sha256={sha256}"},
        "gitlab": {"x-gitlab-token": "tok"},
        "grafana": {"x-grafana-alerting-signature": sha256},
        "desk": {"x-sig": sha1},
        "stripe": {"stripe-signature": f"t={now},v1={timed}"},
        "default": {name.replace("webhook", "svix"): value for name, value in signed.items()},
    }.get(source, {"authorization": "Bearer tok"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    folder = tmp_path_factory.mktemp("data")
    (folder / "ponderd.toml").write_text(ROUTES)
    async with ScriptedModel(script) as model, CallbackSink(WEBHOOK_SECRET) as callbacks:
        settings = {
            "PONDERD_CONFIG": str(folder / "ponderd.toml"),
            "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
        }
        stack = Stack(redis_server.url, model.url, folder, settings)
        async with running(stack) as client:
            yield World(client, stack, callbacks)


ISSUE = {
    "action": "opened",
    "issue": {"number": 1, "title": "Crash on start", "body": None},
    "sender": {"login": "ann", "type": "User"},
}
FORM = {"content-type": "application/x-www-form-urlencoded"}
EVENT = {"specversion": "1.0", "id": "A1", "source": "/hosts/7", "type": "disk.full"}


@pytest.mark.parametrize(
    ("source", "body", "headers", "text"),
    [
        ("github", ISSUE, {}, "Crash on start"),
        ("github", f"payload={urllib.parse.quote(json.dumps(ISSUE))}".encode(), FORM,
         "Crash on start"),
        ("gitlab", {"object_attributes": {"title": "broken build"}}, {}, "broken build"),
        ("jira", {"issue": {"key": "A-1"}, "changelog": {
            "items": [{"field": "status", "toString": "Done"}]}}, {}, "A-1: status -> Done"),
        ("jira", {"issue": None}, {}, ":"),
        ("grafana", {"alerts": [{"labels": {"alertname": "HighCPU"}, "values": {"B": 93.5}}]}, {},
         "HighCPU 93.5"),
        ("desk", {"conversation": {"id": "c1", "subject": "Refund"}, "reply_to": 5}, {}, "Refund"),
        ("stripe", {"id": "evt_1", "type": "invoice.paid", "data": {}}, {}, "invoice.paid"),
        ("default", {"text": "hi"}, {}, "hi"),
        ("plain", gzip.compress(b'{"text": "hi"}', mtime=0), {"content-encoding": "gzip"}, "hi"),
        ("plain", b"disk full on db-1", {"content-type": "text/plain"}, "disk full on db-1"),
        ("plain", b'{"free": 0}', {"ce-specversion": "1.0", "ce-id": "B1", "ce-source": "/h",
                                   "ce-type": "disk.full"}, "disk.full"),
    ],
)  # fmt: skip
async def test_what_senders_send_reaches_the_agent(
    world: World, source: str, body: Any, headers: dict[str, str], text: str
) -> None:
    read = (await world.read(await world.post(source, body, headers))).strip()
    assert read == text or (text == "disk.full" and text in read)


@pytest.mark.parametrize(
    "changed",
    [{"action": "labeled"}, {"action": "closed"}, {"sender": {"type": "Bot"}}, {"issue": {}}],
)
async def test_what_the_route_does_not_want_is_204_and_counted(
    world: World, changed: dict[str, Any]
) -> None:
    before = await world.counted("ponderd_ignored", "github")
    assert await world.post("github", {**ISSUE, **changed}) == (204, None)
    assert await world.counted("ponderd_ignored", "github") == before + 1
    assert world.logged("ignored", "github") >= 1


async def test_the_answer_goes_where_the_route_lets_it(world: World) -> None:
    issue = {"number": 7, "title": "hello", "body": "", "reply_to": world.callbacks.url}
    assert (await world.post("github", {**ISSUE, "issue": issue}))[0] == 202
    await eventually(lambda: "heard: hello" in [text.strip() for text in world.callbacks.texts])
    refused = {**issue, "reply_to": "http://169.254.169.254/latest"}
    status, said = await world.post("github", {**ISSUE, "issue": refused})
    assert status == 400 and said["error"].startswith("answer: ")


@pytest.mark.parametrize(
    ("source", "body", "headers"),
    [
        ("stripe", {"id": "evt_7", "type": "invoice.paid"}, {}),
        ("plain", {**EVENT, "data": 1}, {"content-type": "application/cloudevents+json"}),
        ("gitlab", {"object_attributes": {"title": "t"}}, {"idempotency-key": "k"}),
        ("github", ISSUE, {"x-github-delivery": "d7"}),
    ],
)
async def test_a_repeat_starts_nothing_and_another_message_is_409(
    world: World, source: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    first = await world.post(source, body, headers)
    assert first[0] == 202
    assert await world.post(source, body, headers) == first
    other = {
        "stripe": {"type": "invoice.voided"},
        "plain": {"data": 2},
        "gitlab": {"object_attributes": {"title": "u"}},
        "github": {"issue": {"number": 9, "title": "other"}},
    }[source]
    before = await world.counted("ponderd_refused", source)
    assert (await world.post(source, {**body, **other}, headers))[0] == 409
    assert await world.counted("ponderd_refused", source) == before + 1
    assert await world.post(source, body, headers) == first


@pytest.mark.parametrize(
    ("source", "headers", "status", "counted"),
    [
        ("github", {"x-hub-signature-256": "sha256=00"}, 401, "github"),
        ("gitlab", {"x-gitlab-token": "wrong"}, 401, "gitlab"),
        ("nobody", {}, 404, "unknown"),
        ("plain", {"content-type": "image/png"}, 415, "plain"),
    ],
)
async def test_every_refusal_leaves_a_line_and_a_count(
    world: World, source: str, headers: dict[str, str], status: int, counted: str
) -> None:
    before = await world.counted("ponderd_refused", counted)
    logged = world.logged("refused", counted)
    answered, _ = await world.post(source, {"text": "a"}, headers)
    assert answered == status
    assert await world.counted("ponderd_refused", counted) == before + 1
    assert world.logged("refused", counted) > logged
