"""People stay in charge: whoever may decide does, from anywhere, at any moment, exactly once."""

from __future__ import annotations

import asyncio
import email.message
import email.utils
import itertools
import json
import os
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.channels.mail.mails import plain
from tests.scenarios.agents_in_charge import write_agents
from tests.services import slack_api
from tests.services.eventually import eventually, quickly
from tests.services.model_server import Line, Says, ScriptedModel
from tests.services.sinks import CallbackSink, MailSink
from tests.services.slack_api import Signed, SlackApi, signed
from tests.services.stack import WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOSS = "boss@ponderd.localhost"


def order(**action: Any) -> str:
    return f"!{json.dumps(action)}"


SPEND = order(action="spend", euro=5, to="ann")


def obey(body: dict[str, Any]) -> Line:
    """The last line said decides: of `!{json}` the JSON is what the model does; anything else is
    echoed. What begins with "endless" takes an hour."""
    content = str(body["messages"][-1]["content"])
    if results := re.findall(r"^\[tool\] .*", content, re.MULTILINE):
        return {"action": "reply", "text": f"heard: {results[-1]}"}
    said = [line for line in content.splitlines() if not line.startswith(("[from ", "[also "))][-1]
    ordered = re.search(r"!(\{.*\})", said)
    reply = {"action": "reply", "text": f"heard: {said}"}
    delay = 3600 if said.startswith("endless") else 0
    return Says(ordered[1] if ordered else json.dumps(reply), delay=delay)


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    slack: SlackApi
    callbacks: CallbackSink
    mail: MailSink
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def spent(self, run_id: str) -> list[str]:
        """What the tool did for a run."""
        file = self.stack.data_dir / "spent.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(run_id)]

    async def asks(self, agent: str = "clerk", **fields: Any) -> str:
        """A run that waits for a yes to spend five euro."""
        run_id = await self.client.launch(agent, SPEND, **fields)
        view = await self.client.until(run_id)
        assert (view["status"], view["waiting_for"]) == ("WAITING", "approval"), view
        return run_id

    async def approval(self, run_id: str) -> dict[str, Any]:
        listed = (await self.client.get("/approvals"))["approvals"]
        [found] = [approval for approval in listed if approval["run_id"] == run_id]
        return dict(found)

    async def of_type(self, run_id: str, *types: str) -> list[dict[str, Any]]:
        return [event for event in await self.client.events(run_id) if event["type"] in types]

    async def nothing_in_flight(self) -> None:
        async with aiohttp.ClientSession(self.stack.url) as http:

            async def nothing() -> bool:
                async with http.get("/metrics") as response:
                    return "ponderd_runs_in_flight 0.0" in await response.text()

            await eventually(nothing)

    # -- Slack ----------------------------------------------------------------------------------

    async def say(
        self, text: str, *, thread: str = "", user: str = "U1", channel: str = "C1"
    ) -> str:
        """Mention the bot; returns the thread."""
        number = next(self.numbers)
        ts = f"17000{number:05}.000100"
        fields = {"ts": ts, "user": user, "channel": channel}
        fields |= {"thread_ts": thread} if thread else {}
        event = slack_api.mention(f"<@UBOT> {text}", **fields)
        body = json.dumps({**event, "event_id": f"Ev{number}"}).encode()
        assert await self.to_slack_route(Signed(body, signed(body))) == 200
        return thread or ts

    async def to_slack_route(self, request: Signed) -> int:
        async with (
            aiohttp.ClientSession(self.stack.url) as http,
            http.post("/slack/events", data=request.body, headers=request.headers) as response,
        ):
            return response.status

    async def buttons(self, run_id: str) -> dict[str, Any]:
        """The message with the buttons of a run's approval."""

        def find() -> dict[str, Any] | None:
            found = (m for m in self.slack.messages if run_id in json.dumps(m.get("blocks") or []))
            return next(found, None)

        found = await eventually(find)
        assert found is not None
        return found

    async def heard(self, thread: str, text: str) -> dict[str, Any]:
        """The message of the bot in a thread that contains `text`."""

        def find() -> dict[str, Any] | None:
            found = (m for m in self.slack.messages if m.get("thread_ts") == thread)
            return next((message for message in found if text in message["text"]), None)

        found = await eventually(find)
        assert found is not None
        return found

    async def run_of(self, thread: str) -> str:
        listed = (await self.client.get("/runs"))["runs"]
        [run_id] = [run["id"] for run in listed if thread in run["conversation"]]
        return str(run_id)

    # -- mail -----------------------------------------------------------------------------------

    async def mail_to(self, address: str, containing: str) -> email.message.EmailMessage:
        def find() -> email.message.EmailMessage | None:
            found = (m for m in self.mail.mails if m["To"] == address and containing in str(m))
            return next(found, None)

        found = await eventually(find)
        assert found is not None
        return found

    async def write(self, sender: str, to: str, text: str, **headers: str) -> str:
        """Send a mail; returns what the server says to it."""
        message = email.message.EmailMessage()
        message["From"], message["To"] = sender, to
        own_id = email.utils.make_msgid(domain="client.test")
        for name, value in {"Subject": "Money", "Message-ID": own_id, **headers}.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)

        def deliver() -> str:
            with smtplib.SMTP("127.0.0.1", self.stack.smtp_port) as smtp:
                try:
                    smtp.send_message(message)
                except smtplib.SMTPResponseException as error:
                    return f"{error.smtp_code} {error.smtp_error!r}"
                except smtplib.SMTPRecipientsRefused as error:
                    return str(error)
            return "250"

        return await asyncio.to_thread(deliver)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    redis_server.empty()
    async with (
        ScriptedModel(obey) as model,
        slack_api.serve() as slack,
        CallbackSink(WEBHOOK_SECRET) as callbacks,
        MailSink() as mail,
    ):
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"))
        stack.environment = {
            **write_agents(tmp_path_factory.mktemp("agents")),
            "PONDERD_PUBLIC_URL": stack.url,
            "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
            "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail.port}",
            "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
        }
        async with running(stack, workers=2) as client:
            yield World(client, stack, model, slack, callbacks, mail)


