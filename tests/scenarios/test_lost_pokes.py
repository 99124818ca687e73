"""A message whose poke is lost is answered soon, whatever becomes of the worker that looks for
all."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import pytest
import redis

from ponderd.channels.message import Trigger
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Stack, running
from tests.services.state_server import StateServer


async def unpoked(store: RedisStore, count: int) -> list[str]:
    """Messages that were stored, and of which no worker is told."""
    runs = Runs(RunLog(store, lambda run_id: None), discover(()))
    found = []
    for _ in range(count):
        mark = secrets.token_hex(4)
        message = Trigger(
            channel="api",
            keys=(mark,),
            conversation=mark,
            text="hello",
            sender="ann",
            agent="assistant",
            authentic=True,
        )
        found.append((await runs.accept("assistant", message)).run_id)
    return found


def who_looked(server: StateServer) -> int:
    """The process id of the worker that told last that it looked."""
    client = redis.Redis.from_url(server.url, decode_responses=True)
    with client, client.pubsub() as pubsub:
        pubsub.subscribe("ponderd:news")
        while True:
            message = pubsub.get_message(timeout=1)
            if message and message["type"] == "message" and "looked" in message["data"]:
                return int(message["data"].split(":")[-2])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_others_look_when_the_one_that_did_is_gone(
    how: signal.Signals, tmp_path: Path, data_dir: Path
) -> None:
    async with ScriptedModel(script) as model:
        with StateServer(tmp_path) as server:
            stack = Stack(server.url, model.url, data_dir)
            store = RedisStore(connect(server.url))
            async with running(stack, workers=3) as client:
                await eventually(lambda: _workers(store, 3))
                found = await unpoked(store, 5)
                pid = who_looked(server)
                [gone] = [one for one in stack.processes.values() if one.pid == pid]
                gone.send_signal(how)
                for run_id in found:
                    assert (await client.until(run_id))["status"] == "COMPLETED"
                assert who_looked(server) != pid
                gone.send_signal(signal.SIGCONT)
                for run_id in await unpoked(store, 5):
                    await client.until(run_id, "COMPLETED")
            await store.close()


async def _workers(store: RedisStore, wanted: int) -> bool:
    return (await store.gauges()).workers == wanted


async def test_one_that_is_full_leaves_work_to_others(tmp_path: Path, data_dir: Path) -> None:
    async with ScriptedModel(script) as model:
        with StateServer(tmp_path) as server:
            slots = {"PONDERD_SLOTS": "2"}
            stack = Stack(server.url, model.url, data_dir, slots)
            store = RedisStore(connect(server.url))
            async with running(stack, workers=2):
                await eventually(lambda: _workers(store, 2))
                model.gate.clear()
                await unpoked(store, 4)
                await eventually(lambda: model.in_flight == 4)
                model.gate.set()
            await store.close()
