"""Calls of scripts that travel together.

All that the runs of a worker want from the store goes out in one write and comes back in one read;
what is wanted meanwhile goes with the next batch, and the next goes when this one is back. So a
busy worker needs few connections, and with `appendfsync always` its commits share an fsync. An idle
one waits for nothing: a batch is sent as soon as its turn of the loop ends.

In a cluster each shard has batches of its own: a node that is ill holds up none of the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.commands.core import AsyncScript
from redis.exceptions import (
    ConnectionError,
    DataError,
    NoScriptError,
    ResponseError,
    TimeoutError,
)

from ponderd.workers.store.redis_client import ANSWER_SECONDS, end_tasks

UNDER_WAY = 4
"""Most batches that wait for the server at a time. One with a long log holds up only its own."""

PATIENCE = 0.01
"""Seconds that calls wait for the batch before them to come back."""

LONGEST = 64
"""Most calls in a batch."""

_Command = tuple[Any, ...]


class _Call(NamedTuple):
    script: AsyncScript
    key: str
    arguments: tuple[Any, ...]
    answer: asyncio.Future[Any]


@dataclass
class _Lane:
    waiting: list[_Call] = field(default_factory=list)
    senders: int = 0
    timer: asyncio.TimerHandle | None = None
    """When calls have waited long enough for the batch before them."""

    def next(self) -> list[_Call]:
        if self.timer:
            self.timer.cancel()
            self.timer = None
        batch, self.waiting = self.waiting[:LONGEST], self.waiting[LONGEST:]
        return batch


class _Line(Protocol):
    """Where commands are sent and answered."""

    async def exchange(self, commands: list[_Command]) -> list[Any]:
        """What the server answers to each, or the error that it answers."""
        ...

    async def load(self, script: bytes | str | memoryview[int]) -> None:
        """Have the server know it."""
        ...


class Batches:
    """For one event loop. A call that is cancelled may be carried out all the same, as one whose
    answer is lost."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis = redis
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, script: AsyncScript, key: str, arguments: tuple[Any, ...]) -> Any:
        """What `script` answers on the node of `key`. Raises what redis-py raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        lane = self._lanes[key if isinstance(self._redis, RedisCluster) else ""]
        lane.waiting.append(_Call(script, key, arguments, answer))
        if not lane.senders:
            self._begin(lane)
        elif lane.timer is None and lane.senders < UNDER_WAY:
            lane.timer = loop.call_later(PATIENCE, self._begin, lane)
        return await answer

    async def close(self) -> None:
        """Ends what is under way; its callers get a `ConnectionError`."""
        left: list[_Call] = []
        for lane in self._lanes.values():
            while lane.waiting:
                left += lane.next()
        self._lanes.clear()
        await end_tasks(self._sending)
        _fail(left, ConnectionError("the client was closed"))

    def _begin(self, lane: _Lane) -> None:
        if lane.waiting:
            lane.senders += 1
            task = asyncio.create_task(self._send(lane))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, lane: _Lane) -> None:
        """Send batch after batch until nothing waits."""
        batch: list[_Call] = []
        try:
            async with self._line() as line:
                while batch := lane.next():
                    await self._carry_out(batch, line)
                    await asyncio.sleep(0)  # who got an answer may want more: in the next batch
        except Exception as error:  # there is no line
            _fail(batch or lane.next(), error)
        except asyncio.CancelledError:
            _fail(batch, ConnectionError("the client was closed"))
            raise
        finally:
            lane.senders -= 1
            if not lane.senders:
                self._begin(lane)

    @contextlib.asynccontextmanager
    async def _line(self) -> AsyncIterator[_Line]:
        if isinstance(self._redis, RedisCluster):
            yield _Pipelines(self._redis)
            return
        pool = self._redis.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            with _without_timeout(connection):
                yield _Connected(connection)
        finally:
            await pool.release(connection)

    async def _carry_out(self, calls: list[_Call], line: _Line) -> None:
        """Have the calls done and hand out the answers. Never raises an error."""
        try:
            if unknown := await _exchange(calls, line):
                # The server has restarted and lost its script cache.
                for text in {call.script.script for call in unknown}:
                    await line.load(text)
                _fail(await _exchange(unknown, line), NoScriptError("a script is gone again"))
        except (DataError, UnicodeError) as error:
            if len(calls) == 1:
                return _fail(calls, error)
            for call in calls:  # one of them cannot be sent, so none was
                await self._carry_out([call], line)
        except Exception as error:
            _fail(calls, error)
        return None


async def _exchange(calls: list[_Call], line: _Line) -> list[_Call]:
    """Send all and hand out the answers. Returns those whose script the server does not know:
    they were not carried out."""
    calls = [call for call in calls if not call.answer.done()]  # nobody waits for the others
    answers = await line.exchange(
        [("EVALSHA", call.script.sha, 1, call.key, *call.arguments) for call in calls]
    )
    unknown = []
    for call, found in zip(calls, answers, strict=True):
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


class _Pipelines:
    """The nodes of a cluster, through redis-py, which knows where each key is."""

    def __init__(self, redis: RedisCluster) -> None:
        self._redis = redis

    async def exchange(self, commands: list[_Command]) -> list[Any]:
        pipe = self._redis.pipeline()
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)

    async def load(self, script: bytes | str | memoryview[int]) -> None:
        await self._redis.script_load(script)


class _Connected:
    """One connection, held for as long as there is something to send. redis-py would fetch one for
    each batch, and have a task and a timer for each write and each answer."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def exchange(self, commands: list[_Command]) -> list[Any]:
        packed = self._connection.pack_commands(commands)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connection.send_packed_command(packed)
                return [await self._answer() for _ in commands]
        except BaseException as error:  # other answers may come, which are nobody's
            await self._connection.disconnect(nowait=True)
            if isinstance(error, OSError) and not error.args:
                raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} s") from error
            raise

    async def load(self, script: bytes | str | memoryview[int]) -> None:
        (answer,) = await self.exchange([("SCRIPT LOAD", script)])
        if isinstance(answer, Exception):
            raise answer

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


@contextlib.contextmanager
def _without_timeout(connection: AbstractConnection) -> Iterator[None]:
    usual, connection.socket_timeout = connection.socket_timeout, None
    try:
        yield
    finally:
        connection.socket_timeout = usual
