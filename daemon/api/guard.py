"""What holds for every request, whatever it asks for: whose header is doubtful is refused, whose
proof is wrong waits for the answer, and no browser takes an answer for something else."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ponderd.channels.text import one_line
from ponderd.daemon.api.connections import HELD
from ponderd.daemon.api.http import refused

HEADER_BYTES = 32 * 1024
"""Most bytes of all header fields together, and of the address. Larger ones get a 431."""
FREE_FAILURES = 10
"""Wrong proofs of one peer within `MEMORY` that are answered at once."""
LONGEST_DELAY = 2.0
"""Most seconds for which the answer to a wrong proof is held back."""
MEMORY = 60.0
"""Seconds for which a wrong proof counts."""
PEERS = 4_096
"""Peers whose wrong proofs are remembered."""

HOSTS_ONLY = ("/docs", "/openapi.json", "/metrics")
"""What is told without a token, and only to who uses a name of ours: a page of a stranger whose
name was made to lead here (DNS rebinding) reads nothing."""
_INNER = re.compile(r"[^.]+|.+\.(?:localhost|local|internal|lan|svc|cluster\.local|test)")
"""Names that no stranger can have: without a dot, and those that are never public."""

log = structlog.get_logger(__name__)


class Guard:
    """The outermost part of the app. `hosts`: further names under which this daemon is reached."""

    def __init__(
        self, app: ASGIApp, hosts: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._failures = _Failures(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        peer = one_line(scope["client"][0] if scope.get("client") else "unix", 60)
        held = False

        async def guarded(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *([] if _has(message, b"x-content-type-options") else [_NOSNIFF]),
                ]
                if message["status"] == 401 and not held:
                    held = scope[HELD] = True
                    await asyncio.sleep(self._failures.delay(peer))
            await send(message)

        with structlog.contextvars.bound_contextvars(peer=peer):
            app = self._doubt(scope) or self._app
            await app(scope, receive, guarded)
        return None

    def _doubt(self, scope: Scope) -> ASGIApp | None:
        """The answer to a request whose header is enough to refuse it."""
        headers = scope["headers"]
        names = [name for name, _ in headers]
        size = len(scope.get("raw_path", b"")) + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in headers)
        if size > HEADER_BYTES:
            return refused(scope, 431, f"the header is larger than {HEADER_BYTES} bytes")
        if b"transfer-encoding" in names and b"content-length" in names:
            # Whoever is in front of us may have read another end of this request (RFC 9112, 6.1).
            return refused(scope, 400, "send Content-Length or Transfer-Encoding, not both")
        if scope["path"].startswith(HOSTS_ONLY) and not self._is_ours(Request(scope)):
            return refused(
                scope,
                403,
                "not under this name; PONDERD_HTTP_HOSTS and PONDERD_PUBLIC_URL say ours",
            )
        return None

    def _is_ours(self, request: Request) -> bool:
        try:
            host = (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if not host or host in self._hosts or _INNER.fullmatch(host):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


class _Failures:
    """How often each peer came with a wrong proof of late."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def delay(self, peer: str) -> float:
        """Note one more. The seconds for which its answer is held back: other requests, also those
        of the same peer, go on meanwhile."""
        now = self._clock()
        count, since = self._of.pop(peer, (0.0, now))
        count = count * max(0.0, 1 - (now - since) / MEMORY) + 1
        self._of[peer] = count, now
        if len(self._of) > PEERS:
            self._of.popitem(last=False)
        return 0.0 if count <= FREE_FAILURES else min(LONGEST_DELAY, (count - FREE_FAILURES) / 10)


def _has(message: Message, name: bytes) -> bool:
    return any(one.lower() == name for one, _ in message["headers"])


_NOSNIFF = (b"x-content-type-options", b"nosniff")
