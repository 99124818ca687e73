"""Connections to Redis or Valkey, alone or as a cluster, and what their errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterPipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from ponderd.channels.errors import Unavailable
from ponderd.workers.settings import is_cluster

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 2.0

_NOT_NOW = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_NOT_NOW_EITHER = ("MISCONF", "OOM", "LOADING", "CLUSTERDOWN", "NOREPLICAS")


def connect(url: str, *, connections: int = 64) -> Redis | RedisCluster:
    """A client that waits when `connections` commands are under way, fails fast, and never repeats
    a command by itself: a commit whose answer was lost must not be sent twice. (A command that a
    cluster redirects was not carried out.)"""
    retry = Retry(NoBackoff(), 0)
    limits: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": 5,
    }
    if is_cluster(url):
        return _Cluster.from_url(node_url(url), connections=connections, retry=retry, **limits)
    pool = BlockingConnectionPool.from_url(
        url, max_connections=connections, timeout=20, retry=retry, **limits
    )
    return Redis.from_pool(pool)


def node_url(url: str) -> str:
    """The one node that a cluster's URL names; of a single server its own URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.removesuffix('+cluster')}://{rest}"


async def server_infos(url: str) -> list[dict[str, Any]]:
    """What INFO says: of the server, or of every node of the cluster that writes. Raises
    `Unavailable`, and ValueError for a URL that is none."""
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


class _Cluster(RedisCluster):
    """Waits where redis-py's own client raises: when there are too many connections."""

    def __init__(self, *, connections: int, **options: Any) -> None:
        # More than one command and its redirections need; and no closing of all connections
        # because some slots moved: the commands under way on them would fail.
        super().__init__(**options, max_connections=1_000, reinitialize_steps=0)
        self._free = asyncio.Semaphore(connections)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._free:
            return await super().execute_command(*args, **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        return _Pipeline(self, transaction)  # type: ignore[abstract]  # mypy alone finds it so


class _Pipeline(ClusterPipeline):
    """After an error asks anew which node has what, as single commands do, too: without that it
    would go on asking a node that was replaced."""

    async def execute(self, *args: Any, **options: Any) -> list[Any]:
        try:
            return await super().execute(*args, **options)
        except (ConnectionError, TimeoutError, ClusterDownError):
            self.cluster_client._initialize = True
            raise


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks that talk to the server, until all are done. Once may not be enough: up to
    Python 3.11 `wait_for`, with which redis-py sends every command, swallows a cancellation that
    comes when its future is done (CPython issue 86296)."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.2)


async def awaited(call: Awaitable[Any]) -> Any:
    """Await `call`; what keeps the server from answering becomes `Unavailable`."""
    try:
        return await call
    except ResponseError as error:
        if isinstance(error, _NOT_NOW) or str(error).startswith(_NOT_NOW_EITHER):
            raise Unavailable(f"the state server cannot be used: {error}") from error
        raise
    except (RedisError, RedisClusterException, OSError, asyncio.IncompleteReadError) as error:
        raise Unavailable(f"the state server cannot be used: {error}") from error
    except RuntimeError as error:
        # uvloop's word for a write to a connection that was closed a moment ago.
        if "handler is closed" not in str(error):
            raise
        raise Unavailable(f"the state server cannot be used: {error}") from error
