"""The proxy stands where it says it does."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from tests.chaos.proxy import Connection, Fate, Phase, Proxy, Trap, Traps
from tests.chaos.resp import SCRIPTS, boundary, take_commands
from tests.services.eventually import PATIENCE
from tests.services.state_server import PASSWORD, StateServer
from tests.workers.store.test_contract import message

KEY = "chaos"


def client(proxy: Proxy, patience: float = PATIENCE) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1",
        port=proxy.port,
        password=PASSWORD,
        socket_timeout=patience,
        retry=Retry(NoBackoff(), 0),
    )


async def remembers(proxy: Proxy, value: str, patience: float = PATIENCE) -> bool:
    """Set the key as the store remembers things; False if there was no answer."""
    async with client(proxy, patience) as connection:
        try:
            await connection.set(KEY, value, nx=True)
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True


async def stored(server: StateServer) -> str:
    async with redis.Redis.from_url(server.url, decode_responses=True) as connection:
        return str(await connection.get(KEY) or "")


@pytest.mark.parametrize(
    ("phase", "answered", "executed"),
    [("before", False, ""), ("after", False, "x"), ("during", True, "x")],
)
async def test_a_connection_is_cut_at_a_boundary(
    redis_server: StateServer, redis_url: str, phase: Phase, answered: bool, executed: str
) -> None:
    traps = Traps()

    async def cut(connection: Connection) -> Fate:
        connection.abort()
        return "cut"

    async with Proxy("work-0", redis_server.port, traps) as proxy:
        trap = Trap("remember", phase, cut)
        traps.arm(trap)
        assert await remembers(proxy, "x") is answered
        await trap.sprung.wait()
        assert await stored(redis_server) == executed
        assert await remembers(proxy, "y")  # the trap is gone
    assert traps.passed["remember"] == 2


async def test_half_open_and_refused(redis_server: StateServer, redis_url: str) -> None:
    async with Proxy("work-0", redis_server.port, Traps()) as proxy:
        async with client(proxy) as connection:
            await connection.ping()
            assert proxy.freeze("broker") == 0
            assert proxy.freeze("state") == 1
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.set(KEY, "x", nx=True), 0.5)
        assert await stored(redis_server) == ""
        assert await remembers(proxy, "y")  # new connections stand
        proxy.refuse()
        assert not await remembers(proxy, "z")
        await proxy.listen()
        assert await remembers(proxy, "z")
        proxy.partitioned = True
        assert not await remembers(proxy, "z", patience=0.5)
        proxy.heal()
        assert await remembers(proxy, "z")
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.01)


async def test_the_server_s_clock_is_off(redis_server: StateServer, redis_url: str) -> None:
    async with Proxy("work-0", redis_server.port, Traps()) as proxy, client(proxy) as connection:
        before, _ = await connection.time()
        proxy.time_offset = 1000.5
        off, microseconds = await connection.time()
        assert off >= before + 1000 and 0 <= microseconds < 1_000_000
        proxy.time_offset = 0
        assert before <= (await connection.time())[0] < off


def test_commands_that_come_in_pieces() -> None:
    sent = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n"
    buffer, words = bytearray(), []
    for byte in sent:
        buffer.append(byte)
        words += [words for _, words in take_commands(buffer)]
    assert words == [[b"GET", b"a\r\nb"], [b"PING"]]
    assert not buffer


async def test_what_a_worker_says_is_understood(redis_server: StateServer, redis_url: str) -> None:
    traps = Traps()
    async with Proxy("work-0", redis_server.port, traps) as proxy:
        store = RedisStore(connect(f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}/0"))
        await store.admit(message("c"))
        await store.sweep(1, 1.0)
        await store.latest(new_run_id("c"), "code")
        assert {"sweep", "latest"} <= set(traps.passed)
        await store.report("work-0", {}, alive=False)
        assert proxy.reports == 0
        await store.report("work-0", {"runs": 1})
        assert proxy.reports == 1
        await store.close()


async def test_of_many_commands_at_once_one_is_caught(
    redis_server: StateServer, redis_url: str
) -> None:
    traps = Traps()

    async def cut(connection: Connection) -> Fate:
        connection.abort()
        return "cut"

    async with Proxy("work-0", redis_server.port, traps) as proxy:
        trap = Trap("remember", "after", cut)
        traps.arm(trap)
        async with client(proxy) as connection:
            pipe = connection.pipeline(transaction=False)
            pipe.set(KEY, "x", nx=True)
            pipe.lrange("list", 0, 0)
            with pytest.raises(redis.ConnectionError):
                await pipe.execute()
        assert trap.sprung.is_set()
        assert await stored(redis_server) == "x"


def test_boundaries_have_names() -> None:
    commit, admit = (
        next(sha for sha, known in SCRIPTS.items() if known == name) for name in ("commit", "admit")
    )
    event = b'{"at":1.0,"type":"tool_started","key":"k"}'
    assert boundary([b"EVALSHA", commit, b"1", b"{p}", event]) == "commit:tool_started"
    assert boundary([b"EVALSHA", commit, b"1", b"{p}", b"idle"]) == "commit:release"
    assert boundary([b"EVALSHA", admit, b"1", event]) == "admit"
    assert boundary([b"LPUSH", b"ponderd:celery:ponderd", b"{}"]) == "poke"
    assert boundary([b"PING"]) is None