# -- one approval, every door -------------------------------------------------------------------


async def press_the_button(world: World, run_id: str) -> None:
    message = await world.buttons(run_id)
    assert await world.to_slack_route(world.slack.click(message, "approve", user="U2")) == 200


async def answer_the_mail(world: World, run_id: str) -> None:
    asked = await world.mail_to(BOSS, run_id)
    text = f"Yes\n\nOn Monday clerk wrote:\n> {SPEND}"
    answer = await world.write(BOSS, asked["Reply-To"], text, In_Reply_To=asked["Message-ID"])
    assert answer == "250"


async def open_the_link_and_press(world: World, run_id: str) -> None:
    body = plain(await world.mail_to(BOSS, run_id))
    link = re.findall(r"https?://\S+", body)[0]
    async with aiohttp.ClientSession() as http:
        async with http.get(link) as page:
            assert page.status == 200
            assert "spend" in await page.text()
        async with http.post(link, data={"decision": "approve"}) as page:
            assert "Approved by" in await page.text()


async def post_to_the_api(world: World, run_id: str) -> None:
    approval = await world.approval(run_id)
    body = {"approve": True, "by": "script"}
    status, view = await world.client.post(f"/approvals/{approval['id']}", body)
    assert (status, view["status"], view["decided_by"]) == (200, "approved", "api:script")


async def write_yes_to_the_run(world: World, run_id: str) -> None:
    status, _ = await world.client.post(f"/runs/{run_id}/messages", {"text": "yes", "by": "ann"})
    assert status == 200


