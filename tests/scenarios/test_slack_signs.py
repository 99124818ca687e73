"""What a person in Slack sees before the answer, and what the agent gets beside their words: a real
daemon, a real worker, and Slack's side of the wire."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.scenarios.script import script
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.slack_api import SlackApi, signed
from tests.services.stack import Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class World:
    stack: Stack
    model: ScriptedModel
    slack: SlackApi

    async def mention(self, text: str, **fields: Any) -> str:
        """Returns its ts."""
        ts = f"{time.time():.6f}"
        event = {**slack_api.mention(text, ts=ts, **fields), "event_id": f"Ev{ts}"}
        body = json.dumps(event).encode()
        async with (
            aiohttp.ClientSession(self.stack.url) as http,
            http.post("/slack/events", data=body, headers=signed(body)) as response,
        ):
            assert response.status == 200
        return ts

    async def reaction_comes_and_goes(self, channel: str, ts: str) -> None:
        """Perhaps sooner than one can look."""
        sign = {"channel": channel, "timestamp": ts, "name": "eyes"}
        await eventually(lambda: ("reactions.add", sign) in self.slack.calls)
        await eventually(lambda: self.slack.messages)
        await eventually(lambda: not self.slack.reactions)

    def asked(self) -> str:
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.model.requests)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with ScriptedModel(script) as model, slack_api.serve() as slack:
        slack.people = {
            "U1": {"team_id": "T1", "profile": {"display_name": "Ann"}},
            "U2": {"team_id": "T1", "profile": {"display_name": "Ben"}},
        }
        settings = {
            "PONDERD_SLACK_BOT_TOKEN": slack.token,
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
        }
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"), settings)
        async with running(stack):
            yield World(stack, model, slack)


@pytest.fixture
def world(shared_world: World) -> World:
    for kept in (
        shared_world.slack.messages,
        shared_world.slack.calls,
        shared_world.model.requests,
    ):
        kept.clear()
    shared_world.slack.errors.clear()
    return shared_world


async def test_the_status_comes_first_and_goes_with_the_answer(world: World) -> None:
    ts = await world.mention("<@UBOT> hello")
    await eventually(lambda: world.slack.messages)
    shown = [name for name, _ in world.slack.calls]
    assert shown.index("assistant.threads.setStatus") < shown.index("chat.postMessage")
    await eventually(lambda: not world.slack.statuses.get(("C1", ts)))
    assert "reactions.add" not in shown


async def test_where_there_is_no_status_a_reaction_comes_and_goes(world: World) -> None:
    world.slack.errors["assistant.threads.setStatus"] = "channel_type_not_supported"
    # In a running thread the message with the reaction is not the one that began it.
    ts = await world.mention("<@UBOT> hello", channel="C7", thread_ts="1700000001.000100")
    await world.reaction_comes_and_goes("C7", ts)


async def test_a_direct_message_gets_both_and_loses_both(world: World) -> None:
    ts = await world.mention("hello", type="message", channel="D1", channel_type="im")
    await world.reaction_comes_and_goes("D1", ts)
    await eventually(lambda: not world.slack.statuses.get(("D1", ts)))


async def test_names_files_and_the_thread_before_reach_the_agent(world: World) -> None:
    first = "1700000002.000100"
    said = {"channel": "C2", "user": "U2", "ts": first, "text": "The disk of kestrel is full."}
    world.slack.messages.append(said)
    world.slack.files["F1"] = {
        "content": b"17 orders are lost",
        "mimetype": "text/plain",
        "name": "orders.txt",
        "size": 18,
    }
    # Of a file in a channel that is shared with others the event holds only the id.
    stub = {"id": "F1", "file_access": "check_file_info"}
    await world.mention(
        "<@UBOT> what does <@U2> mean?", channel="C2", thread_ts=first, files=[stub]
    )
    await eventually(lambda: len(world.slack.messages) > 1)
    asked = world.asked()
    assert "what does @Ben mean?" in asked
    assert "Ben: The disk of kestrel is full." in asked
    assert "orders.txt (text/plain, 18 bytes)" in asked and "17 orders are lost" in asked
