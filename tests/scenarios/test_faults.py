"""Nothing is lost and nothing is done twice, when parts die at bad moments."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import redis

from tests.scenarios.script import script
from tests.scenarios.test_main_path import mail, mention
from tests.services.eventually import eventually
from tests.services.model_server import Fault, ScriptedModel
from tests.services.sinks import CallbackSink
from tests.services.slack_api import SIGNING_SECRET, signed
from tests.services.stack import WEBHOOK_SECRET, Client, Stack, running
from tests.services.state_server import StateServer

TOOLS = '''
"""An agent whose tools leave a file for each time they were run, and wait until they may end."""

import asyncio
import time
import uuid

from ponderd.workers.agents.agent import Agent, ToolContext, tool


async def run(name: str, context: ToolContext) -> str:
    folder = context.data_dir / name
    folder.mkdir(exist_ok=True)
    (folder / uuid.uuid4().hex).write_text(context.idempotency_key)
    while not (context.data_dir / "over").exists():
        await asyncio.sleep(0.05)
    return f"{name} done"


@tool()
async def once(context: ToolContext) -> str:
    """do something that must not be repeated"""
    return await run("once", context)


@tool(idempotent=True)
async def again(context: ToolContext) -> str:
    """do something that may be repeated"""
    return await run("again", context)


@tool(timeout=1)
def pay(euro: int, context: ToolContext) -> str:
    """pay, which takes longer than its time"""
    while not (context.data_dir / "may-pay").exists():
        time.sleep(0.05)
    folder = context.data_dir / "pay"
    folder.mkdir(exist_ok=True)
    (folder / uuid.uuid4().hex).write_text(context.idempotency_key)
    return f"paid {euro} euro"


agent = Agent("slow", "for tests", "You are a test.", tools=(once, again, pay))
'''


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    callbacks: CallbackSink
    state: StateServer

    def effects(self, name: str) -> list[str]:
        return [file.read_text() for file in (self.stack.data_dir / name).glob("*")]

    async def kill_worker(self) -> None:
        await self.stack.stop("work-0", signal.SIGKILL)
        (self.stack.data_dir / "over").touch()
        self.stack.start("work", "work-1")


@pytest.fixture
async def world(tmp_path: Path, data_dir: Path) -> AsyncIterator[World]:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "slow.py").write_text(TOOLS)
    with StateServer(tmp_path / "own-state") as state:
        async with ScriptedModel(script) as model, CallbackSink(WEBHOOK_SECRET) as callbacks:
            stack = Stack(
                state.url,
                model.url,
                data_dir,
                {
                    "PONDERD_AGENTS_DIR": str(agents),
                    "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
                    "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
                    "PONDERD_SLACK_SIGNING_SECRET": SIGNING_SECRET,
                },
            )
            async with running(stack) as client:
                yield World(client, stack, model, callbacks, state)
    shutil.rmtree(tmp_path / "own-state")


async def test_worker_killed_during_a_model_call(world: World) -> None:
    with world.model.silent():
        run_id = await world.client.launch("assistant", "hello", reply_to=world.callbacks.url)
        await eventually(lambda: world.model.in_flight)
        await world.kill_worker()
    view = await world.client.until(run_id)
    assert (view["status"], view["reply"]) == ("COMPLETED", "heard: hello")
    await eventually(lambda: world.callbacks.posts)
    assert world.callbacks.texts == ["heard: hello"]
    assert world.model.count == 2


async def test_worker_killed_inside_a_tool_that_may_be_repeated(world: World) -> None:
    run_id = await world.client.launch("slow", '!{"action": "again"}')
    await eventually(lambda: world.effects("again"))
    await world.kill_worker()
    view = await world.client.until(run_id)
    assert "again done" in view["reply"]
    assert len(world.effects("again")) == 2
    assert len(set(world.effects("again"))) == 1  # with the same idempotency key


async def test_worker_killed_inside_a_tool_that_must_not_be_repeated(world: World) -> None:
    run_id = await world.client.launch("slow", '!{"action": "once"}')
    await eventually(lambda: world.effects("once"))
    await world.kill_worker()
    view = await world.client.until(run_id)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "answer")
    assert "once()" in view["reply"]
    assert len(world.effects("once")) == 1
    await world.client.post(f"/runs/{run_id}/messages", {"text": "I looked: it happened"})
    await world.client.until(run_id, "COMPLETED")
    assert len(world.effects("once")) == 1


async def test_a_payment_that_takes_too_long_is_made_once_and_told(world: World) -> None:
    order, to = '!{"action": "pay", "euro": 100}', world.callbacks.url
    run_id = await world.client.launch("slow", order, reply_to=to)
    view = await world.client.until(run_id, "WAITING")
    assert view["waiting_for"] == "answer"
    await eventually(lambda: world.callbacks.texts)
    for fact in ("pay(euro=100)", "no result within 1 s", "may have happened"):
        assert fact in world.callbacks.texts[0]
    assert world.effects("pay") == []

    (world.stack.data_dir / "may-pay").touch()
    await eventually(lambda: len(world.callbacks.texts) == 2)
    assert "the result has come by now" in world.callbacks.texts[1]
    assert "paid 100 euro" in world.callbacks.texts[1]

    await world.client.post(f"/runs/{run_id}/messages", {"text": "good"})
    await world.client.until(run_id, "COMPLETED")
    assert len(world.effects("pay")) == 1
    said = str(world.model.requests[-1]["messages"])
    assert "paid 100 euro" in said and "failed" not in said


async def test_worker_stopped_for_longer_than_its_lease(world: World) -> None:
    world.stack.start("work", "work-1")
    await eventually(lambda: "worker ready" in world.stack.log("work-1"))
    with world.model.silent():  # so that nothing is sent yet
        run_ids = [
            await world.client.launch("assistant", f"hello {i}", reply_to=world.callbacks.url)
            for i in range(10)
        ]
        await eventually(lambda: world.model.in_flight >= 3)
        world.stack.processes["work-0"].send_signal(signal.SIGSTOP)
    for run_id in run_ids:
        await world.client.until(run_id, "COMPLETED")
    world.stack.processes["work-0"].send_signal(signal.SIGCONT)
    await asyncio.sleep(2)
    assert sorted(world.callbacks.texts) == sorted(f"heard: hello {i}" for i in range(10))
    assert len(world.callbacks.posts) == 10


async def test_deploying_workers_under_load_wastes_no_model_call(world: World) -> None:
    with world.model.silent():
        run_ids = [await world.client.launch("assistant", f"hello {i}") for i in range(20)]
        await eventually(lambda: world.model.in_flight >= 10)
        stopping = asyncio.create_task(world.stack.stop("work-0", signal.SIGTERM))
        await asyncio.sleep(0.5)  # for the signal to arrive: too little proves less, fails nothing
    assert await stopping == 0
    world.stack.start("work", "work-1")
    for run_id in run_ids:
        assert (await world.client.until(run_id))["status"] == "COMPLETED"
    assert world.model.count == 20
    assert world.model.disconnects == 0


async def test_a_second_sigterm_makes_a_worker_hand_over_at_once(world: World) -> None:
    """The first one lets it finish; somebody who sends another does not want to wait."""
    await world.stack.stop("work-0")
    world.stack.environment = {**world.stack.environment, "PONDERD_DRAIN_SECONDS": "3600"}
    world.stack.start("work", "patient")
    await eventually(lambda: "worker ready" in world.stack.log("patient"))
    with world.model.silent():
        run_id = await world.client.launch("assistant", "hello")
        await eventually(lambda: any("hello" in str(body) for body in world.model.requests))
        world.stack.processes["patient"].send_signal(signal.SIGTERM)
        await eventually(lambda: "finishing what has begun" in world.stack.log("patient"))
        await asyncio.sleep(1)  # more than makes two signals one wish
        assert world.model.disconnects == 0
        world.stack.start("work", "next")
        assert await world.stack.stop("patient", signal.SIGTERM) == 0
    assert (await world.client.until(run_id))["reply"] == "heard: hello"
    assert "steps cut short" in world.stack.log("patient")


async def test_daemon_killed_after_it_accepted(world: World) -> None:
    with world.model.silent():
        run_id = await world.client.launch("assistant", "hello", reply_to=world.callbacks.url)
        await world.stack.stop("serve", signal.SIGKILL)
    await eventually(lambda: world.callbacks.posts)
    world.stack.start("serve")
    await world.stack.ready()
    assert (await world.client.get(f"/runs/{run_id}"))["status"] == "COMPLETED"


async def test_lost_and_doubled_pokes(world: World) -> None:
    world.stack.processes["work-0"].send_signal(signal.SIGSTOP)
    run_ids = [await world.client.launch("assistant", f"hello {i}") for i in range(3)]
    with redis.Redis.from_url(world.state.url) as client:
        queue = "ponderd:celery:ponderd"
        # A worker that was stopped while it waits for a poke has the first one in its socket; the
        # others may share a message.
        await eventually(lambda: client.llen(queue) >= 1)
        doubled, *_lost = client.lrange(queue, 0, -1)
        client.delete(queue)
        client.lpush(queue, *[doubled] * 20)
    world.stack.processes["work-0"].send_signal(signal.SIGCONT)
    for run_id in run_ids:
        view = await world.client.until(run_id)
        assert (view["status"], view["usage"]["model_calls"]) == ("COMPLETED", 1)


async def test_state_server_away(world: World) -> None:
    accepted = [await world.client.launch("assistant", f"hello {i}") for i in range(5)]
    world.state.stop(signal.SIGKILL)
    status, error = await world.client.post_once("/runs", {"agent": "assistant", "text": "x"})
    assert status == 503
    assert "try again" in error["error"]
    async with world.client.session.get("/readyz") as response:
        assert response.status == 503
    async with world.client.session.get("/healthz") as response:
        assert response.status == 200
    event = json.dumps(mention("<@UBOT> hello")).encode()
    async with aiohttp.ClientSession(world.stack.url) as http:
        async with http.post("/slack/events", data=event, headers=signed(event)) as response:
            assert response.status == 503
        async with http.post(
            "/webhooks/default",
            json={"text": "x"},
            headers=dict(world.client.session.headers),
        ) as response:
            assert response.status == 503

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", world.stack.smtp_port) as smtp:
            smtp.send_message(mail("hello"))

    with pytest.raises(smtplib.SMTPDataError) as refused:
        await asyncio.to_thread(send)
    assert refused.value.smtp_code == 451

    world.state.start()
    for run_id in accepted:
        assert (await world.client.until(run_id))["reply"].startswith("heard: hello")
    late = await world.client.launch("assistant", "and now")
    assert (await world.client.until(late))["reply"] == "heard: and now"
    listed = (await world.client.get("/runs"))["runs"]
    assert {run["id"] for run in listed} == {*accepted, late}  # what was refused is not there


async def test_state_server_that_becomes_a_replica_for_a_while(world: World) -> None:
    await eventually(lambda: "worker ready" in world.stack.log("work-0"))
    with redis.Redis.from_url(world.state.url) as client:
        client.replicaof("127.0.0.1", "1")  # what waits for a poke is sent away with an error
        status, error = await world.client.post_once("/runs", {"agent": "assistant", "text": "x"})
        assert (status, "try again" in error["error"]) == (503, True)
        await eventually(lambda: "ReadOnlyError" in world.stack.log("work-0"))
        client.replicaof("NO", "ONE")
    run_id = await world.client.launch("assistant", "hello")
    assert (await world.client.until(run_id))["reply"] == "heard: hello"
    assert world.stack.processes["work-0"].poll() is None


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.BUSY_429, Fault.BREAK_OFF, Fault.GARBAGE])
async def test_model_server_trouble_is_ridden_out(world: World, fault: Fault) -> None:
    world.model.script = [fault, fault, {"action": "reply", "text": "at last"}]
    run_id = await world.client.launch("assistant", "hello")
    view = await world.client.until(run_id, "COMPLETED")
    assert view["reply"] == "at last"
    [answered] = [e for e in await world.client.events(run_id) if e["type"] == "model_answered"]
    assert answered["call"]["attempts"] == 3


async def test_model_talking_nonsense_makes_a_person_be_asked(world: World) -> None:
    # After a thought an empty answer is asked for once more, without one, in the same call.
    empty = [Fault.EMPTY, Fault.EMPTY]
    world.model.script = [Fault.PROSE, *empty, '{"action": "fly"}', "heard you"]
    run_id = await world.client.launch("assistant", "hello")
    view = await world.client.until(run_id)
    assert (view["status"], view["waiting_for"]) == ("WAITING", "answer")
    reasons = [e.get("reason") for e in await world.client.events(run_id)]
    assert [reason for reason in reasons if reason] == ["prose", "empty", "unknown_action"]


async def test_two_workers_share_many_runs(world: World) -> None:
    world.stack.start("work", "work-1")
    bodies = [
        {"agent": "assistant", "text": f"hello {i}", "reply_to": world.callbacks.url}
        for i in range(100)
    ]
    launched = await asyncio.gather(
        *(
            world.client.post("/runs", body, Idempotency_Key=f"k{i % 50}-{i // 50}")
            for i, body in enumerate(bodies)
        )
    )
    for _, view in launched:
        await world.client.until(view["id"], "COMPLETED")
    assert sorted(world.callbacks.texts) == sorted(f"heard: hello {i}" for i in range(100))
    assert len(world.callbacks.posts) == 100
