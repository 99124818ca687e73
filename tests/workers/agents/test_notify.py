"""Agents write to others, where the operator lets them, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ponderd import Notify, notify, tool
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Status
from tests.workers.world import REPLY, THREAD, Crash, World

ALLOW = ("slack:C9", "email:@example.com", "https://hooks.example.com/in")


def writes(to: str, text: str = "it is done") -> dict[str, Any]:
    return {"action": "notify", "to": to, "text": text}


@pytest.fixture
def world(world: World) -> World:
    world.become(tools=(*world.agent.tools, notify))
    world.executor = world.worker(notify_allow=ALLOW)
    return world


def result(world: World) -> str:
    """What the model saw last."""
    return str(world.model.prompts[-1][-1]["content"])


async def test_a_message_goes_beside_the_conversation(world: World) -> None:
    world.model.lines = [writes("slack:C9"), REPLY]
    run = await world.advance(await world.write(reply_to=THREAD))
    sent = [(reply.kind, reply.text, reply.to.to, reply.to.thread) for reply, _ in world.slack.sent]
    assert sent == [("notice", "it is done", "C9", ""), ("answer", "all done", "C1", "17.1")]
    assert "on its way to slack:C9" in result(world)
    assert (run.status, run.outbox.reply) == (Status.COMPLETED, "all done")


async def test_nobody_is_asked_for_approval(world: World) -> None:
    assert notify.approval == "never"
    assert not notify.destructive


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("slack:C8", "may not write to slack:C8; they may to slack:C9, email:@example.com"),
        ("email:eve@evil.example", "may not write to"),
        ("https://hooks.example.com/other", "may not write to"),
        ("ops", "is no destination"),
        ("slack:#ops", "the id of a channel"),
    ],
)
async def test_elsewhere_it_is_refused_and_the_model_hears_why(
    world: World, to: str, says: str
) -> None:
    world.model.lines = [writes(to), REPLY]
    run = await world.advance(await world.write())
    assert says in result(world)
    assert world.slack.sent == world.mail.sent == world.channel.sent == []
    assert run.status is Status.COMPLETED


async def test_without_a_list_agents_write_nowhere(world: World) -> None:
    world.executor = world.worker()
    world.model.lines = [writes("slack:C9"), REPLY]
    await world.advance(await world.write())
    assert "PONDERD_NOTIFY_ALLOW is not set" in result(world)
    assert world.slack.sent == []


async def test_a_tool_of_their_own_cannot_get_round_the_list(world: World) -> None:
    @tool()
    async def page(who: str) -> Notify:
        """page somebody"""
        return Notify(Address(channel="sms", to=who), "wake up", "paged")

    world.become(tools=(page,))
    world.executor = world.worker(notify_allow=ALLOW)
    world.model.lines = [{"action": "page", "who": "+15550100"}, REPLY]
    await world.advance(await world.write())
    assert "may not write to sms:+15550100" in result(world)


async def test_a_worker_that_dies_at_it_sends_it_once(world: World) -> None:
    world.model.lines = [writes("slack:C9"), REPLY]
    run_id = await world.write()
    send = world.slack.send

    async def crash(*args: Any, **fields: Any) -> str:
        await send(*args, **fields)
        raise Crash

    world.slack.send = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        await world.executor.advance(run_id)
    world.slack.send = send  # type: ignore[method-assign]
    world.clock.now += 60
    await world.worker(notify_allow=ALLOW).advance(run_id)
    first, second = world.slack.sent
    assert (first[0].key, first[1], second[1]) == (second[0].key, False, True)


async def test_it_is_tried_for_hours_and_holds_up_nothing(world: World) -> None:
    world.slack.failures = [DeliveryError("missing_scope", mendable=True)] * 5
    world.model.lines = [writes("slack:C9"), REPLY]
    run = await world.advance(await world.write())
    assert run.status is Status.COMPLETED
    for _ in range(60):
        await world.later(60)
    assert world.slack.texts == ["it is done"]


async def test_a_run_that_is_cancelled_meanwhile_writes_nothing(world: World) -> None:
    world.model.lines = [writes("slack:C9"), REPLY]
    run_id = await world.write()
    log = await world.log.read(run_id)
    finished = e.ToolFinished(
        at=1,
        result="",
        seconds=0,
        notices=(e.Notice(to=Address(channel="slack", to="C9"), text="x"),),
    )
    cancelled = log.then(e.RunCancelled(at=1, by="ann")).run
    assert log.then(e.RunCancelled(at=1, by="ann"), finished).run.outbox == cancelled.outbox
    copy = replace(log.run, detached=True)
    assert reduce(copy, finished).outbox.queue[-1].to is None
