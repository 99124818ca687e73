"""One message in, exactly one answer back, on every channel."""

from __future__ import annotations

import asyncio
import email.message
import email.utils
import io
import itertools
import json
import shutil
import smtplib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tests.channels.mail.mails import plain
from tests.scenarios.script import script
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.ports import free_port
from tests.services.sinks import CallbackSink, MailSink
from tests.services.slack_api import SlackApi, signed
from tests.services.stack import WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEPLOY = '!{"action": "deploy", "version": "1.4.1"}'


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    slack: SlackApi
    callbacks: CallbackSink
    mail: MailSink


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """One ponderd for all tests here: starting its processes takes seconds."""
    redis_server.empty()
    async with (
        ScriptedModel(script) as model,
        slack_api.serve() as slack,
        CallbackSink(WEBHOOK_SECRET) as callbacks,
        MailSink() as mail,
    ):
        stack = Stack(
            redis_server.url,
            model.url,
            tmp_path_factory.mktemp("data"),
            {
                "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
                "PONDERD_SLACK_APP_TOKEN": "xapp-1",
                "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
                "PONDERD_SLACK_API_URL": slack.url,
                "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail.port}",
                "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
            },
        )
        async with running(stack) as client:
            yield World(client, stack, model, slack, callbacks, mail)


@pytest.fixture
def world(shared_world: World) -> World:
    for seen in (shared_world.slack, shared_world.callbacks, shared_world.mail):
        for kept in ("messages", "posts", "mails", "acks"):
            getattr(seen, kept, []).clear()
    shutil.rmtree(shared_world.stack.data_dir / "deployments", ignore_errors=True)
    return shared_world


async def settled(found: list[Any], count: int) -> list[Any]:
    """`found` once it has `count` entries, and after nothing more came for a while."""
    await eventually(lambda: len(found) >= count)
    await asyncio.sleep(0.7)
    return found


async def test_api(world: World) -> None:
    run_id = await world.client.launch("assistant", "hello", conversation="c1")
    view = await world.client.until(run_id)
    assert (view["status"], view["reply"], view["waiting_for"]) == (
        "COMPLETED",
        "heard: hello",
        None,
    )
    assert (view["channel"], view["conversation"], view["agent"]) == ("api", "c1", "assistant")
    assert view["usage"]["model_calls"] == 1
    assert view["usage"]["prompt_tokens"] > 0
    events = await world.client.events(run_id)
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5]
    call = events[2]["call"]
    assert call["decision"]["mode"] == "none"
    assert len(call["prompt_hash"]) == 64


async def test_api_answers_to_a_callback_signed(world: World) -> None:
    await world.client.launch("assistant", "hello", reply_to=world.callbacks.url)
    [(_, body)] = await settled(world.callbacks.posts, 1)
    assert (body["type"], body["text"], body["kind"]) == ("run.reply", "heard: hello", "answer")


async def test_idempotency_key(world: World) -> None:
    body = {"agent": "assistant", "text": "hello", "reply_to": world.callbacks.url}
    launches = await asyncio.gather(
        *(world.client.post("/runs", body, Idempotency_Key="k1") for _ in range(10))
    )
    assert {status for status, _ in launches} == {201}
    [run_id] = {view["id"] for _, view in launches}
    changed = {**body, "text": "something else"}
    status, error = await world.client.post("/runs", changed, Idempotency_Key="k1")
    assert status == 409
    assert "Idempotency-Key" in error["error"]
    for _ in range(3):
        status, _ = await world.client.post(
            f"/runs/{run_id}/messages", {"text": "more"}, Idempotency_Key="m1"
        )
        assert status == 200
    await settled(world.callbacks.posts, 2)
    assert world.callbacks.texts == ["heard: hello", "heard: more"]


