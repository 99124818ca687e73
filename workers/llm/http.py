"""HTTP to the model server: streaming, errors and retries. Independent of any dialect."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
from pydantic_core import from_json, to_json

from ponderd.channels.errors import ModelError

ATTEMPTS = 4
FIRST_DELAY = 0.5
"""Seconds before the second attempt. The delay doubles with each further one, with a jitter of
half."""

BODY_LIMIT = 16 * 2**20
"""Most bytes of one answer. No honest answer comes near; an endless one must not fill the memory.
"""

_TOO_LONG = re.compile(
    r"exceed_context_size|context (length|size|window)|prompt.{0,40}too long|max_model_len", re.I
)

T = TypeVar("T")


class BadRequest(ModelError):
    """HTTP 400 or 422, for another reason than a prompt that is too long."""


class Http:
    """One connection pool. `root` is the server's base URL without /v1."""

    def __init__(self, root: str, api_key: str | None) -> None:
        self._root = root
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._lazy_session: aiohttp.ClientSession | None = None

    async def get(self, path: str, pick: Callable[[Any], T]) -> T:
        """GET a JSON answer and return what `pick` takes out of it. Errors of `pick` count as
        broken data."""
        return await self._exchange("GET", path, None, _json(pick))

    async def post(self, path: str, body: bytes, pick: Callable[[Any], T]) -> T:
        return await self._exchange("POST", path, body, _json(pick))

    async def stream(
        self, path: str, body: bytes, take: Callable[[Any], bool], *, reuse: bool = True
    ) -> None:
        """POST `body` and hand each server-sent event to `take`, as JSON.

        Returns at the end of the stream. If `take` returns True, closes the connection and returns.
        Without `reuse` the connection serves no further request.
        """

        async def read(response: aiohttp.ClientResponse) -> None:
            rest = bytearray()
            async for chunk in _limited(response):
                rest += chunk
                if b"\n" not in chunk:
                    continue
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    if not line.startswith(b"data:") or line.startswith(b"data: [DONE]"):
                        continue
                    data = _decoded(line[5:])
                    if "error" in data:
                        raise _broke_off(data["error"])
                    if take(data):
                        response.close()
                        return

        await self._exchange("POST", path, body, read, reuse=reuse)

    async def close(self) -> None:
        if self._lazy_session is not None:
            await self._lazy_session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._lazy_session is None:
            self._lazy_session = aiohttp.ClientSession(
                # vLLM (uvicorn) closes connections that were idle for 5 s. Close them earlier.
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=4),
                # `retried` decides how long an answer may take.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                headers={"Content-Type": "application/json", **self._headers},
            )
        return self._lazy_session

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        *,
        reuse: bool = True,
    ) -> T:
        headers = {} if reuse else {"Connection": "close"}
        try:
            async with self._session().request(
                method, self._root + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    text = (await _whole(response)).decode("utf-8", "replace")
                    raise _refusal(response.status, text, response.headers.get("Retry-After"))
                return await read(response)
        except aiohttp.InvalidURL as error:
            raise ModelError(f"not a URL: {error}", cause="mendable", retryable=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ModelError(f"no answer from the model server: {reason}", cause="away") from error
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ModelError(f"the model server sent broken data: {error!r}") from error


async def retried(
    attempt: Callable[[], Awaitable[T]], *, timeout: float, attempts: int = ATTEMPTS
) -> tuple[T, int]:
    """The result of the first attempt that works, and its number.

    One attempt may take `timeout` seconds, all attempts together twice that. Raises the last
    `ModelError`.
    """
    now = asyncio.get_running_loop().time
    end = now() + 2 * timeout
    number = 0
    while True:
        number += 1
        try:
            async with asyncio.timeout(min(timeout, end - now())):
                return await attempt(), number
        except TimeoutError:
            failure = ModelError(
                f"no answer from the model server within {timeout:g} s", cause="away", at_work=True
            )
        except ModelError as error:
            failure = error
        backoff = FIRST_DELAY * 2 ** (number - 1) * random.uniform(0.5, 1.5)
        delay = max(backoff, failure.retry_after or 0)
        if not failure.retryable or number >= attempts or now() + delay >= end:
            raise failure
        await asyncio.sleep(delay)


def encoded(body: dict[str, Any]) -> bytes:
    """Compact JSON. Raises ValueError for a lone surrogate."""
    return to_json(body)


def _decoded(line: bytes | bytearray) -> Any:
    """Raises ValueError."""
    try:
        return from_json(line)
    except ValueError:  # it refuses halves of surrogate pairs, which servers send apart
        return json.loads(line)


def joined(pieces: list[str]) -> str:
    """Join the pieces. Surrogate pairs cut in two are restored, lone halves replaced."""
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _json(pick: Callable[[Any], T]) -> Callable[[aiohttp.ClientResponse], Awaitable[T]]:
    async def read(response: aiohttp.ClientResponse) -> T:
        return pick(json.loads(await _whole(response)))

    return read


async def _limited(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > BODY_LIMIT:
            response.close()
            raise ModelError(f"the model server sent more than {BODY_LIMIT} bytes")
        yield chunk


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    return b"".join([chunk async for chunk in _limited(response)])


def _broke_off(error: Any) -> ModelError:
    """An error among the events of a stream. vLLM refuses some requests that way, after HTTP 200,
    and puts the real status into the event (seen on 0.32: thinking_token_budget)."""
    status = error.get("code") if isinstance(error, dict) else None
    if isinstance(status, int) and 400 <= status < 500:
        return _refusal(status, str(error.get("message")))
    return ModelError(f"the model server broke off: {_excerpt(str(error))}")


def _refusal(status: int, text: str, retry_after: str | None = None) -> ModelError:
    message = f"the model server answered HTTP {status}: {_excerpt(text)}"
    match status:
        case 400 | 413 | 422 if _TOO_LONG.search(text):
            return ModelError(message, retryable=False, too_long=True)
        case 400 | 422:
            return BadRequest(message, retryable=False)
        case 401 | 403:
            hint = f"{message} (see PONDERD_MODEL_API_KEY)"
            return ModelError(hint, cause="mendable", retryable=False)
        case 404:
            hint = f"{message} (see PONDERD_MODEL_URL, PONDERD_MODEL)"
            return ModelError(hint, cause="mendable", retryable=False)
        case 502 | 503 | 504:
            return ModelError(message, cause="away", retry_after=_seconds(retry_after))
        case 408 | 425 | 429:
            return ModelError(message, cause="busy", retry_after=_seconds(retry_after))
        case 500:
            return ModelError(message, retry_after=_seconds(retry_after))
        case _:
            return ModelError(message, retryable=False)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdecimal() else None


def _excerpt(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:300] + "…"
