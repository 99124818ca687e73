"""A step that comes to nothing is begun three times; then people are asked."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from ponderd.channels.message import Reply
from ponderd.workers.agents.policies import Approvals
from ponderd.workers.control.deliveries import Deliveries
from ponderd.workers.control.retries import Failed, Retries
from ponderd.workers.execution.author_code import NoProcess
from ponderd.workers.execution.escapes import LONGEST_RETRY
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from ponderd.workers.steps.attempts import (
    DEATHS,
    LONGEST_PAUSE,
    PAUSES,
    REST,
    SPREAD,
    may_begin_at,
    pause_after,
)
from tests.workers.world import CALLBACK, LOOK, REPLY, THREAD, Crash, World, make_world

LEASE = 30.0
"""Seconds; longer than the lease of the test's workers."""


async def crash(world: World) -> None:
    """Time passes, and the worker that takes up what is due dies of it, if it calls the tool."""
    due = world.store._due.values()
    seconds = max(LEASE, min(due, default=0) - world.clock.now + 1)
    with contextlib.suppress(Crash):
        await world.later(seconds)


ASKS = Approvals(remind_every=None, ask=("slack:C9",))


async def bomb(approvals: Approvals = ASKS, **fields: Any) -> tuple[World, str]:
    """A run whose idempotent tool killed its worker three times."""
    world = make_world()
    world.become(approvals=approvals)
    world.model.lines = [LOOK, REPLY]
    world.effects.crash = True
    run_id = await world.write(**fields)
    for _ in range(6):
        await crash(world)
    return world, run_id


async def test_a_tool_that_kills_its_worker_is_begun_three_times_and_people_are_asked() -> None:
    world, run_id = await bomb(channel="slack", reply_to=THREAD)
    run = await world.run(run_id)
    assert len(world.effects.counted) == 3
    assert run.status is Status.SET_ASIDE and run.waits_for == "approval"
    assert (await world.types(run_id)).count("tool_repeated") == 2
    asked = [(reply.to.to, reply.text) for reply, *_ in world.slack.sent]
    assert {place for place, _ in asked} == {"C1", "C9"}
    died = 'look(name="sky") 3 times, and each time its worker died'
    assert all(died in text for _, text in asked)
    page = await world.store.list_runs(status="SET_ASIDE", limit=9, cursor=None)
    assert [listed.id for listed in page.heads] == [run_id]
    assert [view.id for view in await world.open_approvals() if view.run_id == run_id]


async def test_no_lets_the_agent_go_on_with_an_unknown_outcome() -> None:
    world, run_id = await bomb()
    run = await world.decide(run_id, False, "api:bob")
    assert run.status is Status.COMPLETED and run.outbox.reply == "all done"
    assert len(world.effects.counted) == 3
    [told] = [turn.text for turn in run.turns if turn.role == "tool"]
    assert "the outcome is unknown: it was begun 3 times" in told and "said not to" in told


async def test_yes_begins_it_three_more_times() -> None:
    world, run_id = await bomb()
    approval = await world.approval(run_id)
    assert approval.subject == "again"
    await world.inquiries.decide(approval.id, approve=True, by="api:bob")
    for _ in range(6):
        await crash(world)
    assert len(world.effects.counted) == 6
    assert (await world.run(run_id)).status is Status.SET_ASIDE


async def test_yes_in_words_and_then_it_works() -> None:
    world, run_id = await bomb()
    world.effects.crash = False
    run = await world.say(run_id, "yes")
    assert run.status is Status.COMPLETED and len(world.effects.counted) == 4


async def test_what_was_written_meanwhile_waits_until_somebody_decides() -> None:
    world, run_id = await bomb()
    await world.say(run_id, "what about lunch?")
    run = await world.run(run_id)
    assert run.status is Status.SET_ASIDE and len(world.effects.counted) == 3
    world.model.lines = [REPLY]
    run = await world.decide(run_id, False, "api:bob")
    assert run.status is Status.COMPLETED