async def use_the_command_line(world: World, run_id: str) -> None:
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ponderd.daemon.cli", "runs", "answer", run_id, "yes"],
        env={**os.environ, **world.stack.settings},
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    ("door", "via"),
    [
        (press_the_button, "slack"),
        (answer_the_mail, "email"),
        (open_the_link_and_press, "email"),
        (post_to_the_api, "api"),
        (write_yes_to_the_run, "api"),
        (use_the_command_line, "api"),
    ],
)
async def test_the_same_approval_can_be_answered_from_everywhere(
    door: Callable[[World, str], Awaitable[None]], via: str, world: World
) -> None:
    run_id = await world.asks()
    message = await world.buttons(run_id)
    assert world.spent(run_id) == []
    await door(world, run_id)
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == "heard: [tool] spend: ann got 5 euro"
    assert world.spent(run_id) == ["5 ann"]
    [answered] = await world.of_type(run_id, "approval_answered")
    assert (answered["approved"], answered["via"]) == (True, via)
    await eventually(lambda: not message["blocks"])
    assert "Approved by" in message["text"]


async def test_the_terminal_asks_and_takes_the_answer(world: World) -> None:
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ponderd.daemon.cli", "chat", "clerk"],
        env={**os.environ, **world.stack.settings},
        input=f"{SPEND}\nyes\n".encode(),
        capture_output=True,
        check=True,
    )
    lines = said.stdout.decode().splitlines()
    assert len(lines) == 2, lines
    question, answer = lines
    assert question == 'May I run spend(euro=5, to="ann")? Please answer yes or no.'
    assert answer == "heard: [tool] spend: ann got 5 euro"


async def test_two_answers_at_once_one_counts_and_the_other_is_told(world: World) -> None:
    for _ in range(5):
        run_id = await world.asks()
        message, approval = await world.buttons(run_id), await world.approval(run_id)
        whispers = len(world.slack.whispers)
        _, (status, view) = await asyncio.gather(
            world.to_slack_route(world.slack.click(message, "approve", user="U2")),
            world.client.post(f"/approvals/{approval['id']}", {"approve": False, "by": "ann"}),
        )
        await world.client.until(run_id, "COMPLETED")
        [answered] = await world.of_type(run_id, "approval_answered")
        if answered["via"] == "slack":
            assert (status, "approved by slack:t1/u2" in view["error"]) == (409, True)
            assert world.spent(run_id) == ["5 ann"]
        else:
            told = await eventually(lambda n=whispers: world.slack.whispers[n:])
            assert (told[0]["user"], "denied by api:ann" in told[0]["text"]) == ("U2", True)
            assert (status, world.spent(run_id)) == (200, [])


async def test_edited_arguments_are_what_is_done(world: World) -> None:
    run_id = await world.asks()
    approval = await world.approval(run_id)
    body = {"approve": True, "by": "ann", "arguments": {"euro": 3, "to": "bob"}}
    status, view = await world.client.post(f"/approvals/{approval['id']}", body)
    assert (status, view["arguments"]) == (200, {"euro": 3, "to": "bob"})
    await world.client.until(run_id, "COMPLETED")
    assert world.spent(run_id) == ["3 bob"]
    [answered] = await world.of_type(run_id, "approval_answered")
    assert answered["arguments"] == {"euro": 3, "to": "bob"}
    assert answered["digest"] != approval["digest"]


async def test_who_is_no_approver_decides_nothing(world: World) -> None:
    thread = await world.say(SPEND, user="U9", channel="CSTRICT")
    asked = await world.heard(thread, "May I run")
    run_id = await world.run_of(thread)
    await world.to_slack_route(world.slack.click(asked, "approve", user="U9"))
    await eventually(lambda: [w for w in world.slack.whispers if "may not decide" in w["text"]])
    await world.say("yes", thread=thread, user="U9", channel="CSTRICT")
    await world.heard(thread, "You may not decide this; it waits for <@U2>")
    approval = await world.approval(run_id)
    status, _ = await world.client.post(f"/approvals/{approval['id']}", {"approve": True})
    assert status == 403
    assert await world.of_type(run_id, "approval_answered") == []
    await world.to_slack_route(world.slack.click(asked, "approve", user="U2"))
    await world.client.until(run_id, "COMPLETED")
    assert world.spent(run_id) == ["5 ann"]