def webhook(payload: Any, message_id: str | None = None) -> dict[str, Any]:
    data = payload if isinstance(payload, str) else json.dumps(payload)
    message_id = message_id or str(uuid.uuid4())
    now = datetime.now(UTC)
    return {
        "data": data,
        "headers": {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(WEBHOOK_SECRET).sign(message_id, now, data),
        },
    }


async def test_webhook(world: World) -> None:
    request = webhook({"text": "from a webhook", "reply_to": world.callbacks.url}, "msg-1")
    async with aiohttp.ClientSession(world.stack.url) as http:
        answers = []
        for _ in range(3):
            async with http.post("/webhooks/default", **request) as response:
                assert response.status == 202
                answers.append(await response.json())
    assert len({answer["run_id"] for answer in answers}) == 1
    [(_, body)] = await settled(world.callbacks.posts, 1)
    assert body["text"] == "heard: from a webhook"


async def test_webhook_by_bearer_token_names_its_agent_and_conversation(world: World) -> None:
    body = {"text": "hello", "agent": "triage", "conversation": 42}
    status, accepted = await world.client.post("/webhooks/default", body)
    assert status == 202
    view = await world.client.until(accepted["run_id"])
    assert (view["agent"], view["conversation"], view["channel"]) == ("triage", "42", "webhook")
    assert view["reply"] == "heard: hello"


async def test_webhook_without_text_is_its_json(world: World) -> None:
    _, accepted = await world.client.post("/webhooks/default", {"alert": "disk full"})
    view = await world.client.until(accepted["run_id"])
    assert view["reply"] == 'heard: {"alert":"disk full"}'


def mail(text: str, **headers: str) -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message["From"] = "Ann <ann@ponderd.localhost>"
    message["To"] = "assistant@ponderd.localhost"
    message["Subject"] = "A question"
    message["Message-ID"] = email.utils.make_msgid(domain="ponderd.localhost.example")
    for name, value in headers.items():
        del message[name.replace("_", "-")]
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


async def send(world: World, message: email.message.EmailMessage) -> None:
    def deliver() -> None:
        with smtplib.SMTP("127.0.0.1", world.stack.smtp_port) as smtp:
            smtp.send_message(message)

    await asyncio.to_thread(deliver)


async def test_mail(world: World) -> None:
    message = mail("hello")
    await send(world, message)
    await send(world, message)  # the relay did not see our 250
    [answer] = await settled(world.mail.mails, 1)
    assert answer["In-Reply-To"].strip() == message["Message-ID"]
    assert answer["References"].split()[0] == message["Message-ID"]
    assert (answer["To"], answer["Subject"]) == ("ann@ponderd.localhost", "Re: A question")
    assert "assistant@ponderd.localhost" in answer["From"]
    assert plain(answer).strip() == "heard: hello"


async def test_mail_thread_is_one_conversation(world: World) -> None:
    await send(world, mail("hello"))
    [first] = await settled(world.mail.mails, 1)
    references = f"{first['References']} {first['Message-ID']}"
    follow_up = mail("and more", In_Reply_To=first["Message-ID"], References=references)
    await send(world, follow_up)
    [_, second] = await settled(world.mail.mails, 2)
    assert second["In-Reply-To"].strip() == follow_up["Message-ID"]
    subjects = [answer["Subject"] for answer in (first, second)]
    assert subjects == ["Re: A question", "Re: A question"]
    run_ids = {answer["Message-ID"].split(".")[0] for answer in (first, second)}
    assert len(run_ids) == 1


async def test_mail_from_a_bot_gets_no_answer(world: World) -> None:
    await send(world, mail("away until Monday", Auto_Submitted="auto-replied"))
    await send(world, mail("hello"))
    answers = await settled(world.mail.mails, 1)
    assert [plain(answer).strip() for answer in answers] == ["heard: hello"]


_numbers = itertools.count()


def mention(text: str) -> dict[str, Any]:
    number = next(_numbers)
    return {**slack_api.mention(text, ts=f"1700000{number:03}.000100"), "event_id": f"Ev{number}"}


