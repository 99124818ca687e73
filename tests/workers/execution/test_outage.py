"""A model that is away loses nobody's question, and is not hammered meanwhile."""

from __future__ import annotations

import pytest

from ponderd.channels.errors import ModelError
from ponderd.workers.execution.outage import (
    AWAY_PAUSE,
    FAULTS,
    NOTICE,
    PROBE_SECONDS,
    REFUSALS,
)
from ponderd.workers.run.state import Status
from tests.workers.world import CALLBACK, MAILBOX, REPLY, THREAD, World

AWAY = ModelError("no answer from the model server: refused", cause="away")
HOUR = 3600.0


async def wait_for(world: World, seconds: float) -> None:
    """Time passes in steps that are shorter than any pause of note."""
    end = world.clock.now + seconds
    while world.clock.now < end:
        await world.later(5)


def back(world: World) -> None:
    world.model.lines, world.model.prompts = (REPLY,), []


async def test_an_hour_away_is_answered_and_told_once(world: World) -> None:
    world.model.lines = (AWAY,)
    run_id = await world.write(reply_to=THREAD)
    await world.advance(run_id)
    await wait_for(world, 30)
    assert world.slack.texts == []
    await wait_for(world, 60)
    assert world.slack.texts == [NOTICE]
    await wait_for(world, HOUR)
    run = await world.run(run_id)
    assert (run.status, run.waits_for) == (Status.WAITING, "retry")
    back(world)
    await wait_for(world, AWAY_PAUSE + PROBE_SECONDS)
    assert (await world.run(run_id)).status is Status.COMPLETED
    assert world.slack.texts == [NOTICE, "all done"]


async def test_whoever_writes_meanwhile_is_told_once_too(world: World) -> None:
    world.model.lines = (AWAY,)
    run_id = await world.write(reply_to=THREAD)
    await wait_for(world, 120)
    await world.write("and this?", reply_to=MAILBOX)
    await world.write("hello?", reply_to=THREAD)
    await wait_for(world, 300)
    assert (world.slack.texts, world.mail.texts) == ([NOTICE], [NOTICE])
    back(world)
    await wait_for(world, 120)
    assert (await world.run(run_id)).status is Status.COMPLETED
    assert world.slack.texts == [NOTICE, "all done", "all done"]
    assert world.mail.texts == [NOTICE, "all done"]


async def test_a_program_sees_it_in_its_run(world: World) -> None:
    world.model.lines = (AWAY,)
    run_id = await world.write(reply_to=CALLBACK)
    await wait_for(world, 300)
    view = await world.runs.show(run_id)
    assert (view.waiting_for, world.channel.texts) == ("retry", [])
    assert "no answer from the model server" in (view.error or "")


async def test_the_next_outage_is_told_again(world: World) -> None:
    for _ in range(2):
        world.model.lines, world.model.prompts = (AWAY,), []
        await world.write(reply_to=THREAD)
        await wait_for(world, 120)
        back(world)
        await wait_for(world, 120)
    assert world.slack.texts == [NOTICE, "all done"] * 2


async def test_many_waiting_runs_ask_rarely_and_leave_short_logs(world: World) -> None:
    world.model.lines = (AWAY,)
    runs = [await world.write(conversation=str(number)) for number in range(50)]
    await wait_for(world, 60)
    asked = len(world.model.prompts)
    await wait_for(world, 600)
    assert len(world.model.prompts) - asked <= 600 / PROBE_SECONDS + 1
    assert sum([(await world.run(run_id)).version for run_id in runs]) < 50 * 8
    back(world)
    await wait_for(world, AWAY_PAUSE + 2 * PROBE_SECONDS)
    for run_id in runs:
        assert (await world.run(run_id)).status is Status.COMPLETED


async def test_after_its_patience_it_is_a_failure(world: World) -> None:
    world.model.lines = (AWAY,)
    world.executor.model.outage.patience = HOUR
    run_id = await world.write(reply_to=CALLBACK)
    await wait_for(world, HOUR - 60)
    assert (await world.run(run_id)).status is Status.WAITING
    await wait_for(world, 180)
    assert (await world.run(run_id)).status is Status.FAILED
    assert "does not answer" in world.channel.texts[0]


@pytest.mark.parametrize("cause", ["busy", "mendable"])
async def test_what_an_operator_or_time_can_mend_is_waited_for(world: World, cause: str) -> None:
    world.model.lines = (ModelError("HTTP 4xx", cause=cause, retryable=False),)
    run_id = await world.write(reply_to=THREAD)
    await wait_for(world, HOUR)
    assert world.slack.texts == [NOTICE]
    back(world)
    await wait_for(world, 120)
    assert (await world.run(run_id)).status is Status.COMPLETED


async def test_a_refused_request_does_not_wait(world: World) -> None:
    world.model.lines = (ModelError("HTTP 400", retryable=False),)
    run_id = await world.write(reply_to=CALLBACK)
    await wait_for(world, 60)
    assert (await world.run(run_id)).status is Status.FAILED
    assert len(world.model.prompts) == REFUSALS
    assert "does not take the request" in world.channel.texts[0]


async def test_a_request_that_fails_while_others_are_answered_ends(world: World) -> None:
    world.model.lines = (ModelError("HTTP 500"),)
    run_id = await world.write(reply_to=CALLBACK, conversation="poison")
    await wait_for(world, 30)
    world.executor.model.outage.answered(world.clock.now)
    await wait_for(world, 60 * FAULTS)
    assert (await world.run(run_id)).status is Status.FAILED
    assert len(world.model.prompts) == FAULTS


async def test_an_error_of_the_whole_server_is_an_outage(world: World) -> None:
    world.model.lines = (ModelError("HTTP 500"),)
    run_id = await world.write(reply_to=CALLBACK)
    await wait_for(world, HOUR)
    assert (await world.run(run_id)).status is Status.WAITING
