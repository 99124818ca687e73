"""`ponderd up` on a state server that takes nothing for a while: it stays, and says so."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import redis

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import API_TOKEN, Client, Stack
from tests.services.state_server import StateServer


async def test_up_stays_and_says_what_is_wrong(tmp_path: Path, data_dir: Path) -> None:
    headers = {"authorization": f"Bearer {API_TOKEN}"}
    with StateServer(tmp_path / "own-state") as state:
        async with ScriptedModel(script) as model:
            stack = Stack(state.url, model.url, data_dir)
            up = stack.start("up")
            try:
                await stack.ready()
                async with aiohttp.ClientSession(stack.url, headers=headers) as session:
                    client = Client(session)
                    with model.silent(), redis.Redis.from_url(state.url) as admin:
                        kept = await client.launch("assistant", "asked before")
                        await eventually(lambda: model.in_flight)
                        admin.replicaof("127.0.0.1", "1")
                        await eventually(lambda: "read only replica" in stack.log("up"))
                        status, _ = await client.post_once(
                            "/runs", {"agent": "assistant", "text": "refused"}
                        )
                        assert status == 503
                        model.gate.set()
                        admin.replicaof("NO", "ONE")
                    assert (await client.until(kept))["reply"] == "heard: asked before"
                    new = await client.launch("assistant", "asked after")
                    assert (await client.until(new))["reply"] == "heard: asked after"
                    assert model.count == 2
                await eventually(lambda: "takes messages again" in stack.log("up"))
                assert up.poll() is None
            finally:
                assert await stack.stop("up") in (0, 130), stack.log("up")
