"""HTTP connections: how many there may be, how long each may wait, and what is no HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

import h11
import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

log = structlog.get_logger(__name__)

HEADER_SECONDS = 20.0
"""How long the header of a request may take to arrive."""
WRITE_SECONDS = 60.0
"""How long a client may read nothing of its answer while more of it waits to be sent."""
CLOSE_SECONDS = 10.0
"""How long a client may take to read what was sent before its connection is cut."""
HELD = "ponderd.held"
"""Set in the scope of a request whose answer is held back on purpose."""


@dataclass
class Connections:
    """All connections of one server, at most `total`, and at most `per_peer` of one address.

    Where one is too many, the one of that peer that has kept us waiting longest is closed for it:
    for its header, its body, or as somebody whose proof was wrong. So those that send nothing lock
    nobody out, also not those who come through the same proxy. Only if all are being answered,
    the new one gets a 503.
    """

    total: int
    per_peer: int
    _open: OrderedDict[Connection, None] = field(default_factory=OrderedDict)
    _by_peer: Counter[str] = field(default_factory=Counter)

    def add(self, connection: Connection) -> bool:
        """Whether there is room for it. It counts either way, until `remove`."""
        self._open[connection] = None
        self._by_peer[connection.peer] += 1
        if self._by_peer[connection.peer] > self.per_peer:
            return self._make_room(connection, connection.peer)
        return len(self._open) <= self.total or self._make_room(connection, None)

    def remove(self, connection: Connection) -> None:
        if self._open.pop(connection, connection) is None:
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def _make_room(self, newcomer: Connection, peer: str | None) -> bool:
        rank, oldest = 0, None
        for one in self._open:
            if one is not newcomer and peer in (None, one.peer) and one.waits > rank:
                rank, oldest = one.waits, one
                if rank == 3:
                    break
        if oldest is None:
            log.warning("too many connections, all of them in use", peer=newcomer.peer)
            return False
        self.remove(oldest)
        oldest.cut()
        return True


class Connection(H11Protocol):
    """A connection that is closed if no whole header comes in time, or nobody reads the answer."""

    limits: Connections
    _due: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    peer = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else "unix"
        self._due = self.loop.call_later(HEADER_SECONDS, self._hang_up)
        if not self.limits.add(self):
            self.app = _busy

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._cancel_due()
        elif self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_due()
        self._cancel_stuck()
        self.limits.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cancel_stuck()
        self._stuck = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_stuck()
        super().resume_writing()

    @property
    def waits(self) -> int:
        """3: for a header; 2: for a body, or its answer is held back; 0: it is being answered."""
        if not self._is_answering():
            return 3
        return 2 if self.cycle.more_body or self.cycle.scope.get(HELD) else 0

    def cut(self) -> None:
        """Close at once."""
        self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self._stuck is None:
            # What it was told lies in a buffer until it reads it, or not at all.
            self._stuck = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Say in the form of the API what is no HTTP, and close."""
        if self.cycle is not None and self.cycle.response_started:
            return self.transport.abort()
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        status = hint if hint in STATUS_PHRASES else 400
        body = json.dumps({"error": f"this is no valid HTTP request: {error or msg}"}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        answer = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        return None

    def _cancel_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _cancel_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _hang_up(self) -> None:
        self._due = None
        if not self._is_answering():
            self.transport.close()


def limited(connections: Connections) -> type[Connection]:
    """The protocol for a server with these limits."""

    class Limited(Connection):
        limits = connections

    return Limited


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    body = b'{"error": "too many connections; try again"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"retry-after", b"2"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
