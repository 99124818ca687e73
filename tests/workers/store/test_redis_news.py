"""What is published reaches its listeners, whatever happens to the connection and is sent there."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from ponderd.workers.store.redis_client import connect
from ponderd.workers.store.redis_news import News
from tests.services.eventually import eventually, patiently

TROUBLES = (
    # How uvloop says that the server hung up while we were connecting.
    RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"),
    ConnectionError("Connection closed by server."),
    OSError("no route to host"),
)


class Troubled:
    """A client whose first attempts to listen end in an error."""

    def __init__(self, redis: Redis, *troubles: Exception) -> None:
        self._redis = redis
        self._troubles = list(troubles)

    async def initialize(self) -> None:
        await self._redis.initialize()

    def pubsub(self) -> Any:
        pubsub = self._redis.pubsub()
        if self._troubles:
            trouble = self._troubles.pop(0)

            async def subscribe(*_: str) -> None:
                raise trouble

            pubsub.subscribe = subscribe
        return pubsub


async def heard(news: News, redis: Redis, *published: bytes) -> list[str]:
    """What a listener hears of what is published once it listens."""
    found: list[str] = []

    async def listen() -> None:
        async for text in news.listen():
            found.append(text)

    listening = asyncio.create_task(listen())
    try:

        async def is_heard() -> bool:
            assert not listening.done(), "the listener gave up"
            return await redis.publish("news", b"ready") > 0

        await eventually(is_heard)
        for text in (*published, b"last"):
            await redis.publish("news", text)
        await eventually(lambda: "last" in found)
    finally:
        await news.close()
        await patiently(listening)
    return [text for text in found if text not in ("ready", "last")]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda error: type(error).__name__)
async def test_a_listener_outlives_a_lost_connection(redis_url: str, trouble: Exception) -> None:
    redis = cast(Redis, connect(redis_url))
    try:
        news = News(cast(Redis, Troubled(redis, trouble, trouble)), "news")
        assert await heard(news, redis, b"one", b"two") == ["one", "two"]
    finally:
        await redis.aclose()


async def test_garbage_ends_no_listener(redis_url: str) -> None:
    redis = cast(Redis, connect(redis_url))
    try:
        found = await heard(News(redis, "news"), redis, b"\xff\xfe", b"one")
        assert found[-1] == "one"
    finally:
        await redis.aclose()
