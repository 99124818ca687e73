"""Slack from outside: a real daemon, a real worker, and Slack's side of the wire."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio

from ponderd.workers.context.render import NEW
from tests.scenarios.agents_in_charge import write_agents
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import Line, ScriptedModel
from tests.services.slack_api import Signed, SlackApi, signed
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEND = '!{"action": "spend", "euro": 5, "to": "ann"}'
FORM = {"content-type": "application/x-www-form-urlencoded"}


def obey(body: dict[str, Any]) -> Line:
    """Do the `!{json}` that was said last, or echo it."""
    lines = str(body["messages"][-1]["content"]).partition("\n[asked]")[0].strip().splitlines()
    said = [line for line in lines if not line.startswith(("[from ", "[also "))][-1]
    ordered = re.search(r"!(\{.*\})", said)
    if ordered:
        line: Line = json.loads(ordered[1])
        return line
    return {"action": "reply", "text": f"heard: {said.removeprefix(NEW)}"}


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    slack: SlackApi
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def send(self, request: Signed) -> int:
        async with (
            aiohttp.ClientSession(self.stack.url) as http,
            http.post("/slack/events", data=request.body, headers=request.headers) as response,
        ):
            return response.status

    async def form(self, fields: dict[str, str]) -> int:
        """A command, a shortcut or a click."""
        body = urlencode(fields).encode()
        return await self.send(Signed(body, signed(body) | FORM))

    def event(self, text: str, *, outside: dict[str, Any] | None = None, **event: Any) -> Any:
        number = next(self.numbers)
        ts = f"{int(time.time())}.{number:06}"
        return {
            **slack_api.mention(text, **{"ts": ts, **event}),
            "event_id": f"Ev{ts}",
            **(outside or {}),
        }

    async def say(self, text: str, **fields: Any) -> str:
        """A message in a channel; a mention unless `type` says otherwise. Returns its ts."""
        told = self.event(text, **fields)
        body = json.dumps(told).encode()
        assert await self.send(Signed(body, signed(body))) == 200
        return str(told["event"]["ts"])

    async def remark(self, text: str, thread: str, **fields: Any) -> str:
        """A message in a thread that mentions nobody."""
        return await self.say(text, thread_ts=thread, type="message", **fields)

    async def tell(self, text: str, **fields: Any) -> str:
        """A direct message."""
        direct = {"type": "message", "channel_type": "im"}
        return await self.say(text, **{"channel": "D1", **direct, **fields})

    async def heard(self, text: str, **where: Any) -> dict[str, Any]:
        """The message of ours that contains `text`, with these fields."""

        def find() -> dict[str, Any] | None:
            for message in self.slack.messages:
                at_place = all(message.get(name) == value for name, value in where.items())
                if text in message["text"] and at_place:
                    return message
            return None

        found = await eventually(find)
        assert found is not None
        return found

    async def runs(self, part: str) -> list[str]:
        """Runs whose conversation's name contains `part`."""
        listed = (await self.client.get("/runs"))["runs"]
        return [str(run["id"]) for run in listed if part in run["conversation"]]

    async def run_of(self, part: str) -> str:
        [run_id] = await eventually(lambda: self.runs(part))
        return run_id

    async def asks(self, **fields: Any) -> tuple[str, str]:
        """A thread in which a run waits for a yes, and the run."""
        thread = await self.say(f"<@UBOT> {SPEND}", **fields)
        await self.heard("May I run", thread_ts=thread)
        run_id = await self.run_of(thread)
        assert (await self.client.until(run_id))["waiting_for"] == "approval"
        return thread, run_id

    async def answers(self, run_id: str) -> list[tuple[bool, str]]:
        events = await self.client.events(run_id)
        found = [event for event in events if event["type"] == "approval_answered"]
        return [(event["approved"], event["by"]) for event in found]

    def spent(self, run_id: str) -> int:
        file = self.stack.data_dir / "spent.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return sum(line.startswith(run_id) for line in lines)

    def asked(self) -> str:
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.model.requests)

    def whispered(self, part: str) -> list[dict[str, Any]]:
        return [post for post in self.slack.whispers if part in post["text"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with ScriptedModel(obey) as model, slack_api.serve() as slack:
        slack.people = {
            "U1": {"team_id": "T1", "profile": {"display_name": "Ann"}},
            "U2": {"team_id": "T1", "profile": {"display_name": "Ben"}},
            "U3": {"team_id": "T1", "enterprise_user": {"enterprise_id": "E1"}},
            "U7": {"team_id": "T9", "is_stranger": True, "profile": {"display_name": "Eve"}},
        }
        settings = {
            **write_agents(tmp_path_factory.mktemp("agents")),
            "PONDERD_SLACK_BOT_TOKEN": slack.token,
            "PONDERD_SLACK_APP_TOKEN": "xapp-1",
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
            "PONDERD_SLACK_BOTS": "B7",
        }
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"), settings)
        async with running(stack) as client:
            yield World(client, stack, model, slack)


@pytest.fixture
def world(shared_world: World) -> World:
    for kept in (
        shared_world.slack.whispers,
        shared_world.slack.calls,
        shared_world.model.requests,
        shared_world.slack.acks,
    ):
        kept.clear()
    return shared_world


# -- while a question is open --------------------------------------------------------------------


@pytest.mark.parametrize("text", ["yes <@UBOT>", "<@UBOT> yes"])
async def test_a_yes_with_a_mention_on_either_side_approves(world: World, text: str) -> None:
    thread, run_id = await world.asks()
    await world.say(text, thread_ts=thread, user="U2")
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U2")], 1)


async def test_a_plain_yes_in_the_thread_approves(world: World) -> None:
    thread, run_id = await world.asks()
    await world.remark("yes", thread, user="U2")
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U2")], 1)


async def test_a_plain_yes_is_heard_while_the_agent_is_still_at_work(world: World) -> None:
    world.model.gate.clear()
    thread = await world.say(f"<@UBOT> {SPEND}")
    await eventually(lambda: world.model.requests)
    await world.remark("lunch?", thread, user="U2")
    await world.remark("yes", thread, user="U2")
    world.model.gate.set()
    run_id = await world.run_of(thread)
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U2")], 1)


async def test_a_yes_from_before_the_question_is_asked_for_again(world: World) -> None:
    world.model.gate.clear()
    thread = await world.say(f"<@UBOT> {SPEND}", ts="1600000005.000100")
    await eventually(lambda: world.model.requests)
    await world.remark("yes", thread, user="U2", ts="1600000006.000100")
    world.model.gate.set()
    [told] = await eventually(lambda: world.whispered("only just asking"))
    assert (told["user"], told["thread_ts"]) == ("U2", thread)
    run_id = await world.run_of(thread)
    assert (await world.client.until(run_id))["waiting_for"] == "approval"
    await world.remark("yes", thread, user="U2")
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U2")], 1)


async def test_a_plain_no_in_a_direct_message_denies(world: World) -> None:
    first = await world.tell(SPEND, channel="D20")
    await world.heard("May I run", channel="D20")
    run_id = await world.run_of(f"D20:{first}")
    await world.client.until(run_id)
    await world.tell("no", channel="D20")
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(False, "T1/U1")], 0)


