"""Whether enough replicas have what was written, so that it outlives a fail-over.

WAIT counts the replicas that have what its own connection wrote. So each question writes a mark,
looks for what must be there and waits, all on one connection: what was written before the mark is
confirmed with it, and a server that has just taken over is seen to lack it.
"""

from __future__ import annotations

import time
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import PipelineCommand
from redis.exceptions import ConnectionError, MovedError, TimeoutError

from ponderd.channels.errors import Unavailable
from ponderd.workers.store.redis_client import awaited

CONFIRM_SECONDS = 2.0
"""How long replicas may take. Less than a client waits for an answer."""

CHECK_SECONDS = 1.0
"""Less than a question about the health of all may take."""

PROBE_SECONDS = 0.5
"""While they do not confirm, one question in this time is asked for all; the others fail at once,
or all connections would be waiting."""


class Replicas:
    """Asks the replicas of one server, or of each node of a cluster."""

    def __init__(self, redis: Redis | RedisCluster, wanted: int) -> None:
        self._redis = redis
        self.wanted = wanted
        self._probe_at: float | None = None

    async def ask(
        self, near: str, *looks: tuple[Any, ...], within: float = CONFIRM_SECONDS
    ) -> tuple[Any, ...]:
        """The answers to some reading commands, and whether enough replicas have what was written
        before. All is on the node that has `near`: the prefix of a shard, or a key. Raises
        `Unavailable`."""
        behind = self._probe_at is not None
        seconds = PROBE_SECONDS if behind else within
        commands = [
            ("SET", f"{near}:confirm", "1", "EX", "60"),
            *looks,
            ("WAIT", self.wanted, round(seconds * 1000)),
        ]
        _, *answers, confirmed = await awaited(self._on_one_connection(f"{near}:confirm", commands))
        enough = confirmed >= self.wanted
        if enough:
            self._probe_at = None
        elif behind or within == CONFIRM_SECONDS:  # a shorter one says nothing about the others
            self._probe_at = time.monotonic() + PROBE_SECONDS
        return (*answers, enough)

    async def require(self, near: str) -> None:
        """Raises `Unavailable` if replicas do not confirm, before anything is written that would
        be refused then. Costs nothing while all is well."""
        if self._probe_at is None:
            return
        if time.monotonic() < self._probe_at:
            raise self._too_few()
        self._probe_at = time.monotonic() + PROBE_SECONDS
        *_, enough = await self.ask(near)
        if not enough:
            raise self._too_few()

    async def accept(self, near: str, *look: Any) -> None:
        """Raises `Unavailable` unless replicas confirm what was written, which `look` finds."""
        if not self.wanted:
            return
        *found, enough = await self.ask(near, *([look] if look else []))
        if not enough:
            raise self._too_few()
        if found and found[0] in (None, 0):
            raise Unavailable("another state server took over while this was written")

    async def check(self, near: str) -> None:
        """Raises `Unavailable` if replicas do not confirm within `CHECK_SECONDS`."""
        if not self.wanted:
            return
        *_, enough = await self.ask(near, within=CHECK_SECONDS)
        if not enough:
            raise self._too_few()

    def _too_few(self) -> Unavailable:
        return Unavailable(
            f"fewer than {self.wanted} replicas of the state server confirm what is written "
            "(PONDERD_STATE_REPLICAS)"
        )

    async def _on_one_connection(self, key: str, commands: list[tuple[Any, ...]]) -> list[Any]:
        if isinstance(self._redis, RedisCluster):
            return await _on_node(self._redis, key, commands)
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute())


async def _on_node(redis: RedisCluster, key: str, commands: list[tuple[Any, ...]]) -> list[Any]:
    await redis.initialize()
    node = redis.get_node_from_key(key)
    if node is None:
        raise Unavailable("no node of the cluster has this part of the state")
    sent = [PipelineCommand(i, *command) for i, command in enumerate(commands)]
    try:
        await node.execute_pipeline(sent)
        for command in sent:
            if isinstance(command.result, Exception):
                raise command.result
    except MovedError as error:
        redis._initialize = True
        raise Unavailable("a part of the state moves to another node") from error
    except (ConnectionError, TimeoutError):
        redis._initialize = True
        raise
    return [command.result for command in sent]