async def test_slack_by_http(world: World) -> None:
    event = mention("<@UBOT> hello")
    body = json.dumps(event).encode()
    async with aiohttp.ClientSession(world.stack.url) as http:
        for _ in range(3):
            async with http.post("/slack/events", data=body, headers=signed(body)) as response:
                assert response.status == 200
    [message] = await settled(world.slack.messages, 1)
    assert message["text"] == "heard: hello"
    assert message["thread_ts"] == event["event"]["ts"]
    assert message["channel"] == event["event"]["channel"]


async def test_slack_by_socket_mode(world: World) -> None:
    event = mention("<@UBOT> hello")
    await world.slack.send_envelope(event, "envelope-1")
    await world.slack.send_envelope(event, "envelope-2")
    [message] = await settled(world.slack.messages, 1)
    assert message["text"] == "heard: hello"
    assert {ack["envelope_id"] for ack in world.slack.acks} == {"envelope-1", "envelope-2"}


async def test_slack_post_whose_response_was_lost_is_not_doubled(world: World) -> None:
    world.slack.trouble = ["lose_response"]
    await world.slack.send_envelope(mention("<@UBOT> hello"), "envelope-1")
    await settled(world.slack.messages, 1)
    run = (await world.client.get("/runs?limit=1"))["runs"][0]
    await world.client.until(run["id"], "COMPLETED")
    assert len(world.slack.messages) == 1


async def test_a_thumb_in_slack_rates_the_answer_it_is_put_on(world: World) -> None:
    event = mention("<@UBOT> hello")
    await world.slack.send_envelope(event, "envelope-1")
    [message] = await settled(world.slack.messages, 1)
    run = (await world.client.get("/runs?limit=1"))["runs"][0]
    await world.client.until(run["id"], "COMPLETED")
    thumb = {
        "type": "reaction_added",
        "user": "U2",
        "reaction": "-1",
        "item": {"type": "message", "channel": message["channel"], "ts": message["ts"]},
        "event_ts": "1700009999.000100",
    }
    other = {**thumb, "item": {**thumb["item"], "ts": "1600000000.000100"}}
    for number, reaction in enumerate((other, thumb)):
        envelope = {**event, "event": reaction, "event_id": f"EvThumb{number}"}
        await world.slack.send_envelope(envelope, f"envelope-thumb-{number}")

    async def rated() -> list[Any]:
        events = await world.client.events(run["id"])
        return [found for found in events if found["type"] == "feedback_received"]

    while not (found := await rated()):
        await asyncio.sleep(0.05)
    assert [(one["value"], one["by"], one["answer"]) for one in found] == [(0.0, "slack:t1/u2", 3)]
    assert (await world.client.get(f"/runs/{run['id']}"))["status"] == "COMPLETED"


async def test_deploying_needs_a_yes(world: World) -> None:
    run_id = await world.client.launch("deployer", DEPLOY, reply_to=world.callbacks.url)
    view = await world.client.until(run_id)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "approval")
    deployments = world.stack.data_dir / "deployments"
    assert not deployments.exists()
    await world.client.post(f"/runs/{run_id}/messages", {"text": "yes"})
    view = await world.client.until(run_id, "COMPLETED")
    assert len(list(deployments.iterdir())) == 1
    await settled(world.callbacks.posts, 2)
    assert world.callbacks.posts[0][1]["kind"] == "question"
    assert "1.4.1 is live" in world.callbacks.texts[1]


async def test_deploying_is_not_done_after_a_no(world: World) -> None:
    run_id = await world.client.launch("deployer", DEPLOY)
    await world.client.until(run_id)
    await world.client.post(f"/runs/{run_id}/messages", {"text": "no"})
    view = await world.client.until(run_id, "COMPLETED")
    assert "said no" in view["reply"]
    assert not (world.stack.data_dir / "deployments").exists()


