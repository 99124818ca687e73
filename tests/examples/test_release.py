from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels.errors import Forbidden
from tests.examples.conftest import Stage

CHANGES = {"action": "changes"}
TAG = {"action": "tag", "version": "1.1.0"}
TAGGED = {"action": "reply", "text": "1.1.0 is tagged."}


@pytest.fixture
def tags(data_dir: Path) -> Path:
    folder = data_dir / "releases"
    folder.mkdir()
    (folder / "changes.txt").write_text("faster search\nnew icons\n")
    (folder / "tags.txt").write_text("1.0.0\n")
    return folder / "tags.txt"


async def test_tags_after_the_yes_of_an_approver(stage: Stage, tags: Path) -> None:
    world = stage("release", [CHANGES, TAG, TAGGED])
    run = await world.advance(await world.write("Please release 1.1.0"))
    seen = world.model.prompts[1][-1]["content"]
    assert "[tool] changes: since 1.0.0: faster search; new icons" in seen
    assert (run.waits_for, tags.read_text()) == ("approval", "1.0.0\n")
    run = await world.decide(run.id, True, "api:ann")
    assert (run.outbox.reply, tags.read_text()) == ("1.1.0 is tagged.", "1.0.0\n1.1.0\n")


async def test_only_an_approver_may_say_yes(stage: Stage, tags: Path) -> None:
    world = stage("release", [CHANGES, TAG, TAGGED])
    run = await world.advance(await world.write("Please release 1.1.0"))
    approval = await world.approval(run.id)
    with pytest.raises(Forbidden):
        await world.inquiries.decide(approval.id, approve=True, by="slack:U1")
    assert tags.read_text() == "1.0.0\n"


async def test_nobody_is_asked_about_a_version_that_is_not_newer(stage: Stage, tags: Path) -> None:
    old = {"action": "reply", "text": "1.0.0 is there already."}
    world = stage("release", [{**TAG, "version": "1.0.0"}, old])
    run = await world.advance(await world.write("Please release 1.0.0"))
    assert run.outbox.reply == "1.0.0 is there already."
    assert "1.0.0 does not come after 1.0.0" in world.model.prompts[-1][-1]["content"]


async def test_after_eight_hours_it_is_a_no_of_nobody(stage: Stage, tags: Path) -> None:
    world = stage("release", [CHANGES, TAG, {"action": "reply", "text": "Nobody answered."}])
    run = await world.advance(await world.write("Please release 1.1.0"))
    await world.later(8 * 3600 + 1)
    run = await world.run(run.id)
    assert (run.outbox.reply, tags.read_text()) == ("Nobody answered.", "1.0.0\n")
    assert "nobody said no" in world.model.prompts[-1][-1]["content"]