async def test_a_mail_that_proves_nothing_decides_nothing(world: World) -> None:
    run_id = await world.asks()
    asked = await world.mail_to(BOSS, run_id)
    for sender, to in (
        ("eve@ponderd.localhost", asked["Reply-To"]),  # forwarded to somebody else
        (BOSS, re.sub(r"(.)@", lambda c: "1@" if c[1] == "0" else "0@", asked["Reply-To"])),
    ):
        assert (await world.write(sender, to, "yes")).startswith(("550", "{"))
    assert await world.of_type(run_id, "approval_answered") == []
    assert (await world.write(BOSS, asked["Reply-To"], "no")) == "250"
    view = await world.client.until(run_id, "COMPLETED")
    assert "a person said no" in view["reply"]
    assert "554" in await world.write("boss@ponderd.localhost", asked["Reply-To"], "yes")
    assert world.spent(run_id) == []


async def test_an_approval_survives_the_death_of_every_process(world: World) -> None:
    run_id = await world.asks()
    approval = await world.approval(run_id)
    for name in list(world.stack.processes):
        await world.stack.stop(name, signal.SIGKILL)
    world.stack.start("serve")
    world.stack.start("work", "work-0")
    world.stack.start("work", "work-1")
    await world.stack.ready()
    assert await world.approval(run_id) == approval
    await asyncio.gather(
        *(press_the_button(world, run_id) for _ in range(3)),  # a nervous finger
        return_exceptions=True,
    )
    await world.client.until(run_id, "COMPLETED")
    assert world.spent(run_id) == ["5 ann"]


# -- when nobody answers ------------------------------------------------------------------------


async def test_a_timeout_can_deny_and_no_person_is_said_to_have_done_it(world: World) -> None:
    run_id = await world.client.launch("denying", SPEND)
    view = await world.client.until(run_id, "COMPLETED")
    assert "nobody said no" in view["reply"]
    assert await world.of_type(run_id, "approval_answered") == []
    [expired] = await world.of_type(run_id, "approval_expired")
    assert expired["policy"] == "deny"
    assert world.spent(run_id) == []


async def test_a_timeout_can_pause_and_the_answer_still_counts(world: World) -> None:
    run_id = await world.client.launch("halting", SPEND)
    await world.client.until(run_id, "PAUSED")
    approval = await world.approval(run_id)
    await world.client.post(f"/approvals/{approval['id']}", {"approve": True})
    await world.client.until(run_id, "COMPLETED")
    assert world.spent(run_id) == ["5 ann"]


async def test_a_timeout_can_ask_somebody_else(world: World) -> None:
    run_id = await world.client.launch("escalating", SPEND)
    asked = await world.mail_to("chief@ponderd.localhost", "Nobody has answered yet")
    assert asked["Subject"].strip().startswith("Approval needed")
    answer = await world.write("chief@ponderd.localhost", asked["Reply-To"], "yes")
    assert answer == "250"
    await world.client.until(run_id, "COMPLETED")
    assert world.spent(run_id) == ["5 ann"]
    [answered] = await world.of_type(run_id, "approval_answered")
    assert answered["by"] == "chief@ponderd.localhost"


async def test_people_are_reminded_until_somebody_answers(world: World) -> None:
    run_id = await world.asks("reminding")
    first = await world.buttons(run_id)

    def reminders() -> list[dict[str, Any]]:
        found = [m for m in world.slack.messages if run_id in json.dumps(m.get("blocks") or [])]
        return [m for m in found if "Still waiting: " in m["text"]]

    newest = (await eventually(reminders))[-1]
    await world.to_slack_route(world.slack.click(newest, "deny"))
    await world.client.until(run_id, "COMPLETED")
    await eventually(lambda: not first["blocks"] and not newest["blocks"])
    count = len(await world.of_type(run_id, "approval_reminded"))
    await asyncio.sleep(1.5)
    assert len(await world.of_type(run_id, "approval_reminded")) == count


