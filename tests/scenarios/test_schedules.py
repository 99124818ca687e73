"""Schedules of real daemons: two of them on one state server, killed, stopped and steered."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.commands.commands import Ponderd, ponderd
from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.ports import free_port
from tests.services.sinks import CallbackSink
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Client, Stack, running

__all__ = ["ponderd"]

FILE = """
[schedules.tick]
agent = "assistant"
text = "tick {{scheduled_at}}"
every = "1s"
overlap = "allow"
missed = "all"
answer = "http://127.0.0.1:{port}/answers"

[schedules.rare]
agent = "assistant"
text = "hello"
cron = "0 0 29 2 *"
"""


@pytest.fixture
async def two(
    redis_url: str, data_dir: Path, tmp_path: Path
) -> AsyncIterator[tuple[Stack, Stack, Client, CallbackSink]]:
    async with ScriptedModel(script) as model, CallbackSink(WEBHOOK_SECRET) as callbacks:
        file = tmp_path / "ponderd.toml"
        file.write_text(FILE.format(port=callbacks.port))
        stack = Stack(
            redis_url,
            model.url,
            data_dir,
            {
                "PONDERD_CONFIG": str(file),
                "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
            },
        )
        async with running(stack) as client:
            # It shares the processes: what ends the one stack ends this one, too.
            other = replace(stack, http_port=free_port(), smtp_port=free_port())
            other.start("serve", "other")
            await other.ready()
            yield stack, other, client, callbacks


async def ticks(client: Client) -> list[float]:
    """The ticks whose runs began, in Unix seconds; each run has one message and one tick."""
    runs = (await client.get("/runs?limit=500"))["runs"]
    found = [run["conversation"] for run in runs if run["conversation"].startswith("tick@")]
    assert len(found) == len(set(found))
    return sorted(datetime.fromisoformat(name.removeprefix("tick@")).timestamp() for name in found)


async def more(client: Client, number: int) -> None:
    had = len(await ticks(client))

    async def came() -> bool:
        return len(await ticks(client)) >= had + number

    await eventually(came)


async def test_each_tick_once_through_kills_stops_and_a_pause(
    two: tuple[Stack, Stack, Client, CallbackSink],
) -> None:
    stack, other, client, callbacks = two
    await more(client, 3)
    await stack.stop("other", signal.SIGKILL)
    await more(client, 2)
    had = other.log("other").count("schedule started a run")
    other.start("serve", "other")
    stack.processes["serve"].send_signal(signal.SIGSTOP)
    await other.ready()
    await eventually(lambda: other.log("other").count("schedule started a run") >= had + 2)
    stack.processes["serve"].send_signal(signal.SIGCONT)
    await more(client, 2)
    # Both away: what is missed meanwhile is made up for.
    await stack.stop("other", signal.SIGKILL)
    await stack.stop("serve", signal.SIGKILL)
    await asyncio.sleep(2)
    stack.start("serve")
    await stack.ready()
    await more(client, 4)

    status, view = await client.post("/schedules/tick/pause", {"by": "ann"})
    assert (status, view["paused"], view["paused_by"]) == (200, True, "ann")
    before = await ticks(client)
    assert before == [before[0] + n for n in range(len(before))]
    await asyncio.sleep(2)
    assert await ticks(client) == before
    await eventually(lambda: len(callbacks.texts) >= len(before))

    status, view = await client.post("/schedules/tick/resume", {"by": "ann"})
    assert (status, view["paused"]) == (200, False)
    await more(client, 2)
    after = [tick for tick in await ticks(client) if tick not in before]
    assert after[0] > before[-1] + 1
    assert after == [after[0] + n for n in range(len(after))]
    view = await client.get("/schedules/tick")
    assert view["ticks"]["missed"] == view["ticks"]["joined"] == 0
    assert len(callbacks.texts) == len(set(callbacks.texts))


async def test_over_http_and_on_the_command_line(
    two: tuple[Stack, Stack, Client, CallbackSink],
    ponderd: Ponderd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack, _, client, _ = two

    async def command(*arguments: str) -> Any:
        return await asyncio.to_thread(ponderd, *arguments)

    monkeypatch.setenv("PONDERD_HTTP_PORT", str(stack.http_port))
    monkeypatch.setenv("PONDERD_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("PONDERD_DATA_DIR", str(stack.data_dir))

    names = [view["name"] for view in (await client.get("/schedules"))["schedules"]]
    assert names == ["rare", "tick"]
    status, error = await client.post("/schedules/nightly/pause")
    assert (status, error["error"]) == (
        404,
        "there is no schedule 'nightly'; known schedules: rare, tick",
    )
    async with client.session.get("/schedules", headers={"authorization": "Bearer no"}) as answer:
        assert answer.status == 401

    key = {"idempotency_key": "k1"}
    status, run = await client.post("/schedules/rare/run", {"by": "ann"}, **key)
    assert status == 201
    assert (await client.post("/schedules/rare/run", {"by": "ann"}, **key))[1]["id"] == run["id"]
    assert (await client.post("/schedules/rare/run", {"by": "bob"}, **key))[0] == 409
    [_, received, *_] = await client.events(run["id"])
    assert (received["via"], received["sender"]) == ("schedule", "rare")
    assert received["authentic"] is False
    assert received["text"].startswith("hello\n\nScheduled for ")

    listed = await command("schedules")
    assert listed.code == 0 and "0 0 29 2 * (UTC); next Tuesday 2028-02-29 00:00 UTC" in listed.out
    lines = (await command("schedules", "--json")).json_lines
    assert [view["name"] for view in lines] == ["rare", "tick"]
    paused = await command("schedules", "pause", "rare")
    assert paused.code == 0 and "paused by" in paused.out
    ran = await command("schedules", "run", "rare")
    assert ran.code == 0 and "heard: Scheduled for " in ran.out
    assert "paused by" not in (await command("schedules", "resume", "rare")).out
    shown = (await command("schedules", "show", "rare", "--json")).json
    assert (shown["paused"], shown["overlap"], shown["answer"]) == (False, "skip", None)
    assert "for each run" in (await command("schedules", "show", "rare")).out
    assert (await command("schedules", "show", "nightly")).code == 1

    async with client.session.get("/metrics") as answer:
        metrics = await answer.text()
    assert 'ponderd_schedule_ticks_total{outcome="started",schedule="tick"}' in metrics
    by_hand = [json.loads(x) for x in stack.log("serve").splitlines() if "run by hand" in x]
    assert [line["duplicate"] for line in by_hand] == [False, True, False]
