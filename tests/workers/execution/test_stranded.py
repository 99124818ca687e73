"""A run whose agent no worker has: people are told, operators see it, and it goes on by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ponderd.channels.errors import Conflict
from ponderd.workers.control.stranded import StrandedRuns, degraded
from ponderd.workers.execution.executor import Executor
from ponderd.workers.execution.fleet import FLEET, GRACE, LIVE_SECONDS, Fleet
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Status
from ponderd.workers.store.contract import Projection
from tests.workers.world import LAUNCH, MAILBOX, REPLY, THREAD, World


async def alone(world: World) -> Executor:
    """From here on the only worker has another agent."""
    world.executor = world.worker(agents={})
    return world.executor


async def asking(world: World) -> str:
    world.model.lines = [LAUNCH, REPLY]
    run_id = await world.write("launch", reply_to=THREAD)
    await world.advance(run_id)
    return run_id


def told(world: World) -> int:
    return sum("not installed any more" in text for text in world.slack.texts)


async def test_a_yes_is_told_and_kept_until_the_agent_is_back(world: World) -> None:
    run_id, before = await asking(world), world.executor
    await alone(world)
    run = await world.say(run_id, "yes", reply_to=THREAD)
    assert (run.status, run.waits_for, told(world)) == (Status.WAITING, "agent", 1)
    assert "not installed" in (run.error or "")
    head = await world.store.head(run_id)
    assert head and (head.status, head.waiting_for) == ("WAITING", "agent")
    for _ in range(5):
        await world.later(60)
    assert told(world) == 1
    world.executor = before
    await world.later(60)
    run = await world.run(run_id)
    assert (run.status, run.error, world.effects.counted) == (Status.COMPLETED, None, ["rocket"])
    assert world.slack.texts[-1] == "all done"


async def test_each_message_is_told_once_where_it_came_from(world: World) -> None:
    run_id = await asking(world)
    await alone(world)
    await world.say(run_id, "yes", reply_to=THREAD)
    await world.say(run_id, "hello?", reply_to=MAILBOX)
    await world.later(60)
    assert (told(world), len(world.mail.texts)) == (1, 1)
    await world.say(run_id, "hello?", reply_to=THREAD)
    await world.later(60)
    assert (told(world), len(world.mail.texts)) == (2, 1)


async def test_an_open_question_is_left_alone_until_somebody_answers(world: World) -> None:
    run_id = await asking(world)
    await alone(world)
    await world.later(3600)
    run = await world.run(run_id)
    assert (run.waits_for, told(world)) == ("approval", 0)


async def test_a_cancelled_one_says_so(world: World) -> None:
    run_id = await asking(world)
    await alone(world)
    await world.say(run_id, "yes", reply_to=THREAD)
    await world.runs.cancel(run_id, "ann", "not needed")
    run = await world.advance(run_id)
    assert run.status is Status.CANCELLED
    assert "Cancelled by ann. not needed" in world.slack.texts[-1]


async def test_commands_are_obeyed(world: World) -> None:
    run_id = await asking(world)
    await alone(world)
    run = await world.say(run_id, "/cancel", reply_to=THREAD)
    assert run.status is Status.CANCELLED
    assert "Cancelled by" in world.slack.texts[-1]


async def test_a_decision_by_the_api_is_refused_with_the_truth(world: World) -> None:
    run_id = await asking(world)
    world.serve({})
    with pytest.raises(Conflict, match="not installed any more"):
        await world.decide(run_id, True, "api:ann")
    assert (await world.run(run_id)).waits_for == "approval"


async def test_is_left_to_a_worker_that_has_the_agent(world: World) -> None:
    run_id = await asking(world)
    other, fleet = Fleet("other", [world.agent]), Fleet("me")
    for _ in range(5):
        await other.meet(world.store)
        await fleet.meet(world.store)
        world.executor = world.worker(agents={}, fleet=fleet)
        await world.say(run_id, "yes", reply_to=THREAD)
        assert told(world) == 0
        world.clock.now += 2
    await other.leave(world.store)
    await fleet.meet(world.store)
    await world.later(GRACE + 0.1)
    assert told(world) == 1


async def test_that_the_last_worker_left_is_heard_with_the_first_message(world: World) -> None:
    """This one is idle: it does not meet the others again before people have been told."""
    run_id = await asking(world)
    other, fleet = Fleet("other", [world.agent]), Fleet("me")
    await other.meet(world.store)
    await fleet.meet(world.store)
    await other.leave(world.store)
    world.clock.now += 2
    world.executor = world.worker(agents={}, fleet=fleet)
    await world.say(run_id, "yes", reply_to=THREAD)
    await world.later(GRACE - 0.5)
    assert told(world) == 0
    await world.later(0.6)
    assert told(world) == 1


async def test_a_worker_that_died_is_soon_forgotten(world: World) -> None:
    fleet, other = Fleet("me"), Fleet("other", [world.agent])
    await other.meet(world.store)
    for _ in range(8):
        await fleet.meet(world.store)
        world.clock.now += 2
    assert fleet.absent("tester", world.clock.now) > GRACE
    assert set(await world.store.box(FLEET)) == {"me"}
    assert LIVE_SECONDS + GRACE < 15


async def test_what_a_newer_worker_tells_is_skipped(world: World) -> None:
    await world.store.put(FLEET, "newer", b'{"from": "the future"}')
    fleet = Fleet("me", [world.agent])
    await fleet.meet(world.store)
    assert fleet.grace("tester", world.clock.now) == GRACE


async def test_operators_see_it_until_it_goes_on(world: World) -> None:
    run_id, before, stranded = await asking(world), world.executor, StrandedRuns(world.log)
    await alone(world)
    await world.say(run_id, "yes", reply_to=THREAD)
    assert await stranded.counted() == {"agent": 1, "events": 0, "archive": 0}
    assert degraded(await stranded.listed()) == [
        "1 run waits for tester, an agent that no worker has"
    ]
    world.executor = before
    await world.later(60)
    assert await stranded.counted() == {"agent": 0, "events": 0, "archive": 0}
    assert degraded(await stranded.listed()) == []


async def test_they_see_it_before_anybody_writes_to_it(world: World) -> None:
    run_id, stranded = await asking(world), StrandedRuns(world.log)
    assert await stranded.listed() == {}  # no worker told what it has
    await Fleet("other", []).meet(world.store)
    await world.store.put(FLEET, "newer", b'{"from": "the future"}')
    await Fleet("me", [replace(world.agent, name="another")]).meet(world.store)
    assert set(await stranded.listed()) == {run_id}
    await Fleet("back", [world.agent]).meet(world.store)
    assert await stranded.listed() == {}


async def test_so_they_do_with_events_of_a_newer_ponderd(world: World) -> None:
    run_id = await asking(world)
    version = (await world.run(run_id)).version
    newer = b'{"type": "from_the_future", "at": 1}'
    await world.store.signal(run_id, version, newer, Projection("READY"))
    await world.executor.advance(run_id)
    stranded = StrandedRuns(world.log)
    assert await stranded.counted() == {"agent": 0, "events": 1, "archive": 0}
    assert degraded(await stranded.listed()) == ["1 run can only be read by a newer ponderd"]


async def test_the_events_say_what_happened(world: World) -> None:
    run_id, before = await asking(world), world.executor
    await alone(world)
    await world.say(run_id, "yes", reply_to=THREAD)
    world.executor = before
    await world.later(60)
    events = await world.of_type(run_id, e.AgentMissed, e.AgentFound)
    assert [event.type for event in events] == ["agent_missed", "agent_found"]