# -- pause, resume, cancel ----------------------------------------------------------------------


async def test_a_word_in_slack_pauses_resumes_and_cancels(world: World) -> None:
    with world.model.silent():
        thread = await world.say(order(action="look"))
        await eventually(lambda: world.model.in_flight)
        run_id = await world.run_of(thread)
        await world.say("!pause", thread=thread)
        # It is acknowledged before it is worked off.

        async def is_stored() -> bool:
            return len(await world.of_type(run_id, "message_received")) == 2

        await eventually(is_stored)
    await world.client.until(run_id, "PAUSED")
    await world.heard(thread, "aused")
    assert await world.of_type(run_id, "tool_started") == []  # between selection and execution
    await world.say("!resume", thread=thread)
    await world.heard(thread, "heard: [tool] look: all quiet")
    await world.client.until(run_id, "COMPLETED")
    await world.say(SPEND, thread=thread)
    await world.heard(thread, "May I run")
    await world.say("!cancel", thread=thread)
    assert (await world.client.until(run_id, "CANCELLED"))["status"] == "CANCELLED"
    await world.heard(thread, "ancelled")
    assert world.spent(run_id) == []


async def test_a_word_in_a_mail_pauses_and_cancels(world: World) -> None:
    sender, agent = "ann@ponderd.localhost", "plain@ponderd.localhost"
    await world.write(sender, agent, SPEND, Subject="Paint")
    asked = await world.mail_to(sender, "May I run spend")
    headers = {"In_Reply_To": asked["Message-ID"], "References": asked["Message-ID"]}
    await world.write(sender, agent, "/pause", Subject="Re: Paint", **headers)
    await world.mail_to(sender, "aused")
    listed = (await world.client.get("/runs?agent=plain&limit=1"))["runs"]
    assert listed[0]["status"] == "PAUSED"
    await world.write(sender, agent, "/cancel", Subject="Re: Paint", **headers)
    await world.mail_to(sender, "ancelled")
    await world.client.until(listed[0]["id"], "CANCELLED")


async def test_who_has_only_a_copy_of_a_thread_begins_one_of_their_own(world: World) -> None:
    ann, bob, eve = (f"{name}@ponderd.localhost" for name in ("ann2", "bob2", "eve2"))
    agent, root = "plain@ponderd.localhost", "<tulips@client.test>"
    sent = {"Cc": bob, "Message-ID": root, "Subject": "Tulips"}
    await world.write(ann, agent, "the password is tulip", **sent)
    answer = await world.mail_to(ann, "heard: the password is tulip")
    thread = {"References": f"{root} {answer['Message-ID']}", "Subject": "Re: Tulips"}
    await world.write(eve, agent, "which password?", **thread)
    await world.mail_to(eve, "heard: which password?")
    assert "tulip" not in str(world.model.requests[-1]).lower().replace("tulips", "")
    await world.write(bob, agent, "and mine?", **thread)
    await world.mail_to(bob, "heard: and mine?")
    assert "the password is tulip" in str(world.model.requests[-1])


async def test_a_cancel_stops_the_model_call_in_flight(world: World) -> None:
    before = world.model.disconnects
    run_id = await world.client.launch("plain", "endless")
    await eventually(lambda: world.model.in_flight)
    await world.client.post(f"/runs/{run_id}/cancel", {"by": "ann"})
    await eventually(lambda: world.model.disconnects == before + 1)
    assert (await world.client.until(run_id))["status"] == "CANCELLED"


async def test_a_run_resumes_where_it_was_paused_after_all_workers_died(world: World) -> None:
    with world.model.silent():
        run_id = await world.client.launch("plain", order(action="look"))
        await eventually(lambda: world.model.in_flight)
        await world.client.post(f"/runs/{run_id}/pause")
        for name in [name for name in world.stack.processes if name.startswith("work")]:
            await world.stack.stop(name, signal.SIGKILL)
            world.stack.start("work", name)
    await world.client.post(f"/runs/{run_id}/resume")
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == "heard: [tool] look: all quiet"


