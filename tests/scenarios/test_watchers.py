"""Live streams of two daemons miss and repeat nothing, whatever becomes of the state server."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import API_TOKEN, Client, Stack, running
from tests.services.state_server import StateServer

RUNS = 8
ASKS = '!{"action": "ask_human", "text": "which?"}'


class Stream:
    """The numbers of the events of a run, as one stream brought them."""

    def __init__(self, session: aiohttp.ClientSession, url: str, run_id: str) -> None:
        self.seen: list[int] = []
        self.task = asyncio.create_task(self._follow(session, f"{url}/runs/{run_id}/events"))

    async def _follow(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"id: "):
                    self.seen.append(int(line[4:]))


async def test_streams_outlive_the_state_server(tmp_path: Path, data_dir: Path) -> None:
    beside = tmp_path / "another daemon"
    beside.mkdir()
    async with ScriptedModel(script) as model:
        with StateServer(tmp_path) as server:
            stack = Stack(server.url, model.url, data_dir)
            second = Stack(server.url, model.url, beside)
            async with running(stack) as client, running(second, workers=0):
                ids = [await client.launch("assistant", ASKS) for _ in range(RUNS)]
                for run_id in ids:
                    await client.until(run_id, "WAITING")
                async with aiohttp.ClientSession(
                    headers={
                        "authorization": f"Bearer {API_TOKEN}",
                        "accept": "text/event-stream",
                    },
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as session:
                    streams = {
                        run_id: [Stream(session, one.url, run_id) for one in (stack, second)]
                        for run_id in ids
                    }
                    every = [one for both in streams.values() for one in both]
                    await eventually(lambda: all(one.seen for one in every))
                    server.stop(signal.SIGKILL)
                    await asyncio.sleep(1)
                    server.start()
                    await _answer(client, ids[:4], ASKS)
                    await _answer(client, ids, "done")
                    await asyncio.gather(*(one.task for one in every))
                    for run_id, both in streams.items():
                        last = len(await client.events(run_id))
                        assert [one.seen for one in both] == [list(range(1, last + 1))] * 2


async def _answer(client: Client, ids: list[str], text: str) -> None:
    for run_id in ids:
        status, _ = await client.post(
            f"/runs/{run_id}/messages", {"text": text}, idempotency_key=f"{run_id} {text}"
        )
        assert status == 200
    for run_id in ids:
        await client.until(run_id)
