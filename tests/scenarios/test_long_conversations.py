"""A conversation of many messages: snapshots come and go, and nothing hangs on them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import redis.asyncio as redis

from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import prefixes
from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

MESSAGES = 60
OTHER_CODE = """
from ponderd.workers.store.run_ids import (shard_of)
from ponderd.workers.execution import executor, snapshots
snapshots.code = executor.code = lambda: "othercode"
from ponderd.daemon.cli import main
main(["work", "--json"])
"""


def key(run_id: str, kind: str) -> str:
    return f"{prefixes('ponderd')[shard_of(run_id)]}:{kind}:{run_id}"


async def say(client: Client, text: str) -> str:
    """Write, and wait for the answer."""
    run_id = await client.launch("assistant", text, conversation="c")
    await answered(client, run_id, text)
    return run_id


async def answered(client: Client, run_id: str, text: str) -> dict[str, Any]:
    while True:
        view = await client.until(run_id)
        if view["reply"] == f"heard: {text}":
            return view
        await asyncio.sleep(0.02)


async def spoil(state: redis.Redis, name: str) -> None:
    """Delete and damage the snapshot of a run, over and over."""
    for how in itertools.cycle(range(6)):
        await asyncio.sleep(0.05)
        kept = await state.get(name) if await state.type(name) == b"string" else None
        if kept is None:
            continue
        seal, _, body = kept.partition(b"\n")
        match how:
            case 0:
                await state.delete(name)
            case 1:
                await state.set(name, kept[: len(kept) // 2])
            case 2:
                await state.set(name, seal + b"\n{}")
            case 3:  # another version than it is of
                await state.set(name, b"5" + kept)
            case 4:
                await state.set(name, seal.replace(b" ", b" 0", 1) + b"\n" + body)
            case _:
                async with state.pipeline(transaction=True) as both:  # a worker may write between
                    await both.delete(name).rpush(name, b"no snapshot").execute()


async def test_snapshots_spoiled_under_load_two_versions_of_the_code_and_a_killed_worker(
    tmp_path: Path, data_dir: Path
) -> None:
    with StateServer(tmp_path / "own-state") as server:
        async with ScriptedModel(script) as model, redis.Redis.from_url(server.url) as state:
            stack = Stack(server.url, model.url, data_dir, {"PONDERD_LEASE_SECONDS": "2"})
            async with running(stack, workers=2) as client:
                start_other(stack)
                run_id = await say(client, "message 0")
                spoiling = asyncio.create_task(spoil(state, key(run_id, "snapshot")))
                try:
                    for number in range(1, MESSAGES):
                        assert await say(client, f"message {number}") == run_id
                        if number == MESSAGES // 2:
                            await client.launch("assistant", "in between", conversation="c")
                            await stack.stop("work-0", signal.SIGKILL)
                            stack.start("work", "work-2")
                            await answered(client, run_id, "in between")
                finally:
                    while not spoiling.done():  # the client may swallow one
                        spoiling.cancel()
                        await asyncio.wait([spoiling], timeout=1)
                await all_answered_once(client, run_id, MESSAGES + 1)
                log = "".join(stack.log(name) for name in ("work-1", "work-2", "other"))
                assert "a snapshot is not what the log says" not in log


async def test_an_old_log_without_a_snapshot_gets_one(tmp_path: Path, data_dir: Path) -> None:
    with StateServer(tmp_path / "own-state") as server:
        async with ScriptedModel(script) as model, redis.Redis.from_url(server.url) as state:
            stack = Stack(server.url, model.url, data_dir)
            async with running(stack) as client:
                run_id = await say(client, "first")
                log = await state.lrange(key(run_id, "log"), 0, -1)
                old = [event.replace(b'"window":12000', b'"window":0') for event in log[1:]]
                for _ in range(1_999):
                    length = await state.rpush(key(run_id, "log"), *old)
                await state.hset(key(run_id, "run"), "version", str(length))
                assert await state.exists(key(run_id, "snapshot")) == 0

                await say(client, "second")
                await eventually(lambda: state.exists(key(run_id, "snapshot")))
                view = await client.get(f"/runs/{run_id}")
                assert view["version"] == len(log) + 1_999 * len(old) + len(log) - 1
                await state.delete(key(run_id, "snapshot"))
                assert await client.get(f"/runs/{run_id}") == view
                await say(client, "third")
                await all_answered_once(client, run_id, 2_002)


async def all_answered_once(client: Client, run_id: str, messages: int) -> None:
    types = Counter(event["type"] for event in await client.events(run_id))
    assert types["message_received"] == messages
    assert types["reply_sent"] == messages


def start_other(stack: Stack) -> None:
    with (stack.data_dir / "other.log").open("ab") as log:
        stack.processes["other"] = subprocess.Popen(
            [sys.executable, "-c", OTHER_CODE],
            env={**os.environ, **stack.settings},
            stdout=log,
            stderr=log,
        )