# -- waits --------------------------------------------------------------------------------------


async def test_a_run_waits_for_an_event_and_holds_nothing(world: World) -> None:
    run_id = await world.client.launch("plain", order(action="wait", event="paid", seconds=None))
    view = await world.client.until(run_id)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "event")
    await world.nothing_in_flight()
    body = {"name": "paid", "payload": {"euro": 3}, "by": "shop"}
    for _ in range(2):
        status, _ = await world.client.post(
            f"/runs/{run_id}/events", body, Idempotency_Key=f"paid {run_id}"
        )
        assert status == 200
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == 'heard: [tool] event paid: {"euro": 3}'
    assert len(await world.of_type(run_id, "event_received")) == 1


async def test_an_event_before_the_wait_is_not_lost(world: World) -> None:
    text = order(action="wait", event="paid", seconds=None)
    with world.model.silent():
        run_id = await world.client.launch("plain", text)
        event = {"name": "paid", "payload": "in cash"}
        await world.client.post(f"/runs/{run_id}/events", event)
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == "heard: [tool] event paid: in cash"


async def test_a_run_sleeps(world: World) -> None:
    run_id = await world.client.launch("plain", order(action="wait", event="", seconds=1))
    view = await world.client.until(run_id, "COMPLETED")
    assert "the time is over" in view["reply"]
    [began], [ended] = [await world.of_type(run_id, t) for t in ("tool_finished", "wait_ended")]
    assert ended["at"] - began["at"] >= 1


# -- fork, prompts ------------------------------------------------------------------------------


async def test_a_fork_goes_its_own_way(world: World) -> None:
    run_id = await world.asks(reply_to=world.callbacks.url)
    approval = await world.approval(run_id)
    await world.client.post(f"/approvals/{approval['id']}", {"approve": True})
    done = await world.client.until(run_id, "COMPLETED")
    posts = len(world.callbacks.posts)
    asked = int(approval["id"].rpartition(":")[2])
    body = {"at": asked - 1, "by": "ann"}
    forks = {
        (await world.client.post(f"/runs/{run_id}/fork", body, Idempotency_Key="f1"))[1]["id"]
        for _ in range(2)
    }
    [forked] = forks
    view = await world.client.until(forked)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "approval")
    again = await world.approval(forked)
    await world.client.post(f"/approvals/{again['id']}", {"approve": False})
    assert "said no" in (await world.client.until(forked, "COMPLETED"))["reply"]
    assert await world.client.get(f"/runs/{run_id}") == done
    assert (world.spent(run_id), world.spent(forked)) == (["5 ann"], [])
    assert len(world.callbacks.posts) == posts  # nobody outside heard of it


async def test_the_prompt_of_every_call_can_be_shown(world: World) -> None:
    run_id = await world.client.launch("plain", order(action="look"))
    await world.client.until(run_id, "COMPLETED")
    sent = world.model.requests[-2:]
    calls = await world.of_type(run_id, "model_answered")
    shown = []
    for call in calls:
        path = f"/runs/{run_id}/prompts/{call['version']}"
        async with world.client.session.get(path) as response:
            assert response.headers["x-prompt-verified"] == "true"
            assert response.headers["x-prompt-sha256"] == call["call"]["prompt_hash"]
            shown.append(await response.json())
    assert shown == sent


# -- questions ----------------------------------------------------------------------------------


async def test_a_choice_is_a_button_and_its_press_the_answer(world: World) -> None:
    question = {"text": "Which colour?", "format": "choices", "choices": ["red", "blue"]}
    thread = await world.say(order(action="ask_human", urgency="high", **question))
    asked = await world.heard(thread, "Which colour?")
    await world.to_slack_route(world.slack.click(asked, "blue", user="U3"))
    await world.heard(thread, "heard: blue")
    run_id = await world.run_of(thread)
    answer = (await world.of_type(run_id, "message_received"))[-1]
    assert (answer["text"], answer["via"], answer["sender"]) == ("blue", "slack", "t1/u3")


