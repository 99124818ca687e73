"""Two versions of the code at once, as during a deployment."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.sinks import CallbackSink
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer


async def test_an_older_worker_leaves_a_run_with_newer_events_to_a_newer_one(
    tmp_path: Path, data_dir: Path
) -> None:
    with StateServer(tmp_path / "own-state") as state:
        async with ScriptedModel(script) as model, CallbackSink(WEBHOOK_SECRET) as callbacks:
            allowed = {"PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}"}
            stack = Stack(state.url, model.url, data_dir, allowed)
            async with running(stack) as client:
                await stack.stop("work-0")
                newer = start_newer(stack)
                webhook = {"text": "one", "conversation": "c", "reply_to": callbacks.url}
                headers = {"authorization": f"Bearer {API_TOKEN}"}
                async with aiohttp.ClientSession(stack.url, headers=headers) as http:
                    await http.post("/webhooks/default", json=webhook)
                    # Frozen before the answer is recorded, it would send it again (same id).
                    await until_listed(client, "COMPLETED")

                    stack.start("work", "older")
                    newer.send_signal(signal.SIGSTOP)
                    await http.post("/webhooks/default", json=webhook | {"text": "two"})
                    await eventually(lambda: "unknown events" in stack.log("older"))
                    assert callbacks.texts == ["heard: one"]

                    # The older worker goes on with what it understands.
                    plain = await client.launch("assistant", "hello")
                    assert (await client.until(plain))["reply"] == "heard: hello"

                    # Else it might be poked first, any number of times in a row.
                    await stack.stop("older")
                    newer.send_signal(signal.SIGCONT)
                    await eventually(lambda: len(callbacks.texts) == 2)
                assert callbacks.texts == ["heard: one", "heard: two"]
                await until_listed(client, "COMPLETED")  # recorded after the answer arrived
                [run] = [r for r in (await client.get("/runs"))["runs"] if r["id"] != plain]
                status, error = await client.post_once(f"/runs/{run['id']}/pause")
                assert status == 503 and "newer version" in error["error"]


async def until_listed(client: Client, status: str) -> None:
    """Wait for all runs. The list tells their status although nobody here can read their events."""
    while {run["status"] for run in (await client.get("/runs"))["runs"]} != {status}:
        await asyncio.sleep(0.05)


def start_newer(stack: Stack) -> subprocess.Popen[bytes]:
    with (stack.data_dir / "newer.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.newer_worker"],
            env={**os.environ, **stack.settings},
            stdout=log,
            stderr=log,
        )
    stack.processes["newer"] = process
    return process
