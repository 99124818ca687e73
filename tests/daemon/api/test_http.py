"""Requests that are too large, or that never come to their end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr

from ponderd.daemon.api import connections, http
from ponderd.daemon.api.connections import Connections, limited
from ponderd.daemon.api.http import BodyLimit, token_first
from ponderd.daemon.api.server import listen
from tests.services.eventually import eventually, patiently

HEAD = b"POST /webhooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: "


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = FastAPI()
    app.add_middleware(
        BodyLimit, limit=100, total=150, checks=[token_first(SecretStr("the token"))]
    )

    @app.post("/webhooks/x")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/runs")
    async def launch(request: Request) -> int:
        return len(await request.body())

    config = uvicorn.Config(app, port=0, http=limited(Connections(100, 50)), log_config=None)
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, server, "should_exit", True)
        task = asyncio.create_task(server._serve())
        await eventually(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    await task


async def say(port: int, *pieces: bytes) -> bytes:
    """All that the server answers, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await patiently(reader.read())
    finally:
        writer.close()


async def test_a_whole_request_is_answered(port: int) -> None:
    close = HEAD.replace(b"Host", b"Connection: close\r\nHost")
    answer = await say(port, close + b"5\r\n\r\nhel", b"lo")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"5")


async def test_a_large_body_is_refused_before_its_end(port: int) -> None:
    answer = await say(port, HEAD + b"1000\r\n\r\n" + b"x" * 200)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger than 100 bytes" in answer


async def test_a_body_must_come_in_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.1)
    answer = await say(port, HEAD + b"50\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not come in time" in answer


async def test_no_body_is_read_for_whoever_lacks_the_token(port: int) -> None:
    launch = HEAD.replace(b"/webhooks/x", b"/runs") + b"50\r\n"
    answer = await say(port, launch + b"\r\nhel")
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"www-authenticate: Bearer" in answer
    token = b"Authorization: Bearer the token\r\nConnection: close\r\n\r\n"
    assert (await say(port, launch + token + b"x" * 50)).endswith(b"50")


async def test_all_bodies_together_have_a_limit(port: int) -> None:
    """Who sends slowly locks nobody out: the body that has been coming for longest makes room."""
    close = HEAD.replace(b"Host", b"Connection: close\r\nHost")
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    for _, writer in slow:
        writer.write(HEAD + b"90\r\n\r\n" + b"x" * 80)
        await writer.drain()

    # There is room for one of them.
    answers = [asyncio.create_task(reader.read()) for reader, _ in slow]
    await eventually(lambda: sum(answer.done() for answer in answers) == 2)
    for _ in range(3):
        assert (await say(port, close + b"95\r\n\r\n" + b"x" * 95)).endswith(b"95")
    for answer in answers:  # the last one made room for the first of these
        said = await patiently(answer)
        assert said.startswith(b"HTTP/1.1 503") and b"too much at once" in said
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize("begun", [b"", b"POST / HTTP/1.1\r\nHo"])
async def test_a_header_must_come_in_time(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    assert await say(port, begun) == b""


async def test_so_must_the_header_of_a_later_request(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"5\r\n\r\nhello")
    assert (await patiently(reader.readuntil(b"\r\n\r\n5"))).startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    writer.write(b"POST / HT")
    assert await patiently(reader.read()) == b""
    writer.close()


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", "AF_INET"), ("localhost", "AF_INET"), ("::1", "AF_INET6")]
)
def test_it_listens_on_both_kinds_of_addresses(
    monkeypatch: pytest.MonkeyPatch, host: str, family: str
) -> None:
    asked: list[tuple[object, str]] = []

    def create_server(address: object, *, family: socket.AddressFamily, backlog: int) -> None:
        asked.append((address, family.name))

    monkeypatch.setattr(socket, "create_server", create_server)
    listen(host, 8080)
    assert asked == [((host, 8080), family)]