async def test_a_command_before_the_mention_cancels(world: World) -> None:
    thread, run_id = await world.asks()
    await world.say("!cancel <@UBOT>", thread_ts=thread)
    view = await world.client.until(run_id, "CANCELLED")
    assert (world.spent(run_id), view["error"]) == (0, "Cancelled by slack:u1.")
    await world.heard("Cancelled by <@U1>.", thread_ts=thread)


async def test_a_remark_in_the_thread_leaves_the_question_open(world: World) -> None:
    thread, run_id = await world.asks()
    said = len(world.slack.messages)
    await world.remark("who is ann, by the way?", thread, user="U2")
    await world.say("<@UBOT> wait, let me look it up", thread_ts=thread, user="U2")
    await world.heard("this needs an answer", thread_ts=thread)
    await world.remark("yes", thread, user="U2")
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U2")], 1)
    answers = [message["text"] for message in world.slack.messages[said:]]
    assert not [text for text in answers if "who is ann" in text]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_yes_in_direct_messages_reaches_the_run_that_asked_there(
    world: World, in_thread: bool
) -> None:
    run_id = await world.client.launch("asking", SPEND)
    asked = [await world.heard("May I run", channel=place) for place in ("D5", "D6")]
    assert (await world.client.until(run_id))["waiting_for"] == "approval"
    thread = {"thread_ts": asked[1]["ts"]} if in_thread else {}
    await world.tell("yes", channel="D6", user="U6", **thread)
    await world.client.until(run_id, "COMPLETED")
    assert (await world.answers(run_id), world.spent(run_id)) == ([(True, "T1/U6")], 1)
    await world.heard("Approved by <@U6>", channel="D5", ts=asked[0]["ts"])
    await world.heard("Approved by <@U6>", channel="D6", ts=asked[1]["ts"])
    for message in asked:  # the next test has the same direct messages
        world.slack.messages.remove(message)


# -- what comes along, and who is heard ----------------------------------------------------------


async def test_the_thread_before_reaches_the_model(world: World) -> None:
    first = "1600000002.000100"
    said = {"channel": "C2", "user": "U2", "ts": first, "text": "The kestrel disk is full."}
    world.slack.messages.append(said)
    thread = await world.say("<@UBOT> please help", channel="C2", thread_ts=first)
    await world.heard("heard:", channel="C2", thread_ts=first)
    assert "Ben: The kestrel disk is full." in world.asked()
    assert thread not in world.asked()


