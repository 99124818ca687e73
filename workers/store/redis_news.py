"""Listen to what the scripts publish: ids of runs that got an event while a worker held them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError

from ponderd.workers.store.redis_client import end_tasks, is_away

log = structlog.get_logger(__name__)

PING = 3.0
"""Seconds of silence after which the listener sends a PING."""

FIRST_WAIT = 0.1
"""Seconds until the first attempt to listen again. Each further one waits twice as long."""

LONGEST_WAIT = 5.0
"""Most seconds between two attempts to listen again."""


class News:
    """Any number of listeners on one channel. Each has its own connection."""

    def __init__(self, redis: Redis | RedisCluster, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._readers: set[asyncio.Task[None]] = set()

    async def listen(self) -> AsyncIterator[str]:
        """Yield what is published, until `close`. Misses news while the server is unreachable."""
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        # A task of its own, because only cancelling ends a read in redis-py for good: if we close
        # its connection, it opens it again.
        reader = asyncio.create_task(self._read(heard))
        self._readers.add(reader)
        try:
            while (text := await heard.get()) is not None:
                yield text
        finally:
            self._readers.discard(reader)
            await end_tasks([reader])

    async def tell(self, text: str) -> None:
        """Publish to all listeners. Raises redis-py's errors."""
        await self._redis.publish(self._channel, text)

    async def close(self) -> None:
        """End all listeners. Call this before the client is closed."""
        await end_tasks(self._readers)

    async def _read(self, heard: asyncio.Queue[str | None]) -> None:
        wait = FIRST_WAIT
        try:
            while True:
                try:
                    await self._redis.initialize()  # a cluster's client asks who has which slots
                    async with contextlib.aclosing(self._redis.pubsub()) as pubsub:
                        await pubsub.subscribe(self._channel)
                        async for message in _messages(pubsub):
                            wait = FIRST_WAIT
                            if message["type"] == "message":
                                heard.put_nowait(message["data"].decode(errors="replace"))
                except Exception as error:  # nothing that is heard there ends it
                    log.debug(
                        "listening interrupted", error=str(error), exc_info=not is_away(error)
                    )
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        finally:
            heard.put_nowait(None)


async def _messages(pubsub: PubSub) -> AsyncIterator[dict[str, Any]]:
    """Yield messages, including answers to PING. Raises `ConnectionError` if those stay away.

    That is the only way to notice a half-open connection: the other side is gone, and no packet
    ever says so.
    """
    heard = time.monotonic()
    while True:
        message = await pubsub.get_message(timeout=PING)
        if message is not None:
            heard = time.monotonic()
            yield message
        elif time.monotonic() - heard > 3 * PING:
            raise ConnectionError("no answer to PING")
        else:
            await pubsub.ping()
