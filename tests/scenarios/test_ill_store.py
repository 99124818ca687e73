"""The state server is there, but ill: nothing is lost, all wait, and come back by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.small_disk import SmallDisk
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

QUEUE = "ponderd:celery:ponderd"


@dataclass
class World:
    client: Client
    stack: Stack
    model: ScriptedModel
    state: StateServer
    admin: redis.Redis

    async def answers(self) -> None:
        run_id = await self.client.launch("assistant", "hello")
        assert (await self.client.until(run_id))["reply"] == "heard: hello"
        assert all(process.poll() is None for process in self.stack.processes.values())


@pytest.fixture
async def world(tmp_path: Path, data_dir: Path) -> AsyncIterator[World]:
    with StateServer(tmp_path / "own-state") as state:
        async with ScriptedModel(script) as model:
            stack = Stack(state.url, model.url, data_dir)
            async with running(stack, workers=2) as client:
                for name in ("work-0", "work-1"):
                    await eventually(lambda name=name: "worker ready" in stack.log(name))
                with redis.Redis.from_url(state.url) as admin:
                    yield World(client, stack, model, state, admin)


def poke(task: str, body: str, **fields: object) -> str:
    """What Celery puts in the queue."""
    headers = {"lang": "py", "task": task, "id": "1", "root_id": "1", "parent_id": None}
    properties = {
        "correlation_id": "1",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "ponderd"},
        "priority": 0,
        "body_encoding": "utf-8",
        "delivery_tag": "1",
    }
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps({**message, **fields})


GARBAGE = (
    "garbage",
    b"\xff\xfe\x00",
    "null",
    "[]",
    "17",
    "{}",
    "[" * 100_000,
    '{"properties": {}}',
    '{"properties": {"delivery_tag": ["x"]}, "headers": {}, "body": "x"}',
    "x" * 10_000_000,
    poke("ponderd.unknown", '[["x"], {}, {}]'),
    poke("ponderd.advance", "no json"),
    poke("ponderd.advance", "[[], {}, {}]"),
    poke("ponderd.advance", '[[{"a": 1}], {}, {}]'),
    poke("ponderd.advance", '[["not a run id"], {}, {}]'),
    poke("ponderd.advance", '[["zz"], {}, {}]'),
    poke("ponderd.advance", '[[17], {"x": 1}, {}]'),
    poke("ponderd.advance", "17"),
    poke("ponderd.advance", '[["x"], {}, {}]', headers={"task": "ponderd.advance"}),
    poke("ponderd.advance", '[["x"], {}, {}]', headers=None),
    poke("ponderd.advance", '[["x"], {}, {}]', headers=["x"]),
    poke("ponderd.advance", "x", **{"content-type": "application/x-python-serialize"}),
    poke("ponderd.advance", "x", **{"content-encoding": "nonsense"}),
    poke("ponderd.advance", "x", properties={"delivery_tag": "1", "body_encoding": "base64"}),
    poke("ponderd.advance", "x", headers={"task": {}, "id": "1"}),
    poke("ponderd.advance", "x", headers={"task": "ponderd.advance", "id": "1", "eta": "soon"}),
)


async def test_garbage_in_the_queue_ends_no_worker(world: World) -> None:
    for _ in range(3):  # more than a worker would hold as in work, if it did not let go of them
        world.admin.lpush(QUEUE, *GARBAGE)
    await eventually(lambda: world.admin.llen(QUEUE) == 0)
    await world.answers()
    # Pokes still come through: a worker takes every one of them.
    await asyncio.gather(*(world.answers() for _ in range(10)))
    await eventually(lambda: world.admin.llen(QUEUE) == 0)


# -- somebody else answers -------------------------------------------------------------------------

IMPOSTORS = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x16\x03\x01\x00\x05",
    b"*3\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n",
    b":1\r\n",
    b"",
)
"""What comes back from an address that leads elsewhere for a while: a balancer, a TLS server,
another program that speaks the same protocol, or nothing but a hang-up."""

MET = re.compile('"logger": "celery|a poke that is none')
"""What a worker logs when its broker says what no broker says."""


class Detour:
    """The way to the state server. While `answer` is set, that is all that anybody hears there."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self.answer: bytes | None = None

    async def __aenter__(self) -> Detour:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, up = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, up}
        try:
            await asyncio.gather(self._pass(reader, up), self._pass(there, writer, back=True))
        except ConnectionError:
            pass
        finally:
            self._open -= {writer, up}
            writer.close()
            up.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        while piece := await reader.read(65_536):
            if back and self.answer == b"":
                break
            writer.write(self.answer or piece if back else piece)
            await writer.drain()
        writer.close()


