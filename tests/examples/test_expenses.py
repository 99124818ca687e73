from __future__ import annotations

import json
from pathlib import Path

from tests.examples.conftest import Stage

CHAIR = {"action": "book", "what": "chair", "euros": 129}


def says(text: str) -> dict[str, str]:
    return {"action": "reply", "text": text}


def booked(data_dir: Path) -> list[float]:
    file = data_dir / "expenses.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["euros"] for line in lines]


async def test_books_a_small_claim_without_asking(stage: Stage, data_dir: Path) -> None:
    world = stage("expenses", [{**CHAIR, "euros": 20}, says("I booked it.")])
    run = await world.advance(await world.write("A chair for 20 euros"))
    assert (run.outbox.reply, booked(data_dir)) == ("I booked it.", [20.0])


async def test_asks_before_a_large_one_and_books_it_once(stage: Stage, data_dir: Path) -> None:
    world = stage("expenses", [CHAIR, says("I booked it.")])
    run = await world.advance(await world.write("A chair for 129 euros"))
    assert run.waits_for == "approval"
    assert booked(data_dir) == []
    run = await world.decide(run.id, True, "api:boss")
    assert (run.outbox.reply, booked(data_dir)) == ("I booked it.", [129.0])
    assert "[tool] book: booked 129.00 euros for chair" in world.model.prompts[-1][-1]["content"]


async def test_books_nothing_after_a_no(stage: Stage, data_dir: Path) -> None:
    world = stage("expenses", [CHAIR, says("I did not book it.")])
    run = await world.advance(await world.write("A chair for 129 euros"))
    run = await world.decide(run.id, False, "api:boss")
    assert (run.outbox.reply, booked(data_dir)) == ("I did not book it.", [])
    assert "a person said no" in world.model.prompts[-1][-1]["content"]


async def test_asks_nobody_about_what_cannot_be_booked(stage: Stage, data_dir: Path) -> None:
    answer = {"action": "ask_human", "text": "That is too much to book here."}
    world = stage("expenses", [{**CHAIR, "euros": 9_000}, answer])
    run = await world.advance(await world.write("A car for 9000 euros"))
    assert (run.waits_for, run.outbox.reply) == ("answer", "That is too much to book here.")
    assert "claims are from" in world.model.prompts[-1][-1]["content"]
    assert booked(data_dir) == []


async def test_after_three_days_without_an_answer_it_books_nothing(
    stage: Stage, data_dir: Path
) -> None:
    world = stage("expenses", [CHAIR, says("I did not book it.")])
    run = await world.advance(await world.write("A chair for 129 euros"))
    await world.later(3 * 86400 + 1)
    run = await world.run(run.id)
    assert (run.status, booked(data_dir)) == ("COMPLETED", [])
    assert "nobody said no" in world.model.prompts[-1][-1]["content"]
