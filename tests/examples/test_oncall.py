from __future__ import annotations

import json
from pathlib import Path

from tests.examples.conftest import Stage

WAIT = {"action": "wait_for_ack", "minutes": 10}


def page(level: int) -> dict[str, object]:
    return {"action": "page", "level": level, "text": "The shop is down."}


def paged(data_dir: Path) -> list[str]:
    return [json.loads(line)["to"] for line in (data_dir / "pages.jsonl").read_text().splitlines()]


async def test_pages_the_next_one_when_nobody_acknowledges(stage: Stage, data_dir: Path) -> None:
    taken = {"action": "reply", "text": "bob took it."}
    world = stage("oncall", [page(1), WAIT, page(2), WAIT, taken])
    run = await world.advance(await world.write("CRITICAL the shop is down"))
    assert (run.waits_for, paged(data_dir)) == ("event", ["ann"])

    await world.later(599)
    assert paged(data_dir) == ["ann"]
    await world.later(2)
    assert paged(data_dir) == ["ann", "bob"]
    assert "[tool] event ack: the time is over." in world.model.prompts[2][-1]["content"]

    await world.runs.event(run.id, "ack", '"bob"', "pager")
    run = await world.advance(run.id)
    assert (run.status, run.outbox.reply, paged(data_dir)) == (
        "COMPLETED",
        "bob took it.",
        ["ann", "bob"],
    )
    assert '[tool] event ack: "bob"' in world.model.prompts[-1][-1]["content"]


async def test_an_acknowledgement_before_the_wait_is_not_lost(stage: Stage, data_dir: Path) -> None:
    world = stage("oncall", [page(1), WAIT, {"action": "reply", "text": "ann took it."}])
    run_id = await world.write("CRITICAL the shop is down")
    await world.runs.event(run_id, "ack", '"ann"', "pager")
    run = await world.advance(run_id)
    assert (run.outbox.reply, paged(data_dir)) == ("ann took it.", ["ann"])


async def test_there_is_no_fourth_level(stage: Stage) -> None:
    gone = {"action": "reply", "text": "Nobody answered."}
    world = stage("oncall", [page(4), gone])
    run = await world.advance(await world.write("CRITICAL the shop is down"))
    assert run.outbox.reply == "Nobody answered."
    assert "tool_started" not in await world.types(run.id)
    assert "less than or equal to 3" in world.model.prompts[-1][-1]["content"]
