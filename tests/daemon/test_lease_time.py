"""A worker that died alone is not waited for longer than its lease, whenever the next one comes."""

from __future__ import annotations

import asyncio
from unittest import mock

from ponderd.channels.errors import Unavailable
from ponderd.daemon import lease_time
from ponderd.daemon.background import running
from ponderd.workers.store.contract import NewMessage
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from tests.services.eventually import eventually


async def held(store: RedisStore, lease: float) -> str:
    key = "tester:api::c"
    message = NewMessage(
        run_id=new_run_id(key),
        conversation_key=key,
        keys=("k",),
        agent="tester",
        agent_version="1",
        channel="api",
        conversation="c",
        history=(),
        received=b"hello",
    )
    run_id = (await store.admit(message)).run_id
    assert await store.claim(run_id, "a worker", lease)
    return run_id


async def test_a_lease_ends_while_the_daemon_runs_alone(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    try:
        run_id = await held(store, 2.5)  # longer than any gap between two looks counts
        async with running(lease_time.keep(store)):
            await eventually(lambda: store.claim(run_id, "another", 60))
    finally:
        await store.close()


async def test_no_lease_ends_while_nobody_reaches_the_store(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    try:
        run_id = await held(store, 2.5)
        await asyncio.sleep(3)
        assert await store.sweep(100, 0.1) == []
        assert await store.claim(run_id, "another", 60) is None
    finally:
        await store.close()


async def test_no_error_ends_it() -> None:
    looks = 0

    class Ill:
        async def sweep(self, limit: int, grace: float) -> list[str]:
            nonlocal looks
            looks += 1
            raise (Unavailable("away") if looks == 1 else RuntimeError("a bug"))

    with mock.patch.object(lease_time, "SECONDS", 0.01):
        async with running(lease_time.keep(Ill())):  # type: ignore[arg-type]
            await eventually(lambda: looks > 16)
