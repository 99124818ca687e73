"""An agent is gone under an open approval and an open question: operators see it at once, whoever
answers is told, and all goes on when it is back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import aiohttp

from tests.scenarios.agents_in_charge import AGENT
from tests.scenarios.test_people import World, obey, order
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import CallbackSink, MailSink
from tests.services.slack_api import SlackApi
from tests.services.stack import WEBHOOK_SECRET, Stack, running
from tests.services.state_server import StateServer

ASK = order(action="ask_human", text="which one?")
GONE = "is not installed any more"


class Deployment(World):
    agents: Path

    async def deploy(self, agent: str) -> None:
        """Rename the agent, and restart all processes."""
        for name in list(self.stack.processes):
            await self.stack.stop(name)
        (self.agents / "payer.py").write_text(AGENT.replace("NAME", agent))
        self.stack.start("serve")
        self.stack.start("work", "work-0")
        await self.stack.ready()

    def told(self) -> int:
        """How many people were told that it is gone."""
        return sum(GONE in text for text in self.callbacks.texts)

    async def read(self, path: str) -> str:
        async with aiohttp.ClientSession(self.stack.url) as http, http.get(path) as response:
            return await response.text()

    async def missing(self, runs: int) -> bool:
        """Whether operators are told of so many runs."""
        told = f"{runs} runs wait for payer" in await self.read("/readyz")
        return told and f'stranded{{reason="agent"}} {runs}.0' in await self.read("/metrics")

    async def waits(self, run_id: str, wanted: str) -> bool:
        """Whether listings show that the run waits for this."""
        listed = (await self.client.get("/runs"))["runs"]
        return any((run["id"], run["waiting_for"]) == (run_id, wanted) for run in listed)


async def test_it_is_told_and_goes_on_when_the_agent_is_back(
    redis_url: str, redis_server: StateServer, tmp_path: Path, data_dir: Path
) -> None:
    async with (
        ScriptedModel(obey) as model,
        CallbackSink(WEBHOOK_SECRET) as callbacks,
        MailSink() as mail,
    ):
        stack = Stack(redis_url, model.url, data_dir)
        stack.environment = {
            "PONDERD_AGENTS_DIR": str(tmp_path),
            "PONDERD_SMTP_RELAY": f"127.0.0.1:{mail.port}",
            "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
        }
        (tmp_path / "payer.py").write_text(AGENT.replace("NAME", "payer"))
        async with running(stack) as client:
            world = Deployment(client, stack, model, SlackApi(), callbacks, mail)
            world.agents = tmp_path
            pays = await world.asks("payer", reply_to=callbacks.url)
            asks = await client.launch("payer", ASK, reply_to=callbacks.url)
            await client.until(asks, "WAITING")
            left = await client.launch("payer", ASK)
            await client.until(left, "WAITING")

            await world.deploy("renamed")
            await eventually(lambda: world.missing(3))
            assert await world.waits(asks, "answer")
            for run_id in (pays, asks):
                assert (await client.post(f"/runs/{run_id}/messages", {"text": "yes"}))[0] == 200
            await eventually(lambda: world.told() == 2)
            for run_id in (pays, asks):
                await eventually(partial(world.waits, run_id, "agent"))
            await eventually(lambda: world.missing(3))
            answer = await world.write("ann@ponderd.localhost", "payer@ponderd.localhost", "hello")
            assert "550" in answer and "no agent payer" in answer

            assert (await client.post(f"/runs/{left}/cancel"))[0] == 200
            await eventually(lambda: world.missing(2))

            await world.deploy("payer")
            await client.until(pays, "COMPLETED")
            await client.until(asks, "COMPLETED")
            assert world.spent(pays) == ["5 ann"]
            assert world.told() == 2
            assert '"degraded":[]' in await world.read("/readyz")
