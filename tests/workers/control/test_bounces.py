"""A mail of ours comes back: the run hears of it, and goes on as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels.message import Bounce
from ponderd.workers.control.runs import BOUNCES
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.archive import FolderArchive, archive_finished
from tests.workers.world import LAUNCH, MAILBOX, World

REASON = "5.1.1 there is nobody of this name"


def bounce(run_id: str, version: int = 4, **changed: object) -> Bounce:
    given = {"recipient": MAILBOX.to, "reason": REASON, "permanent": True, **changed}
    return Bounce.model_validate({"key": f"{run_id}:{version}", **given})


async def answered(world: World) -> Run:
    return await world.advance(await world.write(channel="email", reply_to=MAILBOX))


async def test_an_answer_that_came_back_stands_in_the_run(world: World) -> None:
    before = await answered(world)
    await world.runs.bounced(bounce(before.id))
    run = await world.advance(before.id)
    [event] = await world.of_type(run.id, e.ReplyBounced)
    assert (event.key, event.recipient) == (f"{run.id}:4", MAILBOX.to)
    assert (event.reason, event.permanent) == (REASON, True)
    view = await world.runs.show(run.id)
    assert view.status is Status.COMPLETED
    assert view.error == f"did not reach {MAILBOX.to}: {REASON}"
    assert view.reply == before.outbox.reply
    head = await world.store.head(run.id)
    assert head is not None
    assert head.status == "COMPLETED"
    assert len(world.mail.sent) == 1
    assert len(world.model.prompts) == 1


async def test_a_delay_is_no_error(world: World) -> None:
    run = await answered(world)
    await world.runs.bounced(bounce(run.id, permanent=False))
    assert (await world.runs.show(run.id)).error is None
    await world.runs.bounced(bounce(run.id))  # days later
    assert len(await world.of_type(run.id, e.ReplyBounced)) == 2


async def test_the_same_report_again_changes_nothing(world: World) -> None:
    run = await answered(world)
    for _ in range(3):
        await world.runs.bounced(bounce(run.id))
        world.clock.now += 7
    assert len(await world.of_type(run.id, e.ReplyBounced)) == 1


async def test_a_run_keeps_only_so_many(world: World) -> None:
    run = await answered(world)
    for number in range(BOUNCES + 5):
        await world.runs.bounced(bounce(run.id, recipient=f"p{number}@team.test"))
    assert len(await world.of_type(run.id, e.ReplyBounced)) == BOUNCES


@pytest.mark.parametrize("key", ["", "nonsense", "0c-none-9f3c1a2b7d:4"])
async def test_what_names_nothing_is_nothing(world: World, key: str) -> None:
    await world.runs.bounced(bounce("x").model_copy(update={"key": key}))


async def test_an_event_that_does_not_exist_is_nothing(world: World) -> None:
    run = await answered(world)
    await world.runs.bounced(bounce(run.id, version=99))
    assert await world.of_type(run.id, e.ReplyBounced) == []


async def test_an_approval_whose_question_came_back_stays_open(world: World) -> None:
    world.model.lines = [LAUNCH, {"action": "reply", "text": "done"}]
    run = await answered(world)
    assert run.work.approval
    await world.runs.bounced(bounce(run.id, int(run.work.approval.id.rpartition(":")[2])))
    run = await world.advance(run.id)
    assert (run.status, run.waits_for) == (Status.WAITING, "approval")
    assert "did not reach" in (run.error or "")
    run = await world.decide(run.id, True, "slack:u1")
    assert run.status is Status.COMPLETED
    assert world.effects.counted == ["rocket"]


async def test_it_does_not_end_a_run_that_works(world: World) -> None:
    run = await answered(world)
    await world.write("more", channel="email", reply_to=MAILBOX, run_id=run.id)
    await world.runs.bounced(bounce(run.id))
    run = await world.advance(run.id)
    assert run.status is Status.COMPLETED
    assert len(world.mail.sent) == 2


async def test_a_cancelled_and_a_paused_run_stay_so(world: World) -> None:
    run = await answered(world)
    await world.write("more", channel="email", reply_to=MAILBOX, run_id=run.id)
    await world.runs.pause(run.id, "ann")
    await world.runs.bounced(bounce(run.id))
    assert (await world.advance(run.id)).status is Status.PAUSED
    await world.runs.cancel(run.id, "ann")
    await world.advance(run.id)
    await world.runs.bounced(bounce(run.id, permanent=False))
    assert (await world.advance(run.id)).status is Status.CANCELLED


async def test_an_archived_run_comes_back_with_it(world: World, tmp_path: Path) -> None:
    run = await answered(world)
    archive = FolderArchive(tmp_path)
    world.serve({"tester": world.agent}, archive)
    world.clock.now += 100
    assert await archive_finished(world.store, archive, keep=10, now=world.clock.now, limit=9) == 1
    for _ in range(2):
        await world.runs.bounced(bounce(run.id))
        after = await world.advance(run.id)
        assert after.status is Status.COMPLETED
    head = await world.store.head(run.id)
    assert head is not None
    assert (head.status, head.version) == ("COMPLETED", run.version + 1)
    assert len(world.mail.sent) == 1
