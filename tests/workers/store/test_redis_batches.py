"""Calls of one turn of the loop share a round trip, and each has its own answer or error."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError, RedisError, ResponseError

from ponderd.workers.store.redis_batches import LONGEST, UNDER_WAY, Batches
from ponderd.workers.store.redis_client import connect
from tests.services.state_server import StateServer

ECHO = "return {KEYS[1], ARGV[1]}"
COUNT = "return redis.call('INCR', KEYS[1])"
FAIL = "return redis.error_reply('NOPE ' .. ARGV[1])"


class Here:
    def __init__(self, client: Redis | RedisCluster) -> None:
        self.client = client
        self.batches = Batches(client)

    def script(self, text: str) -> AsyncScript:
        return self.client.register_script(text)

    async def stat(self, name: str) -> int:
        assert isinstance(self.client, Redis)
        return int((await self.client.info("all"))[name])


@contextlib.asynccontextmanager
async def batches(url: str) -> AsyncIterator[Here]:
    here = Here(connect(url))
    try:
        yield here
    finally:
        await here.batches.close()
        await here.client.aclose()


@pytest.fixture
async def here(redis_url: str) -> AsyncIterator[Here]:
    async with batches(redis_url) as here:
        yield here


async def test_each_call_gets_its_own_answer(here: Here) -> None:
    echo = here.script(ECHO)
    asked = [here.batches.call(echo, f"k{n % 7}", (n,)) for n in range(3 * LONGEST)]
    found = await asyncio.gather(*asked)
    assert found == [[b"k%d" % (n % 7), b"%d" % n] for n in range(3 * LONGEST)]


async def test_calls_of_one_turn_share_a_round_trip(here: Here) -> None:
    count = here.script(COUNT)
    await here.batches.call(count, "k", ())
    before = await here.stat("total_reads_processed")
    await asyncio.gather(*(here.batches.call(count, "k", ()) for _ in range(LONGEST)))
    assert await here.stat("total_reads_processed") - before <= 4  # one of them asks for this


async def test_however_much_is_asked_few_connections_do(here: Here) -> None:
    count = here.script(COUNT)
    await asyncio.gather(*(here.batches.call(count, "k", ()) for _ in range(50 * LONGEST)))
    assert await here.stat("connected_clients") <= UNDER_WAY + 1
    assert await here.client.get("k") == b"%d" % (50 * LONGEST)


async def test_an_error_is_that_of_its_call_alone(here: Here) -> None:
    echo, fail = here.script(ECHO), here.script(FAIL)
    asked = [here.batches.call(fail if n % 3 else echo, "k", (n,)) for n in range(9)]
    for n, found in enumerate(await asyncio.gather(*asked, return_exceptions=True)):
        if n % 3:
            assert isinstance(found, ResponseError) and str(found) == f"NOPE {n}"
        else:
            assert found == [b"k", b"%d" % n]


@pytest.mark.parametrize("wrong", ["\ud800", None])
async def test_what_cannot_be_sent_fails_alone(here: Here, wrong: Any) -> None:
    count = here.script(COUNT)
    calls = [here.batches.call(count, "k", (wrong,) if n == 4 else ()) for n in range(9)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(found.pop(4), UnicodeError | RedisError)
    assert sorted(found) == [*range(1, 9)]  # each was carried out, and once
    assert await here.batches.call(count, "k", ()) == 9


async def test_a_server_without_the_scripts_is_given_them(here: Here) -> None:
    echo, count = here.script(ECHO), here.script(COUNT)
    for _ in range(2):
        await here.client.script_flush()
        calls = [here.batches.call(script, "k", ("x",)) for script in (echo, count, echo)]
        said, _, again = await asyncio.gather(*calls)
        assert said == again == [b"k", b"x"]
    assert await here.client.get("k") == b"2"  # none was carried out twice


async def test_who_gives_up_disturbs_nobody(here: Here) -> None:
    count = here.script(COUNT)
    tasks = [asyncio.create_task(here.batches.call(count, "k", ())) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
    assert len({one for one in found[1::2] if isinstance(one, int)}) == 10


async def test_a_server_that_dies_fails_all_and_a_new_one_serves_again(tmp_path: Any) -> None:
    with StateServer(tmp_path) as server:
        async with batches(server.url) as here:
            count = here.script(COUNT)
            await here.batches.call(count, "k", ())
            server.stop()
            asked = [here.batches.call(count, "k", ()) for _ in range(2 * LONGEST)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, RedisError | OSError) for one in found), found
            server.start()
            assert await here.batches.call(count, "other", ()) == 1


async def test_closing_leaves_nobody_waiting(tmp_path: Any) -> None:
    with StateServer(tmp_path) as server:
        async with batches(server.url) as here:
            count = here.script(COUNT)
            await here.batches.call(count, "k", ())
            await here.client.client_pause(60_000)
            asked = [
                asyncio.create_task(here.batches.call(count, "k", ()))
                for _ in range((UNDER_WAY + 1) * LONGEST)
            ]
            for _ in range(3):  # turns of the loop, in which the first batches go out
                await asyncio.sleep(0)
            await here.batches.close()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, ConnectionError) for one in found)


async def test_in_a_cluster_each_call_finds_its_node(cluster_url: str) -> None:
    async with batches(cluster_url) as here:
        count = here.script(COUNT)
        asked = [here.batches.call(count, f"{{{n % 16:02x}}}", ()) for n in range(160)]
        assert sorted(await asyncio.gather(*asked)) == sorted([*range(1, 11)] * 16)
