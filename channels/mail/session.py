"""SMTP sessions with the limits that Postfix has: connections, errors, recipients, size, time.

The relay in front of us brings all mail from one address, so private addresses have no limit of
their own. Where one connection is too many, one that is not in use gives way to it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self, cast

from aiosmtpd.smtp import SMTP

from ponderd.channels.channel import Note
from ponderd.channels.text import one_line

CONNECTIONS = 200
PEER_CONNECTIONS = 20
"""Connections at once, in total and from one public address."""
RECIPIENTS = 20
"""Mailboxes that one mail may be for."""
ERRORS = 10
"""Refusals without a mail taken in between. Whoever goes on after so many is hung up on."""
IDLE_SECONDS = 300
"""How long a client may say nothing."""
DATA_SECONDS = 1_800
"""How long the sending of one mail may take."""
UNHURRIED = 60
"""Seconds. A client that has been sending one mail for longer gives way if all are sending."""
CLOSE_SECONDS = 10
"""How long a client may take to read what was said last until its connection is cut."""
BUFFERED = 200 * 1024 * 1024
"""Bytes of all mails that are received or read at the same time."""
LINE_LIMIT = 1_000
"""Bytes of a line (RFC 5321, 4.5.3.1.6)."""

# Whoever sends these for long wants no mail taken.
_CALLS = {"NOOP": 100, "HELP": 20, "VRFY": 20, "EHLO": 100, "HELO": 100, "*": 100_000}
_SIZE = re.compile(r"(?i)\bSIZE=(\d{1,20})(?!\d)")
_POSTMASTER = re.compile(r"(?i)\s*<?(postmaster)>?(?=\s|\Z)")
_END = b"\r\n.\r\n"


class Refusal(str):
    """A reply that refuses: why in a word, and the details for the operator alone."""

    def __new__(cls, reply: str, reason: str, detail: str) -> Self:
        refusal = super().__new__(cls, reply)
        refusal.reason, refusal.detail = reason, detail
        return refusal

    reason: str
    detail: str


class Gate:
    """Counts connections and bytes, over all sessions of a server."""

    def __init__(self, size_limit: int) -> None:
        self.size_limit = size_limit
        """Bytes of one mail."""
        self.buffered = 0
        self._sessions: dict[MailSession, None] = {}
        self._peers: Counter[str] = Counter()

    def enter(self, session: MailSession) -> bool:
        """Whether one more connection is taken; then it counts, until it leaves. Where it is one
        too many, the one that has kept us waiting longest leaves, if there is such a one."""
        peer = session.peer
        many = self._peers[peer] >= PEER_CONNECTIONS and not _is_private(peer)
        if many or len(self._sessions) >= CONNECTIONS:
            waiting = [
                (idle, -number, one)
                for number, one in enumerate(self._sessions)
                if (one.peer == peer or not many) and (idle := one.idle)
            ]
            if not waiting:
                return False
            oldest = max(waiting)[2]
            self.leave(oldest)
            oldest.give_way()
        self._sessions[session] = None
        self._peers[peer] += 1
        return True

    def leave(self, session: MailSession) -> None:
        """It counts no more. May be said twice."""
        if self._sessions.pop(session, session) is None:
            self._peers[session.peer] -= 1
            self._peers += Counter()  # forgets who has none any more

    @property
    def too_large(self) -> str:
        limit = f"{self.size_limit / 1024**2:.3g} MB"
        return f"552 5.3.4 the mail is larger than {limit} (PONDERD_MAIL_SIZE)"


def _is_private(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_private
    except ValueError:
        return True  # no address: a socket of this machine


class MailSession(SMTP):
    """One client. `handler` has the hooks that aiosmtpd calls. `refused` hears of each refusal."""

    def __init__(self, handler: object, gate: Gate, hostname: str, refused: Note) -> None:
        super().__init__(
            handler,
            data_size_limit=gate.size_limit,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="ponderd",
            timeout=IDLE_SECONDS,
            command_call_limit=_CALLS,
            loop=asyncio.get_running_loop(),
        )
        self._smtp_methods = _Commands(self._smtp_methods, self._unknown)
        self._gate = gate
        self._refused = refused
        self.peer = ""
        self._is_in = False
        self._errors = 0
        self._heard = 0.0
        self._data_ends: float | None = None
        self._is_storing = False

    # -- connections and time -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.WriteTransport, transport)  # uvloop's have no common base class
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        self._heard = self.loop.time()
        self._is_in = self._gate.enter(self)
        if self._is_in:
            super().connection_made(transport)
        else:
            self._refused("smtp_421", f"from {self.peer}: too many connections")
            transport.write(b"421 4.7.0 too many connections, try again later\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.leave(self)
        if self._is_in:
            super().connection_lost(error)

    @property
    def idle(self) -> tuple[int, float] | None:
        """For how many seconds it has kept us waiting: (1, …) for a command, (0, …) for the end
        of a mail. None: it is in use."""
        now = self.loop.time()
        if self._is_storing:
            return None
        if self._data_ends is None:
            return 1, now - self._heard
        sending = now - (self._data_ends - DATA_SECONDS)
        return (0, sending) if sending > UNHURRIED else None

    def give_way(self) -> None:
        """Hang up, for another client."""
        last = "421 4.3.2 others need this connection, try again later"
        self._note(last)
        self._goodbye(last)

    def data_received(self, data: bytes) -> None:
        if not self._is_in:
            return
        self._heard = self.loop.time()
        if self._data_ends is not None and self.loop.time() < self._data_ends:
            self._reset_timeout()
        super().data_received(data)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self._is_in else None

    def _timeout_cb(self) -> None:
        last = "421 4.4.2 nothing came for too long"
        if self._data_ends is not None:  # in the middle of a mail
            self._note(last)
        self._goodbye(last)

    def _goodbye(self, last: str) -> None:
        if self.transport is not None:
            transport = cast(asyncio.WriteTransport, self.transport)
            transport.write(f"{last}, goodbye\r\n".encode())
            transport.close()
            # Whoever does not read would keep it open for ever.
            self.loop.call_later(CLOSE_SECONDS, transport.abort)
            assert self._handler_coroutine is not None
            self._handler_coroutine.cancel()

    def _note(self, reply: str) -> None:
        """Tell the operator of a reply that refuses."""
        sender = one_line((self.envelope and self.envelope.mail_from) or "", 100)
        reason, detail = f"smtp_{reply[:3]}", reply
        if isinstance(reply, Refusal):
            reason, detail = reply.reason, reply.detail
        self._refused(reason, f"from {sender or self.peer}: {detail}")

    # -- commands -----------------------------------------------------------------------------

    async def push(self, status: Any) -> None:
        text = status.decode() if isinstance(status, bytes) else status
        if text[:1] in ("4", "5"):
            self._note(text)
        await super().push(status)
        self._errors += text.startswith("5")
        if self._errors >= ERRORS:
            self._goodbye("421 4.7.0 too many errors")

    async def _unknown(self, _: str | None) -> None:
        # aiosmtpd would log the bytes as they came, and say them back.
        await self.push("500 5.5.2 no such command")

    async def smtp_MAIL(self, arg: str | None) -> None:
        size = _SIZE.search(arg or "")
        if size and int(size[1]) > self._gate.size_limit:
            await self.push(self._gate.too_large)
        else:
            await super().smtp_MAIL(arg)

    def _getaddr(self, arg: str) -> Any:
        # The only mailbox that has a name without a domain (RFC 5321, 4.5.1).
        found = _POSTMASTER.match(arg)
        return (found[1].lower(), arg[found.end() :]) if found else super()._getaddr(arg)

    async def smtp_DATA(self, arg: str | None) -> None:
        assert self.session is not None and self.envelope is not None
        if await self.check_helo_needed():
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self._gate.buffered += size

        try:
            status = await self._received(hold)
        finally:
            hold(-held)
        if status.startswith("2"):
            self._errors = 0
        await self.push(status)
        self._set_post_data_state()  # type: ignore[no-untyped-call]

    async def _received(self, hold: Callable[[int], None]) -> str:
        """Take in a mail and hand it over: the reply to it. `hold` counts its bytes."""
        self._data_ends = self.loop.time() + DATA_SECONDS
        try:
            refusal, data = await self._until_the_end(hold)
        finally:
            self._data_ends = None
        assert self.envelope is not None
        if refusal:
            return refusal
        # A dot at the start of a line was doubled (RFC 5321, 4.5.2).
        content = bytes(data.replace(b"\r\n.", b"\r\n")[2:])
        del data
        self.envelope.content = self.envelope.original_content = content
        self._reset_timeout(IDLE_SECONDS)
        self._is_storing = True
        try:
            status: str = await self._call_handler_hook("DATA")
        finally:
            self._is_storing = False
            self._heard = self.loop.time()
        return status

    async def _until_the_end(self, hold: Callable[[int], None]) -> tuple[str, bytearray]:
        """All up to the line with a dot, which stands behind a line end; or why it is not kept."""
        reader: Any = self._reader
        reader._buffer[:0] = b"\r\n"  # so that the dot may be on the first line
        refusal, data, size, line = "", bytearray(), 0, 0
        while True:
            try:
                chunk, ended = await reader.readuntil(_END), True
            except asyncio.LimitOverrunError as more:
                chunk, ended = await reader.read(more.consumed), False
            size += len(chunk)
            if not refusal and size > self._gate.size_limit + len(_END):
                refusal = self._gate.too_large
            elif not refusal and self._gate.buffered + len(chunk) > BUFFERED:
                refusal = "452 4.3.1 too much mail at the same time, try again later"
            if refusal:
                data.clear()  # the client hears of it only at the end
            else:
                data += chunk
                hold(len(chunk))
                line = _line_after(data, line)
                if line < 0:
                    refusal = f"500 5.6.0 a line is longer than {LINE_LIMIT} bytes"
            if ended:
                del data[-3:]
                return refusal, data


def _line_after(data: bytearray, start: int) -> int:
    """Where the last line from `start` on begins; -1 if one of them is too long. Takes steps of the
    longest line, however short the lines are."""
    while len(data) - start > LINE_LIMIT:
        start = data.rfind(b"\n", start, start + LINE_LIMIT + 1) + 1
        if not start:
            return -1
    return start


class _Commands(dict[str, Callable[[str | None], Awaitable[None]]]):
    """The methods of commands; that of any other command is `unknown`."""

    def __init__(self, known: Any, unknown: Callable[[str | None], Awaitable[None]]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, self._unknown)
