"""Shared by all HTTP routes: the form of errors, the limit on bodies, the check of the token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ponderd.channels.errors import Refused, Unavailable
from ponderd.channels.signature import verify_bearer

BODY_LIMIT = 1024 * 1024
"""Bytes of one request body. Larger ones get a 413."""


def error_response(status: int, message: str) -> JSONResponse:
    """`{"error": message}`, with the headers that clients expect beside a 401 or a 503."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if status == 503:
        headers["retry-after"] = "2"
    return JSONResponse({"error": message}, status, headers)


def install_errors(app: FastAPI) -> None:
    """Make every error `{"error": "one line"}`, with its status in `ponderd.channels.errors`."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return error_response(error.http_status, str(error))

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> JSONResponse:
        return error_response(error.http_status, f"not stored, try again: {error}")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return error_response(400, "the body is not JSON")
        if first["loc"] == ("body",) and not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return error_response(415, "send the header Content-Type: application/json")
        where = ".".join(str(part) for part in first["loc"][1:])
        return error_response(422, f"{where or 'body'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return error_response(error.status_code, str(error.detail))


def require_token(token: SecretStr) -> Callable[[Request], Awaitable[None]]:
    """A dependency that raises Unauthenticated unless the request carries the API token."""

    async def check(request: Request) -> None:
        verify_bearer(token.get_secret_value(), request.headers)

    return check


class BodyLimit:
    """Reads each body whole before the app sees it. Answers 413 if it is larger than `limit`.

    Content-Length alone would not do: a chunked request has none.
    """

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None  # the client went away
            body += message.get("body", b"")
            if len(body) > self._limit:
                too_large = error_response(413, f"the body is larger than {self._limit} bytes")
                too_large.headers["connection"] = "close"
                return await too_large(scope, receive, send)
            if not message.get("more_body"):
                break
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        return await self._app(scope, replay, send)