async def test_a_message_that_waits_does_not_settle_what_may_have_happened() -> None:
    world = make_world()
    world.model.lines, world.effects.crash = [LOOK, REPLY, REPLY], True
    run_id = await world.write()
    await crash(world)
    await world.write("and lunch?", conversation="c")
    for _ in range(6):
        await crash(world)
    run = await world.run(run_id)
    assert run.status is Status.SET_ASIDE and len(run.inbox.waiting) == 1
    world.effects.crash = False
    run = await world.decide(run_id, True, "api:bob")
    assert run.status is Status.COMPLETED and not run.inbox.waiting


async def test_retry_is_a_yes() -> None:
    world, run_id = await bomb()
    approval = await world.approval(run_id)
    retries = Retries(world.log)
    meant = Failed(status="SET_ASIDE", error="LOOK(")
    assert (await retries.retry_all(Failed(), "ann")).matched == 0
    assert (await retries.retry_all(meant, "ann", dry_run=True)).matched == 1
    assert (await retries.retry_all(meant, "ann")).retried == [run_id]
    view = await world.inquiries.show(approval.id)
    assert (view.status, view.decided_by) == ("approved", "ann")
    for _ in range(6):
        await crash(world)
    assert len(world.effects.counted) == 6
    assert (await world.run(run_id)).status is Status.SET_ASIDE
    await world.runs.pause(run_id, by="bob")
    await retries.retry(run_id, by="ann")
    world.effects.crash = False
    await world.runs.resume(run_id, by="bob")
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert len(world.effects.counted) == 7


async def test_cancel_ends_it() -> None:
    world, run_id = await bomb()
    await world.runs.cancel(run_id, by="bob")
    run = await world.advance(run_id)
    assert run.status is Status.CANCELLED and not run.work.call_key
    assert len(world.effects.counted) == 3


async def test_nobody_answers_in_time() -> None:
    policy = Approvals(remind_every=None, timeout=60, on_timeout="deny")
    world, run_id = await bomb(policy)
    await world.later(100)
    await world.later(100)
    run = await world.run(run_id)
    assert run.status is Status.COMPLETED
    assert any("outcome is unknown" in turn.text for turn in run.turns)


async def test_a_call_that_died_once_begins_again_at_once_and_one_that_died_twice_not() -> None:
    world = make_world()
    world.model.lines, world.effects.crash = [LOOK, REPLY], True
    run_id = await world.write()
    await crash(world)
    world.clock.now += 20
    with pytest.raises(Crash):
        await world.advance(run_id)
    run = await world.run(run_id)
    assert run.work.begun == 2
    first = run.work.begun_at + REST
    assert first <= may_begin_at(run) <= first + SPREAD
    once = replace(run, work=replace(run.work, begun=1))
    assert may_begin_at(once) == 0


# -- what escapes ----------------------------------------------------------------------------------


class Odd(BaseException):
    """Nothing that a worker expects."""


def failing_model(world: World, error: BaseException) -> list[float]:
    tried = []

    async def call(*_: Any) -> e.Event:
        tried.append(world.clock.now)
        raise error

    object.__setattr__(world.executor.model, "call", call)
    return tried


@pytest.mark.parametrize(
    "error", [RuntimeError("no idea"), Odd("no idea"), SystemExit(3), NoProcess("no process")]
)
async def test_what_escapes_is_counted_and_the_run_set_aside(error: BaseException) -> None:
    world = make_world()
    tried = failing_model(world, error)
    run_id = await world.write()
    with capture_logs() as logs:
        for _ in range(60):
            await world.later(3)
    run = await world.run(run_id)
    assert len(tried) == 3 and run.status is Status.SET_ASIDE
    assert [log["log_level"] for log in logs if log["event"] == "run set aside"] == ["warning"]
    assert tried[1] - tried[0] >= PAUSES[0] and tried[2] - tried[1] >= PAUSES[1]
    failed = await world.of_type(run_id, e.StepFailed)
    assert len(failed) == 3 and type(error).__name__ in failed[0].error
    assert "ask the model 3 times" in (await world.approval(run_id)).text
    counts = world.executor.metrics.take()
    assert (counts["steps_failed"], counts["runs_set_aside"]) == (3, 1)


