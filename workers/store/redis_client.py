"""Connections to Redis or Valkey, one server or a cluster, and the meaning of their errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Collection
from typing import Any

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    RedisCluster,
    Sentinel,
    SentinelConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterPipeline
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,
    ModuleError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

from ponderd.channels.errors import Unavailable
from ponderd.workers.redis_url import RedisUrl, parse_redis_url

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 2.0

CONNECTIONS = 10
"""How many a process has to one server. Scripts travel together (`redis_batches`), and what else it
wants waits for a free one for a moment."""

IN_A_CLUSTER = 64
"""How many commands it sends to a cluster at a time: those to a node that is ill hold up no
others."""

# What a server answers to a command that is wrong whenever it is sent. All else that it refuses, it
# refuses for now, whatever the server, its version or a proxy in front of it calls the reason: it
# is full, busy, read-only or loading, or our rights have gone.
_MISTAKE = re.compile(
    "WRONGTYPE|CROSSSLOT|BUSYGROUP|NOGROUP|wrong number of arguments|syntax error|value is not|"
    "unknown subcommand|invalid stream id|attempt to |bad argument|undeclared",
    re.IGNORECASE,
)
# Codes that stand in the middle where a script, or a command of a pipeline, met them.
_NOT_NOW = re.compile(
    r"\b(MISCONF|OOM|BUSY|LOADING|READONLY|MASTERDOWN|NOREPLICAS|NOPERM|NOAUTH|WRONGPASS|EXECABORT"
    r"|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|UNKILLABLE)\b"
)

# How redis-py quotes what the server said to a command of a pipeline.
_ARGUMENTS = re.compile(r"""\((['"])(.*)\1,\)""", re.DOTALL)


def connect(url: str, *, connections: int = 0) -> Redis | RedisCluster:
    """A client that fails fast and never repeats a command. At most `connections` commands run at a
    time (0: as many as do no harm); further ones wait.

    A commit must not be sent again if only its answer was lost. (A command that a cluster redirects
    was not executed, so following the redirection is safe.)
    """
    parsed = parse_redis_url(url)
    if parsed.kind == "cluster":
        (host, port), *_ = parsed.hosts
        most = connections or IN_A_CLUSTER
        return _Cluster(host=host, port=port, ssl=parsed.tls, connections=most, **_login(parsed))
    return connect_one(url, connections=connections or CONNECTIONS)


def connect_one(url: str, *, connections: int = CONNECTIONS) -> Redis:
    """A client as `connect` makes it, of one server: of a cluster, of the node that is named."""
    parsed = parse_redis_url(url)
    options = _login(parsed) | {"max_connections": connections, "timeout": 20, "db": parsed.db}
    if parsed.kind == "sentinel":
        login = {"username": parsed.sentinel_username, "password": parsed.sentinel_password}
        ask = _login(parsed) | login | ({"ssl": True} if parsed.tls else {})
        sentinel = Sentinel(parsed.hosts, sentinel_kwargs=ask)  # type: ignore[no-untyped-call]
        if parsed.tls:
            options["ssl"] = True
        pool = _FollowedPrimary(parsed.service, sentinel, **options)  # type: ignore[no-untyped-call]
        return Redis.from_pool(pool)
    if parsed.kind == "socket":
        kind: type[AbstractConnection] = UnixDomainSocketConnection
        options["path"] = parsed.path
    else:
        kind = SSLConnection if parsed.tls else Connection
        options["host"], options["port"] = parsed.hosts[0]
    return Redis.from_pool(BlockingConnectionPool(connection_class=kind, **options))


def _login(parsed: RedisUrl) -> dict[str, Any]:
    return {
        "username": parsed.username,
        "password": parsed.password,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": 5,
        "retry": Retry(NoBackoff(), 0),
        # Otherwise redis-py sends its name in two commands before it reads an answer. Who stands
        # still between them finds the first answer, an error up to Redis 7.0, where PONG should be.
        "driver_info": None,
        **parsed.tls_options,
    }


async def server_infos(url: str) -> list[dict[str, Any]]:
    """The answers to INFO, from the server or from every primary node of the cluster.

    Raises `Unavailable`, or ValueError if `url` is not valid.
    """
    sections = ("server", "persistence", "memory")
    client = connect(url, connections=1)
    try:
        if not isinstance(client, RedisCluster):
            return [await awaited(client.info(*sections))]
        await awaited(client.initialize())
        return [
            await awaited(client.info(*sections, target_nodes=node))
            for node in client.get_primaries()
        ]
    finally:
        await client.aclose()


class _FollowedPrimary(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the server that the Sentinels call primary, also after a fail-over. Waits for
    a free one, where the pool of redis-py raises an error."""

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


class _Cluster(RedisCluster):
    """Waits for a free connection, where the client of redis-py raises an error."""

    def __init__(self, *, connections: int, **options: Any) -> None:
        # max_connections: more than commands and their redirections need; the semaphore limits
        # them. reinitialize_steps=0: otherwise redis-py closes all connections when some slots have
        # moved, and the commands that are running on them fail.
        super().__init__(**options, max_connections=1_000, reinitialize_steps=0)
        self._free = asyncio.Semaphore(connections)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._free:
            return await super().execute_command(*args, **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        return _Pipeline(self, transaction)  # type: ignore[abstract]  # mypy alone finds it so


_NODE_GONE = (ConnectionError, TimeoutError, ClusterDownError)


class _Pipeline(ClusterPipeline):
    """After an error, asks the cluster again which node has which slots, as single commands do.
    Otherwise it would keep asking a node that was replaced."""

    async def execute(self, *args: Any, **options: Any) -> list[Any]:
        try:
            found = await super().execute(*args, **options)
        except _NODE_GONE:
            self.cluster_client._initialize = True
            raise
        if any(isinstance(answer, _NODE_GONE) for answer in found):
            self.cluster_client._initialize = True
        return found


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks that talk to the server, repeatedly, until all are done.

    Once may not be enough. redis-py sends every command through `wait_for`, which up to Python 3.11
    loses a cancellation that comes just when its future is done (CPython issue 86296).
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.2)


async def awaited(call: Awaitable[Any]) -> Any:
    """Await `call`. An error that keeps the server from answering becomes `Unavailable`."""
    try:
        return await call
    except Exception as error:
        if not is_away(error):
            raise
        raise Unavailable(f"the state server cannot be used: {_reason(error)}") from error


def is_away(error: Exception) -> bool:
    """Whether an error says that the server cannot be reached, or does not serve us now."""
    match error:
        case ResponseError():
            return not is_mistake(error)
        case RedisError() | RedisClusterException() | OSError() | asyncio.IncompleteReadError():
            return True
        case _:
            # This is how uvloop reports a write to a connection that was just closed.
            return isinstance(error, RuntimeError) and "handler is closed" in str(error)


def is_mistake(error: ResponseError) -> bool:
    """Whether the command itself was wrong. Otherwise the server only cannot serve it now."""
    if isinstance(error, ClusterCrossSlotError | ModuleError):
        return True
    reason = _reason(error)
    return not _NOT_NOW.search(reason) and bool(_MISTAKE.search(reason))


def _reason(error: Exception) -> str:
    """What the server said, without the command of a pipeline to which it said it: that may carry
    what people wrote."""
    if isinstance(error, MasterNotFoundError):  # what follows is each Sentinel's whole connection
        return str(error).partition(" : ")[0] + " by its Sentinels"
    said = str(error).rpartition("caused error: ")[2]
    in_pipeline = _ARGUMENTS.fullmatch(said)
    return in_pipeline[2] if in_pipeline else said


def ms(seconds: float) -> int:
    """Milliseconds, as the server counts."""
    return round(seconds * 1000)
