"""Text messages from outside: a real daemon, a real worker, and Twilio's side of the wire."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio

from tests.scenarios.agents_in_charge import write_agents
from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer
from tests.services.twilio_api import OURS, SID, TOKEN, TwilioApi, form, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC_URL = "https://agents.example.com"
SPEND = '!{"action": "spend", "euro": 5, "to": "ann"}'
ROUTES = """
[webhooks.sms]
preset = "twilio"
agent = "plain"

[webhooks.page]
verify = "bearer"
token = "tok"
agent = "plain"
answer = "sms:+15559999"

[agents.plain.approvals]
approvers = ["sms:+1555*"]
"""


@dataclass
class World:
    client: Client
    stack: Stack
    twilio: TwilioApi
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    async def write(
        self, body: str, theirs: str, sid: str = "", token: str = TOKEN
    ) -> tuple[int, str, str]:
        """Somebody sends a text message. Returns status, kind and body of what Twilio is told."""
        sid = sid or self.twilio.keep("inbound", to=OURS, body=body)
        fields = form(body, sid, From=theirs)
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.stack.url}/webhooks/sms",
                data=urlencode(fields).encode(),
                headers=signed(f"{PUBLIC_URL}/webhooks/sms", fields, token),
            ) as response,
        ):
            return response.status, response.content_type, await response.text()

    def somebody(self) -> str:
        return f"+15550{next(self.numbers):05}"

    async def gets(self, number: str, part: str) -> dict[str, str]:
        """The message to this number that contains `part`."""

        def find() -> dict[str, str] | None:
            sent = (one for one in self.twilio.sent if one["to"] == number)
            return next((one for one in sent if part in one["body"]), None)

        found = await eventually(find)
        assert found
        return found

    def to(self, number: str) -> list[str]:
        return [one["body"] for one in self.twilio.sent if one["to"] == number]

    async def runs(self, number: str) -> list[str]:
        listed = (await self.client.get("/runs"))["runs"]
        return [str(run["id"]) for run in listed if number in run["conversation"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with ScriptedModel(script) as model, TwilioApi() as twilio:
        agents = write_agents(tmp_path_factory.mktemp("agents"))
        config = Path(agents["PONDERD_CONFIG"])
        config.write_text(config.read_text() + ROUTES)
        settings = {
            **agents,
            "PONDERD_PUBLIC_URL": PUBLIC_URL,
            "PONDERD_TWILIO_ACCOUNT_SID": SID,
            "PONDERD_TWILIO_AUTH_TOKEN": TOKEN,
            "PONDERD_TWILIO_FROM": "+15550111",
            "PONDERD_TWILIO_API_URL": twilio.url,
        }
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"), settings)
        async with running(stack) as client:
            yield World(client, stack, twilio)


async def test_a_message_is_answered_by_a_message(world: World) -> None:
    ann = world.somebody()
    status, kind, said = await world.write("What is 2+2?", ann)
    assert (status, kind) == (200, "text/xml") and said.endswith("<Response/>")
    assert (await world.gets(ann, "heard: What is 2+2?"))["from"] == OURS
    await world.write("And 3+3?", ann)
    await world.gets(ann, "heard: And 3+3?")
    assert len(await world.runs(ann)) == 1


async def test_a_repeat_starts_nothing(world: World) -> None:
    ann = world.somebody()
    sid = world.twilio.keep("inbound", to=OURS, body="hello")
    assert [(await world.write("hello", ann, sid))[0] for _ in range(2)] == [200, 200]
    await world.gets(ann, "heard: hello")
    [run_id] = await world.runs(ann)
    events = await world.client.events(run_id)
    assert [event["type"] for event in events].count("message_received") == 1


@pytest.mark.parametrize(("said", "approved"), [("Yes", True), ("no", False)])
async def test_a_yes_or_no_answers_an_open_question(
    world: World, said: str, approved: bool
) -> None:
    ann = world.somebody()
    await world.write(SPEND, ann)
    assert "spend" in (await world.gets(ann, "May I run"))["body"]
    [run_id] = await world.runs(ann)
    await world.client.until(run_id, "WAITING")
    await world.write(said, ann)
    await world.client.until(run_id, "COMPLETED")
    events = await world.client.events(run_id)
    answered = [event for event in events if event["type"] == "approval_answered"]
    assert [(one["approved"], one["by"], one["via"]) for one in answered] == [
        (approved, ann, "sms")
    ]


async def test_a_stop_and_a_forgery_start_nothing(world: World) -> None:
    ann = world.somebody()
    assert (await world.write("STOP", ann))[0] == 200
    assert (await world.write("hello", ann, token="guessed"))[0] == 401
    assert await world.runs(ann) == []


async def test_other_webhooks_answer_by_message_too(world: World) -> None:
    status, _ = await world.client.post(
        "/webhooks/page", {"text": "disk full"}, authorization="Bearer tok"
    )
    assert status == 202
    assert (await world.gets("+15559999", "heard: disk full"))["from"] == "+15550111"


async def test_an_answer_that_got_lost_on_the_way_back_is_not_sent_twice(world: World) -> None:
    ann = world.somebody()
    world.twilio.lose_answers = 1
    await world.write("once", ann)
    await world.gets(ann, "heard: once")
    [run_id] = await world.runs(ann)
    await world.client.until(run_id, "COMPLETED")
    assert world.to(ann) == ["heard: once"]
    types = [event["type"] for event in await world.client.events(run_id)]
    assert "reply_failed" in types and types.count("reply_sent") == 1
