"""What ends during an outage is known after it: tools and model calls of real workers."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from tests.chaos.proxy import Proxy
from tests.scenarios.script import script
from tests.scenarios.test_faults import TOOLS
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

LEASE = 5
EACH = 4
"""Runs of a kind."""


@dataclass
class BehindALink(Stack):
    """Its workers reach the state server over a link of their own."""

    link: str = ""
    direct: str = field(init=False)

    def __post_init__(self) -> None:
        self.direct = self.redis_url

    def start(self, command: str, name: str | None = None) -> subprocess.Popen[bytes]:
        self.redis_url = self.link if command == "work" else self.direct
        return super().start(command, name)


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    link: Proxy
    state: StateServer

    def effects(self, name: str) -> int:
        return len(list((self.stack.data_dir / name).glob("*")))

    async def in_flight(self) -> list[str]:
        """Runs inside tools of both kinds, and inside model calls."""
        runs = [
            await self.client.launch("slow", f'!{{"action": "{tool}"}}')
            for tool in ("once", "again")
            for _ in range(EACH)
        ]
        await eventually(lambda: self.effects("once") == self.effects("again") == EACH)
        self.model.gate.clear()
        runs += [await self.client.launch("assistant", "hello") for _ in range(EACH)]
        await eventually(lambda: self.model.in_flight == EACH)
        return runs

    def end_them(self) -> None:
        (self.stack.data_dir / "over").touch()
        self.model.gate.set()

    async def all_went_on(self, runs: list[str], calls: int) -> None:
        views = [await self.client.until(run_id) for run_id in runs]
        assert {view["status"] for view in views} == {"COMPLETED"}, views
        assert (self.effects("once"), self.effects("again")) == (EACH, EACH)
        assert self.model.count == calls + 2 * EACH  # one more for each result of a tool
        assert all(process.poll() is None for process in self.stack.processes.values())


@pytest.fixture
async def world(tmp_path: Path, data_dir: Path) -> AsyncIterator[World]:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "slow.py").write_text(TOOLS)
    settings = {"PONDERD_LEASE_SECONDS": str(LEASE), "PONDERD_AGENTS_DIR": str(agents)}
    with StateServer(tmp_path / "own-state") as state:
        async with ScriptedModel(script) as model, Proxy(None, state.port, None) as link:
            url = state.url.replace(f":{state.port}/", f":{link.port}/")
            stack = BehindALink(state.url, model.url, data_dir, settings, link=url)
            async with running(stack, workers=3) as client:
                for i in range(3):
                    await eventually(lambda i=i: "worker ready" in stack.log(f"work-{i}"))
                yield World(client, stack, model, link, state)


async def test_a_state_server_that_is_full_for_some_leases(world: World) -> None:
    runs = await world.in_flight()
    calls = world.model.count
    with redis.Redis.from_url(world.state.url) as admin:
        admin.config_set("maxmemory", 1)
        await asyncio.sleep(1)
        world.end_them()
        await asyncio.sleep(1.6 * LEASE)
        admin.config_set("maxmemory", 0)
    await world.all_went_on(runs, calls)


async def test_workers_that_are_cut_off_while_the_daemon_is_not(world: World) -> None:
    """So leases go on ending, and when the link is back each run has an owner and two others."""
    runs = await world.in_flight()
    calls = world.model.count
    world.link.refuse()
    world.end_them()
    await asyncio.sleep(1.6 * LEASE)
    await world.link.listen()
    await world.all_went_on(runs, calls)