async def test_what_else_answers_at_its_address_ends_no_process(
    tmp_path: Path, data_dir: Path
) -> None:
    async with contextlib.AsyncExitStack() as parts:
        state = parts.enter_context(StateServer(tmp_path / "own-state"))
        detour = await parts.enter_async_context(Detour(state.port))
        model = await parts.enter_async_context(ScriptedModel(script))
        url = state.url.replace(str(state.port), str(detour.port))
        stack = Stack(url, model.url, data_dir)
        client = await parts.enter_async_context(running(stack, workers=2))
        admin = parts.enter_context(redis.Redis.from_url(state.url))
        world = World(client, stack, model, state, admin)
        for answer in IMPOSTORS:
            met = {name: len(MET.findall(stack.log(name))) for name in ("work-0", "work-1")}
            detour.answer = answer
            for name, times in met.items():
                await eventually(
                    lambda name=name, times=times: len(MET.findall(stack.log(name))) > times + 1
                )
            detour.answer = None
            detour.hang_up()
            await world.answers()


# -- refused for a while ---------------------------------------------------------------------------


async def test_read_only_full_and_busy_for_a_while(world: World) -> None:
    """What is sent meanwhile is refused with the reason, and no process ends."""

    async def refused(reason: str) -> None:
        async def is_refused() -> bool:
            status, view = await world.client.post_once(
                "/runs", {"agent": "assistant", "text": "refused"}
            )
            assert status in (201, 202, 503), view
            return status == 503 and reason in view["error"]

        await eventually(is_refused)

    world.admin.replicaof("127.0.0.1", "1")
    await refused("read only")
    world.admin.replicaof("NO", "ONE")
    await world.answers()

    world.admin.config_set("maxmemory", 1)
    await refused("maxmemory")
    world.admin.config_set("maxmemory", 0)
    await world.answers()

    world.admin.execute_command("ACL", "SETUSER", "default", "-evalsha")
    await refused("permissions")
    world.admin.execute_command("ACL", "SETUSER", "default", "+@all")
    await world.answers()

    world.admin.config_set("busy-reply-threshold", 100)
    endless = asyncio.create_task(asyncio.to_thread(_run_endless_script, world.state.url))
    await refused("busy")
    world.admin.script_kill()
    await endless
    await world.answers()

    world.admin.config_set("min-replicas-to-write", 1)
    await refused("NOREPLICAS")
    world.admin.config_set("min-replicas-to-write", 0)
    await world.answers()

    for kind in ("normal", "pubsub"):
        world.admin.client_kill_filter(_type=kind, skipme=True)
    await world.answers()


async def test_a_full_disk(tmp_path: Path, data_dir: Path) -> None:
    """A real one: what cannot be written is accepted from nobody, and when there is room again, all
    that was accepted goes on, without a restart."""
    disk = SmallDisk.mounted(tmp_path / "disk")
    if disk is None:
        pytest.skip("needs the right to mount a disk")
    async with contextlib.AsyncExitStack() as parts:
        parts.callback(disk.unmount)
        state = parts.enter_context(StateServer(disk.folder, more_config="appendfsync everysec\n"))
        model = await parts.enter_async_context(ScriptedModel(script))
        stack = Stack(state.url, model.url, data_dir, {"PONDERD_LEASE_SECONDS": "3"})
        client = await parts.enter_async_context(running(stack))
        admin = parts.enter_context(redis.Redis.from_url(state.url))
        world = World(client, stack, model, state, admin)
        await world.answers()

        model.gate.clear()
        held = await client.launch("assistant", "held")
        await eventually(lambda: model.in_flight > 0)
        disk.fill()

        async def is_refused() -> bool:
            status, view = await client.post_once(
                "/runs", {"agent": "assistant", "text": "refused"}
            )
            assert status in (201, 202, 503), view
            return status == 503 and "No space left" in view["error"]

        await eventually(is_refused)
        calls = len(model.requests)
        model.gate.set()  # the answer comes, and cannot be written down
        await eventually(lambda: "cannot write down what happened" in stack.log("work-0"))
        disk.free()
        assert (await client.until(held))["reply"] == "heard: held"
        assert sum("held" in str(request) for request in model.requests[:calls]) == 1
        assert sum("held" in str(request) for request in model.requests) == 1
        await world.answers()


def _run_endless_script(url: str) -> None:
    with redis.Redis.from_url(url) as client, pytest.raises(redis.RedisError):
        client.eval("while true do end", 0)