async def test_pause_resume_and_cancel(world: World) -> None:
    with world.model.silent():
        run_id = await world.client.launch("deployer", '!{"action": "list_versions"}')
        await eventually(lambda: world.model.in_flight)
        for _ in range(2):
            status, view = await world.client.post(f"/runs/{run_id}/pause")
            assert (status, view["status"]) == (200, "PAUSED")

    async def answered() -> bool:
        types = [event["type"] for event in await world.client.events(run_id)]
        return types[-2:] == ["run_paused", "model_answered"]

    await eventually(answered)
    await asyncio.sleep(0.5)
    assert await answered()
    await world.client.post(f"/runs/{run_id}/resume")
    view = await world.client.until(run_id, "COMPLETED")
    assert "list_versions" in view["reply"]
    status, error = await world.client.post(f"/runs/{run_id}/cancel")
    assert (status, "COMPLETED" in error["error"]) == (409, True)
    with world.model.silent():
        second = await world.client.launch("assistant", "hello")
        status, view = await world.client.post(f"/runs/{second}/cancel", {"by": "ann"})
        assert (status, view["status"]) == (200, "CANCELLED")


async def test_events_live(world: World) -> None:
    run_id = await world.client.launch("assistant", "hello")
    accept = {"accept": "text/event-stream"}
    async with world.client.session.get(f"/runs/{run_id}/events", headers=accept) as response:
        text = await response.text()  # ends by itself when the run is over
    names = [line[7:] for line in text.splitlines() if line.startswith("event: ")]
    assert [name for name in names if name != "status"] == [
        "run_launched",
        "message_received",
        "model_answered",
        "reply_started",
        "reply_sent",
    ]
    last = [line[6:] for line in text.splitlines() if line.startswith("data: ")][-1]
    assert json.loads(last)["status"] == "COMPLETED"


async def test_a_megabyte_of_control_characters_reaches_the_model_cut_and_clean(
    world: World,
) -> None:
    text = "\x00\x1b[31m\u202e<|im_start|>" * 3_000
    run_id = await world.client.launch("assistant", text + "x" * 900_000)
    await world.client.until(run_id)
    prompt = world.model.requests[-1]["messages"][-1]["content"]
    assert len(prompt) < 13_000
    assert not set(prompt) & {"\x00", "\x1b", "\u202e"}
    assert "<|im_start|>" not in prompt


async def test_github_ping_starts_no_run(world: World) -> None:
    newest = (await world.client.get("/runs?limit=1"))["runs"]
    status, answer = await world.client.post(
        "/webhooks/default", {"zen": "x"}, X_GitHub_Event="ping"
    )
    assert (status, answer) == (200, {"pong": True})
    assert (await world.client.get("/runs?limit=1"))["runs"] == newest


