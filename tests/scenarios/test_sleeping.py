"""Runs that wait for long leave the state server but for their heads, and whatever happens to them
wakes them: with real processes that are killed, and an archive that is away."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

RUNS = 6
ASKS = '!{"action": "ask_human", "text": "which?"}'
SOON = {"PONDERD_SLEEP_AFTER_HOURS": "0.0005"}


async def asleep(client: Client) -> int:
    async with client.session.get("/metrics") as response:
        found = re.search(r"^ponderd_runs_asleep (\d+)", await response.text(), re.MULTILINE)
    return int(found[1]) if found else -1


async def all_asleep(client: Client, count: int) -> None:
    async def are() -> bool:
        return await asleep(client) == count

    await eventually(are)


async def degraded(client: Client) -> list[str]:
    async with client.session.get("/readyz") as response:
        return list((await response.json())["degraded"])


async def answered(client: Client, run_id: str) -> list[dict[str, Any]]:
    """The events of a run that somebody answered."""
    await client.until(run_id, "COMPLETED")
    events = await client.events(run_id)
    types = [event["type"] for event in events]
    assert types.count("run_launched") == 1
    assert types.count("message_received") == 2
    return events


async def test_whoever_is_asked_after_long_is_heard(tmp_path: Path, data_dir: Path) -> None:
    async with ScriptedModel(script) as model:
        with StateServer(tmp_path) as server:
            stack = Stack(server.url, model.url, data_dir, SOON)
            async with running(stack, workers=2) as client:
                ids = [
                    await client.launch("assistant", ASKS, conversation=f"c{number}")
                    for number in range(RUNS)
                ]
                for run_id in ids:
                    await client.until(run_id, "WAITING")
                await all_asleep(client, RUNS)
                first = await client.events(ids[0])
                assert [event["type"] for event in first][:2] == [
                    "run_launched",
                    "message_received",
                ]
                listed = await client.get("/runs?status=WAITING")
                assert {view["id"] for view in listed["runs"]} == set(ids)
                assert await asleep(client) == RUNS

                server.stop(signal.SIGKILL)
                server.start()
                await client.post(f"/runs/{ids[0]}/messages", {"text": "red"})
                assert (await answered(client, ids[0]))[: len(first)] == first

                for number in range(2):
                    await stack.stop(f"work-{number}", signal.SIGKILL)
                await client.post(f"/runs/{ids[1]}/messages", {"text": "red"})
                for number in range(2):
                    stack.start("work", f"work-{number}")
                await answered(client, ids[1])

                status, _ = await client.post(f"/runs/{ids[2]}/cancel", {"by": "ann"})
                assert status == 200
                await client.until(ids[2], "CANCELLED")

                folder = data_dir / "asleep"
                folder.rename(data_dir / "away")
                folder.touch()
                said = {"agent": "assistant", "text": "red", "conversation": "c3"}
                status, stored = await client.post("/runs", said)
                assert (status, stored["id"]) == (202, ids[3]) and "stored" in stored["detail"]
                await eventually(lambda: is_told(client))
                async with client.session.get(f"/runs/{ids[4]}") as response:
                    assert response.status == 503
                folder.unlink()
                (data_dir / "away").rename(folder)
                await answered(client, ids[3])

                name = (folder / "identity").read_text()
                (folder / "identity").write_text("another")
                assert any(f"write {name} into" in line for line in await degraded(client))
                (folder / "identity").write_text(name)
                assert await degraded(client) == []


async def is_told(client: Client) -> bool:
    return any("cannot be woken" in line for line in await degraded(client))
