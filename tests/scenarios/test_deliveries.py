"""Answers go where a route says they go, come back from there, and are sent again when they did not
arrive: real processes, with Slack, a mail relay and a callback on loopback."""

from __future__ import annotations

import asyncio
import email.message
import json
import os
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.channels.mail.mails import plain
from tests.scenarios.script import script
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import CallbackSink, MailSink
from tests.services.slack_api import Signed, SlackApi, signed
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = '''
from ponderd import Agent, notify, tool

@tool(approval="always")
def restart(host: str) -> str:
    """restart a host"""
    return f"{host} restarted"

agent = Agent("ops", "", "You watch over hosts.", tools=[notify, restart], thinking="none")
'''

ROUTE = """
[webhooks.{name}]
agent = "ops"
verify = ["bearer"]
text = "{{{{ alert }}}}"
conversation = "{{{{ host }}}}"
answer = "{answer}"
"""


@dataclass
class Case:
    client: Client
    stack: Stack
    slack: SlackApi
    callbacks: CallbackSink
    mail: MailSink

    async def alert(self, route: str, host: str, text: str) -> str:
        """A monitor calls; returns the run."""
        status, answer = await self.client.post(
            f"/webhooks/{route}", {"alert": text, "host": host}, authorization=f"Bearer {API_TOKEN}"
        )
        assert status == 202, answer
        return str(answer["run_id"])

    async def posted(self, containing: str, many: int = 1) -> list[dict[str, Any]]:
        def find() -> list[dict[str, Any]] | None:
            found = [m for m in self.slack.messages if containing in json.dumps(m)]
            return found if len(found) >= many else None

        found = await eventually(find)
        assert found is not None and len(found) == many
        return found

    async def say(self, text: str, thread: str, number: int) -> None:
        """A person writes in a thread."""
        event = slack_api.mention(
            f"<@UBOT> {text}", channel="C0OPS", thread_ts=thread, ts=f"180000{number:04}.0001"
        )
        body = json.dumps({**event, "event_id": f"EvD{number}"}).encode()
        request = Signed(body, signed(body))
        async with (
            aiohttp.ClientSession(self.stack.url) as http,
            http.post("/slack/events", data=request.body, headers=request.headers) as response,
        ):
            assert response.status == 200

    async def mailed(self, containing: str) -> email.message.EmailMessage:
        def find() -> email.message.EmailMessage | None:
            return next((m for m in self.mail.mails if containing in plain(m)), None)

        found = await eventually(find)
        assert found is not None
        return found

    def ponderd(self, *arguments: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "ponderd.daemon.cli", *arguments, "--json"],
            env={**os.environ, **self.stack.settings},
            check=True,
            capture_output=True,
            text=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Case]:
    redis_server.empty()
    async with (
        ScriptedModel(script) as model,
        slack_api.serve() as slack,
        CallbackSink(WEBHOOK_SECRET) as callbacks,
        MailSink() as mail,
    ):
        folder: Path = tmp_path_factory.mktemp("agents")
        (folder / "ops.py").write_text(AGENT)
        answers = {
            "slack": "slack:C0OPS",
            "mail": "email:oncall@ponderd.localhost",
            "callback": callbacks.url,
        }
        routes = (ROUTE.format(name=name, answer=answer) for name, answer in answers.items())
        (folder / "ponderd.toml").write_text("\n".join(routes))
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"))
        stack.environment = {
            "PONDERD_AGENTS_DIR": str(folder),
            "PONDERD_CONFIG": str(folder / "ponderd.toml"),
            "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
            "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail.port}",
            "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
            "PONDERD_NOTIFY_ALLOW": "slack:C0BOSS",
        }
        async with running(stack) as client:
            yield Case(client, stack, slack, callbacks, mail)


async def test_answers_of_one_conversation_share_a_thread_and_people_answer_there(
    case: Case,
) -> None:
    run_id = await case.alert("slack", "kestrel", "kestrel is slow")
    [first] = await case.posted("heard: kestrel is slow")
    assert (first["channel"], first.get("thread_ts")) == ("C0OPS", None)
    assert await case.alert("slack", "kestrel", "kestrel is slower") == run_id
    [second] = await case.posted("heard: kestrel is slower")
    assert second["thread_ts"] == first["ts"]