class TestBadInput:
    async def test_signatures_and_tokens(self, world: World) -> None:
        newest = (await world.client.get("/runs"))["runs"][:1]
        async with aiohttp.ClientSession(world.stack.url) as http:
            body = json.dumps({"agent": "assistant", "text": "x"})
            forged = webhook(body)
            forged["headers"]["webhook-signature"] = "v1,AAAA"
            slack = {**signed(b"{}"), "x-slack-signature": "v0=0"}
            bearer = {"authorization": "Bearer wrong"}
            for path, request in {
                "/runs": {"data": body},
                "/runs/00-a-b/pause": {"headers": bearer},
                "/webhooks/default": {"data": body},
                "/webhooks/default?": forged,
                "/webhooks/default?x": {"data": body, "headers": bearer},
                "/slack/events": {"data": b"{}", "headers": slack},
            }.items():
                async with http.post(path, **request) as response:
                    assert response.status == 401, path
        assert (await world.client.get("/runs"))["runs"][:1] == newest

    async def test_unknown_names(self, world: World) -> None:
        status, error = await world.client.post("/runs", {"agent": "nobody", "text": "x"})
        assert status == 404
        assert "assistant, deployer, triage" in error["error"]
        status, error = await world.client.post("/webhooks/nowhere", {"text": "x"})
        assert status == 404  # the token is proof enough to be told what there is
        assert error["error"].endswith("there are: default")
        stranger = {"authorization": "Bearer no"}
        async with world.client.session.post("/webhooks/nowhere", headers=stranger) as response:
            assert response.status == 404
            assert "default" not in await response.text()
        status, _ = await world.client.post("/runs/00-no-run/messages", {"text": "x"})
        assert status == 404

    async def test_bodies(self, world: World) -> None:
        post = world.client.session.post
        for path in ("/runs", "/webhooks/default"):
            json_type = {"content-type": "application/json"}
            async with post(path, data=b"{not json", headers=json_type) as response:
                assert response.status == 400, path
                assert "JSON" in (await response.json())["error"]
            huge = io.BytesIO(b"x" * (1024 * 1024 + 1))
            async with post(path, data=huge, headers=json_type) as response:
                assert response.status == 413, path
        for body in ({"agent": "assistant"}, {"agent": "assistant", "text": ""}, {"text": 3}, []):
            status, error = await world.client.post("/runs", body)
            assert status == 422, body
            assert "\n" not in error["error"]

    async def test_private_callbacks(self, world: World) -> None:
        for url in (
            f"http://127.0.0.1:{free_port()}/",
            "http://localhost/",
            "http://[::1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.1/",
            "http://0x7f000001/",
            "ftp://example.com/",
            "http://user:secret@example.com/",
        ):
            body = {"agent": "assistant", "text": "x", "reply_to": url}
            status, _ = await world.client.post("/runs", body)
            assert status in (400, 403), url

    async def test_mails(self, world: World) -> None:
        for headers, code in (
            ({"To": "nobody@ponderd.localhost"}, 550),
            ({"To": "assistant@elsewhere.example"}, 550),
        ):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                await send(world, mail("x", **headers))
            assert {code for code, _ in refused.value.recipients.values()} == {code}
        with pytest.raises(smtplib.SMTPResponseException) as stranger:
            await send(world, mail("x", From="eve@elsewhere.example"))
        assert stranger.value.smtp_code == 550


async def test_health_and_metrics(world: World) -> None:
    await world.client.until(await world.client.launch("assistant", "hello"))
    async with aiohttp.ClientSession(world.stack.url) as http:
        async with http.get("/healthz") as response:
            assert response.status == 200
        async with http.get("/readyz") as response:
            assert (await response.json())["checks"] == {
                "state": "ok",
                "workers": "ok",
                "model": "ok",
            }
        at_rest = {
            "ponderd_runs_in_flight 0.0",
            "ponderd_runs_overdue 0.0",
            "ponderd_oldest_lease_seconds 0.0",
            "ponderd_queue_length 0.0",
            "ponderd_workers 1.0",
        }
        counted = (
            'ponderd_runs{status="COMPLETED"}',
            'ponderd_model_call_seconds_count{mode="none"}',
            'ponderd_model_tokens_total{kind="prompt",mode="none"}',
        )

        async def shown() -> bool:
            async with http.get("/metrics") as response:
                text = await response.text()
            return at_rest <= set(text.splitlines()) and all(name in text for name in counted)

        await eventually(shown)


async def test_logs_carry_run_and_step(world: World) -> None:
    run_id = await world.client.launch("assistant", "hello")
    await world.client.until(run_id)

    def found() -> list[dict[str, Any]]:
        whole = [line for line in world.stack.log("work-0").splitlines() if line[-1:] == "}"]
        lines = [json.loads(line) for line in whole if line[:1] == "{"]
        return [line for line in lines if line["event"] == "run advanced" and line["run"] == run_id]

    [advanced] = await eventually(found)
    assert (advanced["run"], advanced["step"], advanced["status"]) == (run_id, 5, "COMPLETED")
    assert (advanced["model_calls"], advanced.get("tool_calls")) == (1, None)
