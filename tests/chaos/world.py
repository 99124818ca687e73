"""The real parts: state server, daemons, workers, each behind a proxy of its own, and what they
talk to. Also what can be done to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zoneinfo
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import redis.asyncio as redis

from ponderd.workers.store.shards import prefixes
from tests.chaos.faults import Faults
from tests.chaos.proxy import Proxy, Traps
from tests.chaos.receivers import Callbacks, Received, Relay, Slack
from tests.chaos.schedules import tables, write_zone
from tests.chaos.script import script
from tests.services import slack_api
from tests.services.eventually import PATIENCE
from tests.services.model_server import Line, ScriptedModel
from tests.services.ports import free_port
from tests.services.small_disk import SmallDisk
from tests.services.stack import Stack
from tests.services.state_server import PASSWORD, StateServer
from tests.services.wrong_clock import WrongClock

LEASE = 1.5
MODEL_TIMEOUT = 2.0
SOON = 600.0
"""Seconds; the longest pause that a run makes by itself is shorter, reminders are rarer."""
HERE = Path(__file__).parent

_WORKS = """
local function now()
  local t = redis.call('TIME')
  return t[1] + t[2] / 1000000
end
local ends = now() + tonumber(ARGV[1])
while now() < ends do end
"""
"""A script that works for as many seconds as it is told."""

ROUTES = """
[slack]
agent = "chaos"
"""


@dataclass
class World:
    folder: Path
    session: aiohttp.ClientSession
    state: StateServer
    replica: StateServer
    """It must confirm what is accepted, and what is about to be done."""
    callbacks: Callbacks
    received: Received
    slack: Slack
    daemons: dict[str, Stack]
    """By name. They share all but their ports."""
    traps: Traps
    model: Proxy
    clock: WrongClock | None
    disk: SmallDisk | None
    """What the state server writes on, where it may be mounted."""
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """By the name of the process that connects through it."""
    retired: dict[subprocess.Popen[bytes], str] = field(default_factory=dict)
    """Told to stop, not yet gone."""
    misbehaved: list[str] = field(default_factory=list)

    @property
    def workers(self) -> list[str]:
        return [name for name in self.proxies if name not in self.daemons]

    @property
    def stack(self) -> Stack:
        """The first daemon's, which holds all processes."""
        return next(iter(self.daemons.values()))

    @property
    def effects(self) -> Path:
        return self.stack.data_dir / "effects"

    # -- processes ------------------------------------------------------------------------------

    async def begin(self, workers: int) -> None:
        for name in [*self.daemons, *(f"work-{i}" for i in range(workers))]:
            proxy = Proxy(name, self.state.port, self.traps)
            await proxy.listen()
            self.proxies[name] = proxy
            self.set_clock(name, 0)
        await asyncio.gather(*(self.start(name) for name in self.proxies))

    async def start(self, name: str, *, ignorant: bool = False) -> None:
        """Start a process and wait until it does its work. An `ignorant` one has not the agent."""
        proxy = self.proxies[name]
        daemon = self.daemons.get(name)
        stack = replace(
            daemon or self.stack,
            redis_url=f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}/0",
            environment={
                **self.stack.environment,
                **({"PONDERD_AGENTS_DIR": ""} if ignorant else {}),
                "CHAOS_CLOCK": str(self._clock(name)),
                "PYTHONFAULTHANDLER": "1",
                "PYTHONPATH": f"{HERE / 'clock'}:{HERE.parents[1]}",
            },
        )
        reports = proxy.reports
        command = "serve" if daemon else "work"
        process = stack.start(command, name)
        deadline = time.monotonic() + PATIENCE
        while not (await self._listens(daemon) if daemon else proxy.reports > reports):
            if process.poll() == -signal.SIGKILL:  # one of the agent's tools, at once
                process = stack.start(command, name)
            assert process.poll() is None, f"{name} ended:\n{self._tail(name)}"
            assert time.monotonic() < deadline, f"{name} did not come up"
            await asyncio.sleep(0.05)

    async def _listens(self, daemon: Stack) -> bool:
        try:
            async with self.session.get(f"{daemon.url}/healthz") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def fallen(self, killed: Collection[str]) -> list[str]:
        """Processes that ended by themselves, to be started again."""
        ended = [n for n, process in self.stack.processes.items() if process.poll() is not None]
        names = [name for name in ended if name not in killed]
        for name in names:
            code = self.stack.processes[name].returncode
            if code == -signal.SIGKILL:  # one of the agent's tools
                continue
            self.misbehaved.append(f"{name} ended by itself with {code}:\n{self._tail(name)}")
        return names

    def has_ended(self, name: str) -> bool:
        process = self.stack.processes.get(name)
        return process is not None and process.poll() is not None

    def _tail(self, name: str) -> str:
        """The end of its log, of errors and what is not ours."""
        lines = self.stack.log(name).splitlines()
        telling = [line for line in lines if not line.startswith("{") or "Traceback" in line]
        return "\n".join(telling[-40:]).replace("\\n", "\n")

    async def kill(self, name: str) -> None:
        await self.stack.stop(name, signal.SIGKILL)

    def retire(self, name: str) -> None:
        """SIGTERM."""
        process = self.stack.processes.pop(name)
        process.terminate()
        self.retired[process] = name

    async def replace(self, name: str) -> None:
        """Start the next one beside one that still drains, or after it if they share a port."""
        if name in self.daemons:
            for process in [p for p, of in self.retired.items() if of == name]:
                await self._gone(process)
        await self.start(name)

    async def _gone(self, process: subprocess.Popen[bytes]) -> None:
        try:
            await asyncio.to_thread(process.wait, PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler writes where every thread is
            await asyncio.to_thread(process.wait)
            name = self.retired[process]
            self.misbehaved.append(f"{name} did not end after SIGTERM:\n{self._tail(name)}")
        del self.retired[process]

    def suspend(self, name: str) -> None:
        self.stack.processes[name].send_signal(signal.SIGSTOP)

    def wake(self, name: str) -> None:
        self.stack.processes[name].send_signal(signal.SIGCONT)

    async def stop_state_for(self, seconds: float) -> None:
        assert self.state.process is not None
        self.state.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.state.process.send_signal(signal.SIGCONT)

    async def make_state_ill(self, how: str, seconds: float) -> None:
        """Let the state server answer, but not do its work, for a while. A replica of nobody is
        read-only, as a primary is that was replaced."""
        async with self.redis() as client:
            match how:
                case "read_only":
                    await client.replicaof("127.0.0.1", str(self.callbacks.port))
                    await asyncio.sleep(seconds)
                    await client.replicaof("NO", "ONE")
                case "full":
                    await client.config_set("maxmemory", 1)
                    await asyncio.sleep(seconds)
                    await client.config_set("maxmemory", 0)
                case "busy":
                    await client.config_set("busy-reply-threshold", 100)
                    await client.eval(_WORKS, 0, str(seconds))
                case _:
                    raise AssertionError(how)

    async def fill_disk(self, seconds: float) -> None:
        """The disk of the state server is full for a while. With appendfsync always it ends rather
        than promise what it cannot write, and is started again when there is room."""
        assert self.disk and self.state.process
        await asyncio.to_thread(self.disk.fill)
        await asyncio.sleep(seconds)
        self.disk.free()
        if self.state.process.poll() is not None:
            self.state.stop()
            await self.start_state()

    async def lose_replica(self, how: str, seconds: float) -> None:
        """The replica confirms nothing for a while: it stands still, or is gone."""
        assert self.replica.process
        if how == "stop":
            self.replica.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            self.replica.process.send_signal(signal.SIGCONT)
        else:
            self.replica.stop(signal.SIGKILL)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.replica.start)

    def kill_state(self) -> None:
        self.state.stop(signal.SIGKILL)

    async def start_state(self) -> None:
        await asyncio.to_thread(self.state.start)

    def set_clock(self, name: str, offset: float) -> None:
        """How wrong the wall clock of a process is, in seconds."""
        self._clock(name).touch()
        with self._clock(name).open("r+b") as file:  # in place: it is read at any moment
            file.write(struct.pack("d", offset))

    def set_time(self, offset: float) -> None:
        """How wrong the state server's clock is, in seconds. Without a C compiler only for those
        who ask it, not for its scripts."""
        if self.clock:
            self.clock.set(round(offset))
            return
        for proxy in self.proxies.values():
            proxy.time_offset = offset

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    # -- looking --------------------------------------------------------------------------------

    def redis(self) -> redis.Redis:
        """A client that no fault hits."""
        return redis.Redis.from_url(self.state.url)

    async def unfinished(self) -> int:
        """Runs that the workers are at, or will look at soon: a reminder is far away."""
        total = 0
        async with self.redis() as client:
            now, _ = await client.time()
            for prefix in prefixes("ponderd"):
                total += await client.zcount(f"{prefix}:due", "-inf", (now + SOON) * 1000)
        return total

    def heal(self) -> None:
        for name, proxy in self.proxies.items():
            proxy.heal()
            self.set_clock(name, 0)
        self.set_time(0)
        self.model.heal()

    async def end(self) -> None:
        """Stop everything, the old fashioned way."""
        for name in list(self.stack.processes):
            self.wake(name)
            self.retire(name)
        for process in list(self.retired):
            await self._gone(process)


