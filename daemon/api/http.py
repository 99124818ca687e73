"""Shared by all HTTP routes: the form of errors, the limits of size and time on what is received,
the check of the token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ponderd.channels.errors import Refused, Unavailable, kind_of
from ponderd.channels.own_secrets import hide
from ponderd.channels.signature import verify_bearer
from ponderd.channels.text import storable
from ponderd.channels.webhook.encodings import TAKEN
from ponderd.daemon.refusals import note_refused_request

BODY_LIMIT = 1024 * 1024
"""Bytes of one request body. Larger ones get a 413."""
BODIES_LIMIT = 128 * 1024 * 1024
"""Bytes of all bodies that are held at the same time. Who sends more gets a 503."""
BODY_SECONDS = 30.0
"""How long the body of a request may take to arrive."""


def error_response(status: int, message: str) -> JSONResponse:
    """`{"error": message}`, with the headers that clients expect beside a 401 or a 503."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if status == 503:
        headers["retry-after"] = "2"
    if status == 415:
        headers["accept-encoding"] = TAKEN
    return JSONResponse({"error": storable(hide(message))}, status, headers)


def install_errors(app: FastAPI) -> None:
    """Make every error `{"error": "one line"}`, with its status in `ponderd.channels.errors`."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        note_refused_request(request, kind_of(error), str(error))
        return error_response(error.http_status, str(error))

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> JSONResponse:
        note_refused_request(request, kind_of(error), str(error))
        what = "" if request.method == "GET" else "not stored, "
        return error_response(error.http_status, f"{what}try again: {error}")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        note_refused_request(request, "malformed", f"{first['loc']}: {first['msg']}")
        if first["type"] == "json_invalid":
            return error_response(400, "the body is not JSON")
        if first["loc"] == ("body",) and not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return error_response(415, "send the header Content-Type: application/json")
        where = ".".join(str(part) for part in first["loc"][1:])
        return error_response(422, f"{where or 'body'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        note_refused_request(request, f"http_{error.status_code}", str(error.detail))
        response = error_response(error.status_code, str(error.detail))
        if error.status_code == 405:
            response.headers["allow"] = ", ".join(_methods(app, request))
        return response

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # The server logs the traceback.
        return error_response(500, "an error of ours; the log says more")


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What may be done with this path, on all its routes: each knows only its own methods."""
    path = request.url.path
    routes = [
        route
        for route in iter_route_contexts(app.routes)
        if route.path and compile_path(route.path)[0].match(path)
    ]
    literal = [route for route in routes if route.path == path]
    found = {method for route in literal or routes for method in route.methods or ()}
    return sorted(found)


def require_token(token: SecretStr) -> Callable[[Request], Awaitable[None]]:
    """A dependency that raises Unauthenticated unless the request carries the API token."""

    async def check(request: Request) -> None:
        verify_bearer(token.get_secret_value(), request.headers)

    return check


PUBLIC = ("/webhooks/", "/slack/")
"""Where requests come from people and programs without the API token."""

Check = Callable[[Request], ASGIApp | None]
"""Looks at the header of a request before its body is read. Raises `Refused`, or returns the answer
to a request whose body is not wanted."""


def is_from_link(scope: Scope) -> bool:
    """Whether a request comes from a signed approval link, which needs no token."""
    given = parse_qs(scope["query_string"].decode("latin-1"))
    return scope["path"].startswith("/approvals/") and "mark" in given


def token_first(token: SecretStr) -> Check:
    """A check for `BodyLimit`: nothing of a body is read for whoever lacks the API token, where it
    is needed anyway."""

    def check(request: Request) -> None:
        is_public = request.scope["path"].startswith(PUBLIC) or is_from_link(request.scope)
        if request.method not in ("GET", "HEAD", "OPTIONS") and not is_public:
            verify_bearer(token.get_secret_value(), request.headers)

    return check


class BodyLimit:
    """Reads each body whole before the app sees it. Answers 413 if it is larger than `limit`, and
    408 if it does not come in time.

    Content-Length alone would not do: a chunked request has none. Each of `checks` looks at a
    request before its body is read, and raises `Refused`.

    Where all bodies together are larger than `total`, the one that has been coming for longest gets
    a 503 and makes room: whoever sends slowly, or no end, locks nobody out.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int = BODY_LIMIT,
        total: int = BODIES_LIMIT,
        checks: Sequence[Check] = (),
    ) -> None:
        self._app = app
        self._limit = limit
        self._total = total
        self._checks = checks
        self._held = 0
        self._coming: dict[asyncio.Timeout, bytearray] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = bytearray()
        try:
            if refusal := await self._refusal(scope, receive, body):
                self._let_go(body)
                return await refusal(scope, receive, send)
            whole: list[Message] = [
                {"type": "http.request", "body": bytes(body), "more_body": False}
            ]

            async def replay() -> Message:
                return whole.pop() if whole else await receive()

            return await self._app(scope, replay, send)
        except ClientDisconnect:
            return None
        finally:
            self._let_go(body)

    async def _refusal(self, scope: Scope, receive: Receive, body: bytearray) -> ASGIApp | None:
        """Read the whole `body`, or say why not. Raises `ClientDisconnect`."""
        try:
            for check in self._checks:
                if answer := check(Request(scope)):
                    return answer
            came = await self._read(receive, body)
        except Refused as error:
            return refused(scope, error.http_status, str(error), kind_of(error))
        except TimeoutError:
            return refused(scope, 408, "the body did not come in time")
        if len(body) > self._limit:
            return refused(scope, 413, f"the body is larger than {self._limit} bytes")
        if not came:
            return refused(scope, 503, "too much at once; try again")
        return None

    async def _read(self, receive: Receive, body: bytearray) -> bool:
        """Read into `body`, at most as much as shows that it is too large. Whether there was room
        for it. Raises TimeoutError."""
        more = fits = True
        patience = asyncio.timeout(BODY_SECONDS)
        self._coming[patience] = body
        try:
            async with patience:
                while more and fits and len(body) <= self._limit:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ClientDisconnect
                    piece = message.get("body", b"")
                    body += piece
                    self._held += len(piece)
                    more = message.get("more_body", False)
                    fits = patience in self._coming and self._has_room(body)
        except TimeoutError:
            if patience in self._coming:
                raise
            fits = False  # it made room for another one
        finally:
            self._coming.pop(patience, None)
        return fits

    def _has_room(self, body: bytearray) -> bool:
        """Whether all is held that may be, once those that have been coming for longest are gone,
        except for this one."""
        while self._held > self._total:
            others = (one for one, of in self._coming.items() if of is not body)
            oldest = next(others, None)
            if oldest is None:
                return False
            self._let_go(self._coming.pop(oldest))
            if not oldest.expired():
                oldest.reschedule(0)  # long ago
        return True

    def _let_go(self, body: bytearray) -> None:
        self._held -= len(body)
        body.clear()


def refused(scope: Scope, status: int, message: str, reason: str = "") -> JSONResponse:
    """An answer after which the rest of the request is not read."""
    note_refused_request(Request(scope), reason or f"http_{status}", message)
    response = error_response(status, message)
    response.headers["connection"] = "close"
    return response
