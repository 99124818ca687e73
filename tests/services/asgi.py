"""One request to an app, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from fastapi import FastAPI


class AppAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    app: FastAPI,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    receive: Callable[[], Awaitable[dict[str, Any]]] | None = None,
) -> AppAnswer:
    """`receive` is called for the body instead of sending `body`."""
    path, _, query = path.partition("?")
    said: list[MutableMapping[str, Any]] = []

    unsent = [body]

    async def whole() -> dict[str, Any]:
        if not unsent:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": unsent.pop(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    given = {"host": "agents.test", **(headers or {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "https",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("203.0.113.9", 1),
        "server": ("agents.test", 443),
    }
    await app(scope, receive or whole, send)
    start, *rest = said
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return AppAnswer(start["status"], names, b"".join(piece.get("body", b"") for piece in rest))
