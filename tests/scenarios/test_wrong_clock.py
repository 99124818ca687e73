"""The clock of the state server is set by an hour: no run waits for long, and nothing is early."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.script import script
from tests.scenarios.test_faults import TOOLS
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer
from tests.services.wrong_clock import WrongClock

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)

LEASE = 3
HOUR = 3600
SLEEP = '!{"action": "sleep", "seconds": 8}'


SLEEPER = """
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.tools.waiting import sleep

agent = Agent("sleeper", "for tests", "You are a test.", tools=(sleep,))
"""


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    clock: WrongClock

    def effects(self, name: str) -> int:
        return len(list((self.stack.data_dir / name).glob("*")))


@pytest.fixture
async def world(tmp_path: Path, data_dir: Path) -> AsyncIterator[World]:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "slow.py").write_text(TOOLS)
    (agents / "sleeper.py").write_text(SLEEPER)
    clock = WrongClock(tmp_path)
    with StateServer(tmp_path / "own-state", environment=clock.environment) as state:
        async with ScriptedModel(script) as model:
            settings = {"PONDERD_LEASE_SECONDS": str(LEASE), "PONDERD_AGENTS_DIR": str(agents)}
            stack = Stack(state.url, model.url, data_dir, settings)
            async with running(stack) as client:
                yield World(client, stack, model, clock)


@pytest.mark.parametrize("off_by", [-HOUR, HOUR])
async def test_the_clock_is_set(world: World, off_by: int) -> None:
    """While a worker is dead, while a tool runs, and while a run sleeps."""
    with world.model.silent():
        left = await world.client.launch("assistant", "left by a dead worker")
        await eventually(lambda: world.model.in_flight)
        await world.stack.stop("work-0", signal.SIGKILL)
    world.stack.start("work", "work-1")
    began = time.monotonic()
    sleeping = await world.client.launch("sleeper", SLEEP)
    await world.client.until(sleeping, "WAITING")
    using = await world.client.launch("slow", '!{"action": "once"}')
    await eventually(lambda: world.effects("once"))

    world.clock.set(off_by)

    assert (await world.client.until(left))["reply"] == "heard: left by a dead worker"
    new = await world.client.launch("assistant", "hello")
    assert (await world.client.until(new))["reply"] == "heard: hello"
    await world.client.until(sleeping, "COMPLETED")
    if off_by < 0:  # the other way, the jump is the reason that it ends early
        assert time.monotonic() - began >= 8
    await asyncio.sleep(1.5 * LEASE)  # more than one renewal
    (world.stack.data_dir / "over").touch()
    assert "once done" in (await world.client.until(using))["reply"]
    assert world.effects("once") == 1

    world.clock.set(0)
    last = await world.client.launch("assistant", "and now")
    assert (await world.client.until(last))["reply"] == "heard: and now"
    newest = [run["id"] for run in (await world.client.get("/runs"))["runs"]]
    # A shard that nobody wrote to meanwhile may be some seconds behind the others.
    assert last in newest[:2]