async def test_no_ends_a_run_that_has_no_call() -> None:
    world = make_world()
    failing_model(world, RuntimeError("no idea"))
    run_id = await world.write()
    for _ in range(60):
        await world.later(3)
    run = await world.decide(run_id, False, "api:bob")
    assert run.status is Status.FAILED and "no idea" in (run.error or "")


async def test_an_error_is_cut() -> None:
    world = make_world()
    failing_model(world, RuntimeError("x" * 10_000))
    run_id = await world.write()
    await world.advance(run_id)
    [failed] = await world.of_type(run_id, e.StepFailed)
    assert len(failed.error) == 500


async def test_success_between_makes_it_count_anew() -> None:
    world = make_world()
    tried = failing_model(world, RuntimeError("now and then"))
    run_id = await world.write()
    await world.advance(run_id)
    await world.later(10)
    assert len(tried) == 2
    del world.executor.model.__dict__["call"]
    world.model.lines = [REPLY]
    await world.later(60)
    run = await world.run(run_id)
    assert run.status is Status.COMPLETED and run.failed_steps == 0


def test_the_pause_grows_and_has_an_end() -> None:
    later = [pause_after(failures) for failures in range(4, 40)]
    assert later == sorted(later) and later[-1] == LONGEST_PAUSE


async def test_a_log_that_cannot_be_read_is_left_alone_and_listed() -> None:
    world = make_world()
    run_id = await world.write()
    log = world.store._runs[run_id].log
    log.append(b'{"type":"from_the_future","at":1}')
    before = list(log)
    waits = []
    for _ in range(5):
        world.clock.now = world.store._due[run_id] + 1
        await world.executor.advance(run_id)
        waits.append(world.store._due[run_id] - world.clock.now)
    assert log == before and 2 * waits[0] < waits[-1] <= 1.001 * LONGEST_RETRY
    page = await world.store.list_runs(status="SET_ASIDE", limit=9, cursor=None)
    assert [(head.id, head.waiting_for) for head in page.heads] == [(run_id, "")]
    assert world.executor.metrics.take()["logs_not_understood"] == 5


# -- workers that die of nothing that is written down -----------------------------------------


async def test_a_model_call_that_kills_its_worker_is_tried_ten_times() -> None:
    world = make_world()
    tried = failing_model(world, Crash())
    run_id = await world.write()
    for _ in range(25):
        await crash(world)
    run = await world.run(run_id)
    assert len(tried) == DEATHS and run.status is Status.SET_ASIDE
    assert "10 workers in a row died" in (await world.approval(run_id)).text
    assert tried[-1] - tried[-2] > tried[1] - tried[0] + 30  # they rest ever longer


async def test_a_reply_that_kills_its_worker_is_given_up_and_listed() -> None:
    world = make_world()
    world.model.lines = [REPLY]
    sent: list[Reply] = []

    async def send(reply: Reply, *, resend: bool) -> str:
        sent.append(reply)
        raise Crash

    world.channel.send = send  # type: ignore[method-assign]
    run_id = await world.write(channel="webhook", reply_to=CALLBACK)
    for _ in range(25):
        await crash(world)
    assert len(sent) == DEATHS
    run = await world.run(run_id)
    assert run.status is Status.FAILED
    [listed] = (await Deliveries(world.log, world.runs).listed()).deliveries
    assert "its worker died 10 times" in listed.error and listed.state == "undelivered"


async def test_a_run_whose_holder_died_of_another_is_not_set_aside() -> None:
    """It shares some deaths; each step that ends makes them count anew."""
    world = make_world()
    tried = failing_model(world, Crash())
    run_id = await world.write()
    for _ in range(5):
        await crash(world)
    assert len(tried) >= 3
    del world.executor.model.__dict__["call"]
    world.model.lines = [REPLY]
    for _ in range(5):
        await crash(world)
    run: Run = await world.run(run_id)
    assert run.status is Status.COMPLETED
    assert world.store._runs[run_id].deaths == 0