async def test_direct_messages_go_on_at_top_level_until_a_word(world: World) -> None:
    await world.tell("the password is tulip", channel="D21")
    answer = await world.heard("heard: the password is tulip", channel="D21")
    assert "thread_ts" not in answer
    await world.tell("go on", channel="D21")
    await world.heard("heard: go on", channel="D21")
    assert len(await world.runs(":D21:")) == 1
    await world.tell("!new something else", channel="D21")
    await world.heard("heard: something else", channel="D21")
    assert len(await world.runs(":D21:")) == 2
    assert "tulip" not in json.dumps(world.model.requests[-1])


async def test_a_stranger_is_told_no_once_and_reaches_no_agent(world: World) -> None:
    of_others = {"user": "U7", "channel": "CSHARED", "user_team": "T9", "source_team": "T9"}
    for text in ("<@UBOT> hello", "<@UBOT> are you there?"):
        await world.say(text, **of_others)
    await world.say("<@UBOT> after the stranger", channel="CSHARED")
    await world.heard("heard: after the stranger", channel="CSHARED")
    await eventually(lambda: "are you there" not in world.asked() and world.whispered("I answer"))
    refused = 'ponderd_refused_total{channel="slack"'
    async with world.client.session.get("/metrics") as response:
        assert refused in await response.text()
    assert [post["user"] for post in world.whispered("I answer")] == ["U7"]
    assert len(await world.runs(":CSHARED:")) == 1


async def test_an_alert_of_a_listed_bot_starts_the_agent_of_its_channel(world: World) -> None:
    alert = {"type": "message", "subtype": "bot_message", "channel": "CALERT", "user": None}
    ignored = await world.say("disk 1 is full", **alert, bot_id="B8")
    ts = await world.say("disk 2 is full", **alert, bot_id="B7")
    await world.heard("heard: disk 2 is full", channel="CALERT", thread_ts=ts)
    view = await world.client.get(f"/runs/{await world.run_of(ts)}")
    assert view["agent"] == "strict"
    assert await world.runs(ignored) == []


# -- commands, shortcuts, organisations ----------------------------------------------------------


async def test_a_slash_command_is_answered_in_direct_messages(world: World) -> None:
    fields = {"command": "/ponderd", "text": "how are you?", "user_id": "U1", "team_id": "T1"}
    outside = {"channel_id": "C1", "trigger_id": "17.command", "api_app_id": "A1"}
    for _ in range(2):
        assert await world.form(fields | outside) == 200
    answer = await world.heard("heard: how are you?")
    assert answer["channel"].startswith("D")
    assert len(await world.runs("17.command")) == 1


async def test_a_shortcut_shows_the_message_to_the_agent(world: World) -> None:
    message = {"type": "message", "user": "U2", "ts": "1600000009.000100", "text": "is it down?"}
    payload = {
        "type": "message_action",
        "callback_id": "ask",
        "trigger_id": "18.shortcut",
        "team": {"id": "T1"},
        "user": {"id": "U1", "team_id": "T1"},
        "channel": {"id": "C1"},
        "message": message,
        "message_ts": message["ts"],
    }
    assert await world.form({"payload": json.dumps(payload)}) == 200
    run_id = await world.run_of("18.shortcut")
    await world.client.until(run_id, "COMPLETED")
    assert "Ben: is it down?" in world.asked()


async def test_an_app_that_is_installed_in_a_whole_organisation(world: World) -> None:
    installed = {"enterprise_id": "E1", "is_enterprise_install": True}
    everywhere = {"team_id": None, "user_id": "UBOT", "is_bot": True, **installed}
    outside = {"team_id": None, **installed, "authorizations": [everywhere]}
    ts = await world.say("<@UBOT> from afar", channel="C30", user="U3", team="T1", outside=outside)
    await world.heard("heard: from afar", channel="C30", thread_ts=ts)


async def test_the_same_over_socket_mode(world: World) -> None:
    thread, run_id = await world.asks(channel="C31")
    told = world.event("yes", channel="C31", thread_ts=thread, type="message", user="U2")
    await world.slack.send_envelope(told, "envelope-yes")
    await world.client.until(run_id, "COMPLETED")
    assert await world.answers(run_id) == [(True, "T1/U2")]
    assert "envelope-yes" in [ack["envelope_id"] for ack in world.slack.acks]


# -- crashes -------------------------------------------------------------------------------------


async def test_what_was_acknowledged_survives_the_end_of_the_daemon(world: World) -> None:
    # It hangs in a look-up when it is killed.
    world.slack.delays["users.info"] = 60
    stub = {"user": "U40", "channel": "C40"}
    ts = await world.say("<@UBOT> do not lose me", **stub)
    assert await world.stack.stop("serve", signal.SIGKILL) == -signal.SIGKILL
    world.slack.delays.clear()
    world.stack.start("serve")
    await world.stack.ready()
    await world.heard("heard: do not lose me", channel="C40", thread_ts=ts)
    again = await world.say("<@UBOT> and now?", channel="C40")
    await world.heard("heard: and now?", thread_ts=again)
    answers = [m for m in world.slack.messages if "do not lose me" in m["text"]]
    assert (len(answers), len(await world.runs(ts))) == (1, 1)