# -- limits -------------------------------------------------------------------------------------


async def test_a_limit_asks_and_a_yes_grants_as_much_again(world: World) -> None:
    run_id = await world.client.launch("limited", order(action="look"))
    view = await world.client.until(run_id)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "approval")
    approval = await world.approval(run_id)
    assert (approval["subject"], approval["tool"]) == ("limit", None)
    assert "2 of the 2 steps" in approval["text"]
    await world.client.post(f"/approvals/{approval['id']}", {"approve": True})
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == "heard: [tool] look: all quiet"


async def test_a_limit_that_is_not_extended_is_an_honest_failure(world: World) -> None:
    run_id = await world.client.launch("limited", order(action="look"))
    await world.client.until(run_id)
    await world.client.post(f"/runs/{run_id}/messages", {"text": "no"})
    view = await world.client.until(run_id, "FAILED")
    assert "steps" in view["error"]


async def test_what_one_sender_spent_counts_in_all_their_runs(world: World) -> None:
    first = await world.client.launch("frugal", "hello", by="ann")
    assert (await world.client.until(first))["status"] == "COMPLETED"
    second = await world.client.launch("frugal", "hello again", by="ann")
    view = await world.client.until(second)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "approval")
    of_bob = await world.client.launch("frugal", "hello", by="bob")
    assert (await world.client.until(of_bob))["status"] == "COMPLETED"


# -- while a run is busy ------------------------------------------------------------------------


async def two_messages(world: World, agent: str, first: str = "one") -> str:
    """A second message while the model thinks about the first one."""
    world.callbacks.posts.clear()
    with world.model.silent():
        run_id = await world.client.launch(agent, first, reply_to=world.callbacks.url)
        await eventually(lambda: world.model.in_flight)
        await world.client.post(f"/runs/{run_id}/messages", {"text": "two"})
    return run_id


async def test_queue_answers_one_after_the_other(world: World) -> None:
    run_id = await two_messages(world, "queueing")
    await eventually(lambda: len(world.callbacks.posts) == 2)
    await world.client.until(run_id, "COMPLETED")
    assert world.callbacks.texts == ["heard: one", "heard: two"]


async def test_collect_answers_what_came_before_a_silence_together(world: World) -> None:
    def answers(run_id: str) -> list[str]:
        posts = dict(world.callbacks.posts).values()
        return [body["text"] for body in posts if body["run_id"] == run_id]

    async def three_messages() -> str:
        run_id = await world.client.launch("collecting", "one", reply_to=world.callbacks.url)
        for text in ("two", "three"):
            await world.client.post(f"/runs/{run_id}/messages", {"text": text})
        return run_id

    run_id = await quickly(2, three_messages)
    await eventually(lambda: answers(run_id))
    await world.client.until(run_id, "COMPLETED")
    assert answers(run_id) == ["heard: three"]
    assert (await world.client.get(f"/runs/{run_id}"))["usage"]["model_calls"] == 1
    prompt = world.model.requests[-1]["messages"][-1]["content"]
    assert [word for word in prompt.split() if word in ("one", "two", "three")] == [
        *("one", "two", "three")
    ]


async def test_interrupt_drops_the_call_and_answers_both_together(world: World) -> None:
    before = world.model.disconnects
    run_id = await two_messages(world, "interrupting", "endless one")
    await world.client.until(run_id, "COMPLETED")
    assert world.model.disconnects == before + 1
    assert world.callbacks.texts == ["heard: two"]
    assert len(await world.of_type(run_id, "model_interrupted")) == 1


async def test_reject_tells_the_sender_and_finishes_the_first(world: World) -> None:
    run_id = await two_messages(world, "rejecting")
    await world.client.until(run_id, "COMPLETED")
    kinds = [(body["kind"], body["text"]) for _, body in world.callbacks.posts]
    assert [kind for kind, _ in kinds] == ["notice", "answer"]
    assert "still busy" in kinds[0][1]
    assert kinds[1][1] == "heard: one"