async def test_an_approval_goes_there_and_a_yes_in_its_thread_counts(case: Case) -> None:
    call = {"action": "restart", "host": "merlin"}
    run_id = await case.alert("slack", "merlin", f"!{json.dumps(call)}")
    view = await case.client.until(run_id, "WAITING")
    assert view["waiting_for"] == "approval"
    [asked] = await case.posted("merlin")
    await case.say("yes", asked["ts"], 1)
    await case.client.until(run_id, "COMPLETED")
    [answer] = await case.posted("merlin restarted")
    assert answer["thread_ts"] == asked["ts"]


async def test_mail_has_a_subject_and_a_reply_reaches_the_run(case: Case) -> None:
    run_id = await case.alert("mail", "hobby", "hobby is full")
    mail = await case.mailed("heard: hobby is full")
    assert (mail["To"], mail["Subject"]) == (
        "oncall@ponderd.localhost",
        "ops: heard: hobby is full",
    )
    reply = email.message.EmailMessage()
    reply["From"], reply["To"] = mail["To"], mail["Reply-To"] or mail["From"]
    reply["Subject"], reply["Message-ID"] = f"Re: {mail['Subject']}", "<1@client.test>"
    reply["In-Reply-To"] = mail["Message-ID"]
    reply.set_content("please clean up")

    def deliver() -> None:
        with smtplib.SMTP("127.0.0.1", case.stack.smtp_port) as smtp:
            smtp.send_message(reply)

    await asyncio.to_thread(deliver)
    answer = await case.mailed("heard: [from oncall@ponderd.localhost]")
    assert answer["In-Reply-To"] == "<1@client.test>"
    await case.client.until(run_id, "COMPLETED")
    events = await case.client.events(run_id)
    assert [event["text"] for event in events if event["type"] == "message_received"][1:] == [
        "please clean up"
    ]
    await case.alert("mail", "hobby", "hobby is fuller")
    later = await case.mailed("heard: hobby is fuller")
    assert (later["In-Reply-To"], later["Subject"]) == (
        mail["Message-ID"],
        f"Re: {mail['Subject']}",
    )


async def test_a_callback_is_signed_and_tried_again(case: Case) -> None:
    case.callbacks.statuses.append(500)
    await case.alert("callback", "osprey", "osprey is back")
    await eventually(lambda: "heard: osprey is back" in case.callbacks.texts)


async def test_an_agent_writes_to_others_where_it_may(case: Case) -> None:
    for channel in ("C0BOSS", "C0OTHER"):
        call = {"action": "notify", "to": f"slack:{channel}", "text": f"news for {channel}"}
        await case.alert("callback", channel, f"!{json.dumps(call)}")
    await eventually(lambda: len([t for t in case.callbacks.texts if "slack:C0" in t]) == 2)
    [told] = [text for text in case.callbacks.texts if "C0OTHER" in text]
    assert "agents may not write to slack:C0OTHER" in told
    [news] = await case.posted("news for")
    assert news["channel"] == "C0BOSS"


async def test_what_a_wrong_token_held_up_is_listed_and_sent_by_one_command(case: Case) -> None:
    case.slack.errors["chat.postMessage"] = "token_revoked"
    run_id = await case.alert("slack", "falcon", "falcon is gone")

    async def listed() -> dict[str, Any] | None:
        found = (await case.client.get("/deliveries"))["deliveries"]
        return next((one for one in found if one["run_id"] == run_id), None)

    stuck = await eventually(listed)
    assert stuck is not None
    assert (stuck["to"], stuck["state"], stuck["mendable"]) == ("slack:C0OPS", "trying", True)
    assert "token_revoked" in stuck["error"]

    async def counted() -> bool:
        async with (
            aiohttp.ClientSession(case.stack.url) as http,
            http.get("/metrics") as response,
        ):
            metrics = await response.text()
        failed = 'ponderd_delivery_failures_total{channel="slack",error="mendable"}'
        return 'ponderd_deliveries{state="mendable"} 1.0' in metrics and failed in metrics

    await eventually(counted)
    assert [one["run_id"] for one in await asyncio.to_thread(case.ponderd, "deliveries")] == [
        run_id
    ]
    del case.slack.errors["chat.postMessage"]
    await asyncio.to_thread(case.ponderd, "deliveries", "retry", "--all")
    await case.posted("heard: falcon is gone")
    assert (await case.client.until(run_id, "COMPLETED"))["error"] is None
    assert await asyncio.to_thread(case.ponderd, "deliveries", "list") == []
