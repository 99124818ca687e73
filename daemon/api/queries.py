"""What a request may ask in its query, and that nobody works for who has gone away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from ponderd.channels.errors import Malformed

T = TypeVar("T")


def known_parameters(request: Request) -> None:
    """A dependency that raises `Malformed` for a parameter that the route does not know. A mistyped
    filter would let everything through, and look as if it had worked."""
    route = request.scope.get("route")
    assert isinstance(route, APIRoute)
    known = {parameter.alias for parameter in route.dependant.query_params}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        knows = f"it knows {', '.join(sorted(known))}" if known else "it knows none"
        raise Malformed(f"{request.url.path} has no parameter {unknown[0]!r}; {knows}")


async def while_wanted(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. It is ended as soon as the client has left; then raises
    `ClientDisconnect`."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.wait({working, gone})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
