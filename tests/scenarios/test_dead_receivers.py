"""A receiver that is dead holds up nobody else: real processes, few slots, and receivers on
loopback that refuse, hang or are not there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from ponderd.workers.execution.receivers import SLOTS as SENDING
from ponderd.workers.execution.tasks import OPEN_FILES
from tests.scenarios.script import script
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.ports import free_port
from tests.services.sinks import CallbackSink, MailSink
from tests.services.slack_api import SlackApi
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOTS = 3
MANY = 40
HOSTS = 200

AGENT = """
from ponderd import Agent

agent = Agent("ops", "", "You watch over hosts.", thinking="none")
"""

ROUTE = """
[webhooks.{name}]
agent = "ops"
verify = ["bearer"]
text = "{{{{ alert }}}}"
conversation = "{{{{ host }}}}"
answer = "{answer}"
"""


@dataclass
class Hung:
    """Accepts, and never answers."""

    port: int = field(default_factory=free_port)
    met: int = 0
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/answers"

    async def _hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while await reader.read(65536):
                pass
        self.open -= 1
        writer.close()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._hang, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()

    @contextlib.asynccontextmanager
    async def serve_at_many(self, ports: int) -> AsyncIterator[list[str]]:
        """So many other hosts that do the same; their URLs."""
        servers = [await asyncio.start_server(self._hang, "127.0.0.1", 0) for _ in range(ports)]
        numbers = [server.sockets[0].getsockname()[1] for server in servers]
        try:
            yield [f"http://127.0.0.1:{number}/answers" for number in numbers]
        finally:
            for server in servers:
                server.close()


@dataclass
class Case:
    client: Client
    stack: Stack
    model: ScriptedModel
    slack: SlackApi
    callbacks: CallbackSink
    hung: Hung
    mail_port: int

    async def write(self, text: str, conversation: str, to: str) -> str:
        return await self.client.launch("ops", text, conversation=conversation, reply_to=to)

    async def alert(self, route: str, host: str, text: str) -> str:
        status, answer = await self.client.post(
            f"/webhooks/{route}", {"alert": text, "host": host}, authorization=f"Bearer {API_TOKEN}"
        )
        assert status == 202, answer
        return str(answer["run_id"])

    async def listed(self, run_id: str) -> list[dict[str, Any]]:
        found = (await self.client.get("/deliveries"))["deliveries"]
        return [one for one in found if one["run_id"] == run_id]

    async def retry(self, *arguments: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ponderd.daemon.cli", "deliveries", "retry", *arguments],
            env={**os.environ, **self.stack.settings},
            check=False,  # it may have been sent by itself a moment before
            capture_output=True,
            text=True,
        )
        return str(done.stdout + done.stderr)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Case]:
    redis_server.empty()
    hung, mail_port = Hung(), free_port()
    async with (
        ScriptedModel(script) as model,
        slack_api.serve() as slack,
        CallbackSink(WEBHOOK_SECRET) as callbacks,
        hung.serve(),
    ):
        folder: Path = tmp_path_factory.mktemp("agents")
        (folder / "ops.py").write_text(AGENT)
        answers = {"slack": "slack:C0OPS", "mail": "email:oncall@ponderd.localhost"}
        routes = (ROUTE.format(name=name, answer=answer) for name, answer in answers.items())
        (folder / "ponderd.toml").write_text("\n".join(routes))
        stack = Stack(redis_server.url, model.url, tmp_path_factory.mktemp("data"))
        stack.environment = {
            "PONDERD_AGENTS_DIR": str(folder),
            "PONDERD_CONFIG": str(folder / "ponderd.toml"),
            "PONDERD_SLOTS": str(SLOTS),
            "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
            "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail_port}",
            "PONDERD_CALLBACK_ALLOW": "127.0.0.1",
        }
        async with running(stack) as client:
            yield Case(client, stack, model, slack, callbacks, hung, mail_port)


@pytest.mark.parametrize("kind", ["broken", "hung", "away"])
async def test_one_dead_callback_and_three_healthy_ones_of_one_conversation(
    case: Case, kind: str
) -> None:
    dead = CallbackSink(WEBHOOK_SECRET, statuses=[500] * 100)
    place = case.hung.url if kind == "hung" else dead.url
    calls = case.model.count
    async with contextlib.AsyncExitStack() as stack:
        if kind == "broken":
            await stack.enter_async_context(dead)
        run_id = await case.write(f"{kind} 1", kind, place)
        await eventually(lambda: case.model.count > calls)
        for number in (2, 3, 4):
            assert await case.write(f"{kind} {number}", kind, case.callbacks.url) == run_id
            await eventually(lambda n=number: f"heard: {kind} {n}" in case.callbacks.texts)  # type: ignore[misc]
        assert case.model.count == calls + 4
        await case.client.until(run_id, "COMPLETED")
        [kept] = await eventually(lambda: case.listed(run_id))
        assert (kept["to"], kept["text"]) == (place, f"heard: {kind} 1")
        if kind == "hung":
            return
        dead.statuses.clear()
        if kind == "away":
            await stack.enter_async_context(dead)
        await case.retry(run_id)
        await eventually(lambda: dead.texts == [f"heard: {kind} 1"])
    assert case.model.count == calls + 4
    assert f"heard: {kind} 1" not in case.callbacks.texts


async def test_runs_for_a_hung_callback_cost_the_others_nothing(case: Case) -> None:
    """Forty of them, each of which would hold one of three slots for ten seconds."""
    met = case.hung.met
    runs = []
    for number in range(MANY):
        await case.write(f"hung {number}", f"hung-{number}", case.hung.url)
        runs.append(await case.write(f"well {number}", f"well-{number}", case.callbacks.url))
    for number in range(MANY):
        await eventually(lambda n=number: f"heard: well {n}" in case.callbacks.texts)  # type: ignore[misc]
    assert case.hung.met - met <= 12
    for run_id in runs:
        assert (await case.client.until(run_id))["status"] == "COMPLETED"


async def test_two_hundred_hung_hosts_beside_two_hundred_deliveries(case: Case) -> None:
    """Nobody waits for those that hang to be given up: they hang all at the same time."""
    async with contextlib.AsyncExitStack() as stack:
        dead = await stack.enter_async_context(case.hung.serve_at_many(HOSTS))
        alive = CallbackSink(WEBHOOK_SECRET)
        await stack.enter_async_context(alive)
        for number, place in enumerate(dead):
            await case.write(f"host {number}", f"host-{number}", place)
        texts = [f"live {number}" for number in range(HOSTS)]
        for text in texts:
            await case.write(text, text, alive.url)
        await eventually(lambda: len(alive.posts) >= HOSTS)
        await eventually(lambda: case.hung.most_open > SENDING)
        assert sorted(alive.texts) == sorted(f"heard: {text}" for text in texts)
        assert len(alive.posts) == HOSTS
    files = psutil.Process(case.stack.processes["work-0"].pid).rlimit(psutil.RLIMIT_NOFILE)
    assert files[0] >= min(files[1], OPEN_FILES)


async def test_a_slack_channel_without_the_bot(case: Case) -> None:
    case.slack.errors["chat.postMessage"] = "not_in_channel"
    calls = case.model.count
    for number in (1, 2, 3):
        run_id = await case.alert("slack", "kite", f"kite {number}")
        await eventually(lambda n=number: case.model.count == calls + n)  # type: ignore[misc]
    kept = await eventually(
        lambda: _all_there(case, run_id, ["heard: kite 1", "heard: kite 2", "heard: kite 3"])
    )
    assert all("invite the bot" in one["error"] for one in kept)
    del case.slack.errors["chat.postMessage"]
    assert "3 on their way" in await case.retry("--to", "slack:C0OPS")

    def posted() -> list[str]:
        return [m["text"] for m in case.slack.messages if "kite" in str(m.get("text"))]

    await eventually(lambda: len(posted()) == 3)
    assert [text[-6:] for text in posted()] == ["kite 1", "kite 2", "kite 3"]


async def test_a_relay_that_is_down(case: Case) -> None:
    calls = case.model.count
    for number in (1, 2, 3):
        run_id = await case.alert("mail", "hobby", f"hobby {number}")
        await eventually(lambda n=number: case.model.count == calls + n)  # type: ignore[misc]
    await eventually(lambda: _all_there(case, run_id, [f"heard: hobby {n}" for n in (1, 2, 3)]))
    async with MailSink(port=case.mail_port) as mail:
        await case.retry("--to", "email:")
        await eventually(lambda: len(mail.mails) == 3)
    assert await eventually(lambda: _nothing_there(case, run_id))


async def _all_there(case: Case, run_id: str, texts: list[str]) -> list[dict[str, Any]]:
    found = await case.listed(run_id)
    return found if sorted(one["text"] for one in found) == texts else []


async def _nothing_there(case: Case, run_id: str) -> bool:
    return not await case.listed(run_id)