@contextlib.asynccontextmanager
async def world(
    folder: Path, faults: Faults, *, daemons: int = 2, workers: int = 3
) -> AsyncIterator[World]:
    received = Received()
    data = folder / "data"
    data.mkdir()
    write_zone(folder / "zones", time.time(), forward=faults.random.random() < 0.5)
    traps = Traps()
    # With everysec Redis answers before it writes while an fsync takes long (aof.c,
    # flushAppendOnlyFile): then even the death of its process loses what it promised.
    able = sys.platform == "linux" and shutil.which("cc") and shutil.which("redis-server")
    clock = WrongClock(folder) if able else None
    state = StateServer(
        folder / "state-server",
        more_config="appendfsync always\nrepl-diskless-sync-delay 0\n",
        environment=clock.environment if clock else {},
    )

    replica = StateServer(
        folder / "replica",
        more_config=f"replicaof 127.0.0.1 {state.port}\nmasterauth {PASSWORD}\n",
    )

    def say(body: dict[str, object]) -> Line:
        return faults.of_model() or script(body)

    async with contextlib.AsyncExitStack() as parts:
        if disk := SmallDisk.mounted(state.folder):
            parts.callback(disk.unmount)
        model = ScriptedModel(say, delay=0.05, keep_requests=False)
        await parts.enter_async_context(model)
        model_proxy = await parts.enter_async_context(Proxy(None, model.port, None))
        session = await parts.enter_async_context(_session())
        callbacks = await parts.enter_async_context(Callbacks(received, faults.of_delivery))
        relay = await parts.enter_async_context(Relay(received, faults.of_delivery))
        slack = Slack(received, faults.of_delivery)
        await parts.enter_async_context(slack_api.serve(slack))
        routes = folder / "ponderd.toml"
        routes.write_text(ROUTES + tables(callbacks.url("")))
        stack = Stack(
            "",
            f"http://127.0.0.1:{model_proxy.port}/v1",
            data,
            {
                "PONDERD_AGENTS_DIR": str(HERE / "agents"),
                "PONDERD_CALLBACK_ALLOW": f"127.0.0.1:{callbacks.port}",
                "PONDERD_CONFIG": str(routes),
                "PONDERD_LEASE_SECONDS": str(LEASE),
                "PONDERD_MODEL_TIMEOUT": str(MODEL_TIMEOUT),
                "PONDERD_SIGNING_SECRET": "chaos signing secret",
                "PONDERD_SLEEP_AFTER_HOURS": "0.001",
                "PONDERD_SLACK_API_URL": slack.url,
                "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
                "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
                "PONDERD_SMTP_RELAY": f"127.0.0.1:{relay.port}",
                "PONDERD_STATE_REPLICAS": "1",
                "PYTHONTZPATH": os.pathsep.join((str(folder / "zones"), *zoneinfo.TZPATH)),
            },
        )
        all = {"serve-0": stack}
        for i in range(1, daemons):
            all[f"serve-{i}"] = replace(stack, http_port=free_port(), smtp_port=free_port())
        here = World(
            folder,
            session,
            state,
            replica,
            callbacks,
            received,
            slack,
            all,
            traps,
            model_proxy,
            clock,
            disk,
        )
        parts.push_async_callback(_close, here)
        await here.start_state()
        await asyncio.to_thread(replica.start)
        await here.begin(workers)
        yield here


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
    )


async def _close(here: World) -> None:
    await here.end()
    for proxy in here.proxies.values():
        await proxy.__aexit__()
    here.state.stop(signal.SIGKILL)
    here.replica.stop(signal.SIGKILL)
