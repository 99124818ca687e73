"""Connections that only take up room, and requests that are none, on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr

from ponderd.daemon.api import connections
from ponderd.daemon.api.connections import Connections, limited
from ponderd.daemon.api.guard import HEADER_BYTES, Guard
from ponderd.daemon.api.http import BodyLimit, install_errors, token_first
from tests.services.eventually import eventually, patiently

ASK = b"GET /quick HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@dataclass
class Served:
    port: int
    limits: Connections
    go_on: asyncio.Event

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *pieces: bytes) -> bytes:
        """All that the server answers, until it hangs up."""
        reader, writer = await self.open()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await patiently(reader.read())
        finally:
            writer.close()

    async def is_answered(self) -> bool:
        return (await self.say(ASK + CLOSE)).startswith(b"HTTP/1.1 200")


@pytest.fixture
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """At most 8 connections, 6 of one address."""
    app, go_on = FastAPI(), asyncio.Event()
    app.add_middleware(BodyLimit, checks=[token_first(SecretStr("the token"))])
    app.add_middleware(Guard)
    install_errors(app)

    @app.get("/quick")
    async def quick() -> None:
        return

    @app.get("/slow")
    async def slow() -> None:
        await go_on.wait()

    @app.get("/large")
    async def large() -> str:
        return "x" * 30_000_000

    @app.post("/webhooks/x")
    async def take(request: Request) -> int:
        return len(await request.body())

    limits = Connections(8, 6)
    config = uvicorn.Config(app, port=0, http=limited(limits), ws="none", log_config=None)
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, server, "should_exit", True)
        task = asyncio.create_task(server._serve())
        await eventually(lambda: server.started)
        yield Served(server.servers[0].sockets[0].getsockname()[1], limits, go_on)
        go_on.set()
    await task
    assert not limits._open and not limits._by_peer


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /qui", b"POST /webhooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello"],
    ids=["nothing", "half a header", "half a body"],
)
async def test_whoever_sends_nothing_locks_nobody_out(served: Served, begun: bytes) -> None:
    kept = []
    for _ in range(20):
        _, writer = await served.open()
        writer.write(begun)
        await writer.drain()
        kept.append(writer)
    assert await served.is_answered()
    assert len(served.limits._open) <= 8
    for writer in kept:
        writer.close()


async def test_those_with_a_wrong_token_lock_nobody_out(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.daemon.api.guard._Failures.delay", lambda *_: 3.0)
    kept = []
    for _ in range(20):
        _, writer = await served.open()
        writer.write(b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        kept.append(writer)
    assert await served.is_answered()
    for writer in kept:
        writer.close()


async def test_those_who_are_answered_stay(served: Served) -> None:
    streams = [await served.open() for _ in range(6)]
    for _, writer in streams:
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    await eventually(lambda: sum(not one.waits for one in served.limits._open) == 6)
    refused = await served.say(ASK + b"\r\n")
    assert refused.startswith(b"HTTP/1.1 503") and b'{"error": "too many connections' in refused
    served.go_on.set()
    for reader, writer in streams:
        assert (await patiently(reader.read())).startswith(b"HTTP/1.1 200")
        writer.close()
    assert await served.is_answered()


async def test_whoever_does_not_read_is_cut_off(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.1)
    _, writer = await served.open()
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await eventually(lambda: len(served.limits._open) == 1)
    await eventually(lambda: not served.limits._open)
    writer.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /quick HTTP/1.1\r\n\r\n", b"400"),
        (ASK + b"X: " + b"x" * 17_000, b"431"),
        (ASK + b"".join(b"X: " + b"x" * 1_000 + b"\r\n" for _ in range(40)) + b"\r\n", b"431"),
        (ASK + b"Transfer-Encoding: rot13\r\n\r\n", b"501"),
        (ASK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
        (ASK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ASK, b"400"),
    ],
)
async def test_what_is_no_request_is_told_and_closed(
    served: Served, request_: bytes, status: bytes
) -> None:
    answer = await served.say(request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in head.lower()
    assert list(json.loads(body)) == ["error"]


async def test_a_chunk_that_is_none_ends_a_begun_answer(served: Served) -> None:
    begun = b"POST /webhooks/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert (await served.say(begun)).startswith(b"HTTP/1.1 400")
    assert await served.is_answered()


def test_the_header_limit_is_above_what_browsers_send() -> None:
    assert HEADER_BYTES >= 16 * 1024
