"""What the server refuses for now is Unavailable; a wrong command of ours stays an error."""

from __future__ import annotations

import asyncio
import signal

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ponderd.channels.errors import Unavailable
from ponderd.workers.store import redis_client
from ponderd.workers.store.redis_client import awaited, connect, is_mistake
from tests.services.ports import free_port
from tests.services.state_server import StateServer

REFUSALS = (
    "READONLY You can't write against a read only replica. script: 4e1, on @user_script:1.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "CLUSTERDOWN Hash slot not served",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "NOREPLICAS Not enough good replicas to write.",
    "EXECABORT Transaction discarded because of previous errors.",
    "MOVED 3999 127.0.0.1:6381",
    "REDIRECT 127.0.0.1:6380",
    "NOSCRIPT No matching script.",
    "ERR max number of clients reached",
    "ERR ACL failure in script: User ponderd has no permissions to run the 'time' command",
    "ERR Error running script (call to f_4e1): @user_script:23: -OOM command not allowed",
    "ERR Error running script (call to f_4e1): @user_script:2: @user_script: 2: -MISCONF Errors",
    "ERR unknown command 'EVALSHA', with args beginning with: '4e1'",
    "ERR upstream failure",
)
MISTAKES = (
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR wrong number of arguments for 'get' command",
    "ERR syntax error",
    "ERR value is not an integer or out of range",
    "ERR user_script:7: attempt to compare nil with number script: 4e1, on @user_script:7.",
    "CROSSSLOT Keys in request don't hash to the same slot",
)


class Refusing:
    """A server that knows one answer."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    async def __aenter__(self) -> Redis:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        client = connect(f"redis://127.0.0.1:{port}")
        assert isinstance(client, Redis)
        self._client = client
        return client

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.startswith(b"*"):
                words = [
                    (await reader.readline(), await reader.readline())[1]
                    for _ in range(int(line[1:]))
                ]
                hello = words[0].strip().upper() in (b"HELLO", b"CLIENT")
                writer.write(b"+OK\r\n" if hello else f"-{self._answer}\r\n".encode())
        writer.close()


@pytest.mark.parametrize("answer", REFUSALS)
async def test_what_is_refused_for_now_is_unavailable(answer: str) -> None:
    async with Refusing(answer) as client:
        with pytest.raises(Unavailable, match="state server cannot be used"):
            await awaited(client.get("x"))
        pipe = client.pipeline(transaction=False)
        # What people wrote stands in the message of a pipeline, and decides nothing.
        pipe.set("WRONGTYPE", "syntax error")
        with pytest.raises(Unavailable) as found:
            await awaited(pipe.execute())
        said = str(found.value).removeprefix("the state server cannot be used: ")
        assert said and answer.endswith(said)
        script = client.register_script("return redis.call('GET', KEYS[1])")
        with pytest.raises(Unavailable):
            await awaited(script(keys=["x"]))


async def test_sentinels_that_are_away_are_named_in_one_line() -> None:
    client = connect(f"redis+sentinel://127.0.0.1:{free_port()}/service/0")
    with pytest.raises(Unavailable) as found:
        await awaited(client.get("x"))
    assert str(found.value).endswith("No master found for 'service' by its Sentinels")
    await client.aclose()


@pytest.mark.parametrize("answer", MISTAKES)
async def test_a_wrong_command_is_an_error(answer: str) -> None:
    async with Refusing(answer) as client:
        with pytest.raises(ResponseError):
            await awaited(client.get("x"))
        pipe = client.pipeline(transaction=False)
        pipe.set("OOM", "BUSY LOADING")
        with pytest.raises(ResponseError) as found:
            await awaited(pipe.execute())
        assert is_mistake(found.value)


async def test_a_script_that_meets_it_in_the_middle(redis_url: str) -> None:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    script = client.register_script("return redis.call('SET', KEYS[1], 'x')")
    server = client.register_script("return redis.call('LPUSH', KEYS[1], 'x')")
    try:
        await awaited(script(keys=["x"]))
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await awaited(server(keys=["x"]))
        await client.config_set("maxmemory", 1)
        with pytest.raises(Unavailable, match="maxmemory"):
            await awaited(script(keys=["x"]))
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()


async def test_rights_that_are_taken_away(redis_server: StateServer, redis_url: str) -> None:
    admin = connect(redis_url)
    assert isinstance(admin, Redis)
    await admin.acl_setuser("ann", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all"])
    client = connect(f"redis://ann:pw@127.0.0.1:{redis_server.port}")
    assert isinstance(client, Redis)
    script = client.register_script("return redis.call('TIME')")
    try:
        await awaited(script())
        await admin.acl_setuser("ann", enabled=True, commands=["+@all", "-time"])
        with pytest.raises(Unavailable):  # the script may run, what it does may not
            await awaited(script())
        await admin.acl_setuser("ann", enabled=True, commands=["-@all"])
        with pytest.raises(Unavailable):
            await awaited(script())
    finally:
        await admin.acl_deluser("ann")
        await admin.aclose()
        await client.aclose()


async def test_one_connection_that_hangs_holds_up_no_others(redis_url: str) -> None:
    client = connect(redis_url, connections=2)
    try:
        hangs = asyncio.create_task(client.execute_command("BLPOP", "nothing", "60"))
        await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.gather(*(client.incr("many") for _ in range(100)))
        assert int(await client.get("many")) == 300
        assert not hangs.done()
        hangs.cancel()
        await asyncio.gather(hangs, return_exceptions=True)
    finally:
        await client.aclose()


async def test_after_a_frozen_server_all_connections_serve_again(
    redis_server: StateServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.workers.store.redis_client.ANSWER_SECONDS", 0.2)
    client = connect(redis_url, connections=3)
    assert redis_server.process
    try:
        await client.ping()
        redis_server.process.send_signal(signal.SIGSTOP)
        try:
            calls = [awaited(client.incr("many")) for _ in range(12)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(one) for one in found} == {Unavailable}
        finally:
            redis_server.process.send_signal(signal.SIGCONT)
        await asyncio.gather(*(client.get("many") for _ in range(50)))
    finally:
        await client.aclose()


async def test_a_process_that_stands_still_while_it_connects_is_served(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while each command asks first whether the connection is sound: any that is sent
    before the answer to the one before takes that for the answer to this."""
    login = redis_client._login
    monkeypatch.setattr(
        redis_client, "_login", lambda parsed: login(parsed) | {"health_check_interval": 1e-9}
    )
    client = connect(redis_url)
    assert await awaited(client.ping())
    await client.aclose()
