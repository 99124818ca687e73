"""Calls of scripts that travel together.

All that the runs of a worker want from the store in one turn of its loop goes out in one write and
comes back in one read; what is wanted meanwhile goes with the next batch. So a busy worker needs
few connections, and with `appendfsync always` its commits share an fsync. An idle one waits for
nothing: a batch is sent as soon as its turn of the loop ends.

In a cluster each shard has batches of its own: a node that is ill holds up none of the others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError, DataError, NoScriptError

from ponderd.workers.store.redis_client import end_tasks

UNDER_WAY = 4
"""Most batches that wait for the server at a time. One with a long log holds up only its own."""

LONGEST = 64
"""Most calls in a batch."""


class _Call(NamedTuple):
    script: AsyncScript
    key: str
    arguments: tuple[Any, ...]
    answer: asyncio.Future[Any]


@dataclass
class _Lane:
    waiting: list[_Call] = field(default_factory=list)
    under_way: int = 0
    soon: bool = False


class Batches:
    """For one event loop. A call that is cancelled may be carried out all the same, as one whose
    answer is lost."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis = redis
        self._apart = isinstance(redis, RedisCluster)
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, script: AsyncScript, key: str, arguments: tuple[Any, ...]) -> Any:
        """What `script` answers on the node of `key`. Raises what redis-py raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        lane = self._lanes[key if self._apart else ""]
        lane.waiting.append(_Call(script, key, arguments, answer))
        if not lane.soon and lane.under_way < UNDER_WAY:
            lane.soon = True
            loop.call_soon(self._next, lane)
        return await answer

    async def close(self) -> None:
        """Ends what is under way; its callers get a `ConnectionError`."""
        left = [call for lane in self._lanes.values() for call in lane.waiting]
        self._lanes.clear()
        await end_tasks(self._sending)
        _fail(left, ConnectionError("the client was closed"))

    def _next(self, lane: _Lane) -> None:
        lane.soon = False
        while lane.waiting and lane.under_way < UNDER_WAY:
            batch, lane.waiting = lane.waiting[:LONGEST], lane.waiting[LONGEST:]
            lane.under_way += 1
            task = asyncio.create_task(self._send(batch, lane))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, calls: list[_Call], lane: _Lane) -> None:
        try:
            await self._carry_out(calls)
        except asyncio.CancelledError:
            _fail(calls, ConnectionError("the client was closed"))
            raise
        finally:
            lane.under_way -= 1
            self._next(lane)

    async def _carry_out(self, calls: list[_Call]) -> None:
        try:
            if unknown := await self._exchange(calls):
                # The server has restarted and lost its script cache.
                for text in {call.script.script for call in unknown}:
                    await self._redis.script_load(text)
                _fail(await self._exchange(unknown), NoScriptError("a script is gone again"))
        except (DataError, UnicodeError) as error:
            if len(calls) == 1:
                return _fail(calls, error)
            for call in calls:  # one of them cannot be sent, so none was
                await self._carry_out([call])
        except Exception as error:
            _fail(calls, error)
        return None

    async def _exchange(self, calls: list[_Call]) -> list[_Call]:
        """Send all and hand out the answers. Returns those whose script the server does not know:
        they were not carried out."""
        calls = [call for call in calls if not call.answer.done()]  # nobody waits for the others
        pipe = self._redis.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command("EVALSHA", call.script.sha, 1, call.key, *call.arguments)
        unknown = []
        for call, found in zip(calls, await pipe.execute(raise_on_error=False), strict=True):
            if isinstance(found, NoScriptError):
                unknown.append(call)
            elif isinstance(found, Exception):
                _fail([call], found)
            elif not call.answer.done():
                call.answer.set_result(found)
        return unknown


def _fail(calls: list[_Call], error: Exception) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(error)
