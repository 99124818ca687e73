"""A TCP proxy in front of the state server and broker, or of the model, for one process.

It stands at every boundary of a run's life, because each is a command on this wire: a `Trap` is
sprung before a command is handed on, after it was executed and before its answer is, or right
after its answer was. It also cuts, freezes (half-open) and refuses connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Self

from tests.chaos.resp import boundary, is_of_broker, is_report, take_commands, time_reply
from tests.services.ports import free_port

Phase = Literal["before", "after", "during"]
PHASES: tuple[Phase, ...] = ("before", "after", "during")

Fate = Literal["pass", "swallow", "cut"]
"""Of a command or answer that was caught: it goes on its way, vanishes, or dies with its
connection."""

Spring = Callable[["Connection"], Awaitable[Fate]]
"""Do harm to whoever uses the connection."""


@dataclass(frozen=True, eq=False)
class Trap:
    boundary: str
    phase: Phase
    spring: Spring
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the harm is done."""

    async def catch(self, connection: Connection) -> Fate:
        try:
            return await self.spring(connection)
        finally:
            self.sprung.set()


class Traps:
    """What is armed, and all boundaries that were ever passed. Shared by all proxies."""

    def __init__(self) -> None:
        self.passed: dict[str, int] = defaultdict(int)
        self._armed: dict[tuple[str, Phase], Trap] = {}

    def arm(self, trap: Trap) -> bool:
        """False if there is another one."""
        return self._armed.setdefault((trap.boundary, trap.phase), trap) is trap

    def disarm(self, trap: Trap) -> None:
        if self._armed.get((trap.boundary, trap.phase)) is trap:
            del self._armed[trap.boundary, trap.phase]

    def take(self, name: str, phase: Phase) -> Trap | None:
        return self._armed.pop((name, phase), None)


class Proxy:
    """`owner` is the process that connects here; None: several do. With `traps` it reads what
    is said as Redis commands."""

    def __init__(self, owner: str | None, upstream: int, traps: Traps | None) -> None:
        self.owner = owner
        self.port = free_port()
        self.traps = traps
        self.upstream = upstream
        self.connections: set[Connection] = set()
        self.reports = 0
        """How often a worker said that it takes runs."""
        self.refusals = 0
        self.partitioned = False
        self.time_offset = 0.0
        """By how many seconds what the server says of its clock is off."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, what: Awaitable[object]) -> None:
        async def run() -> None:
            await what

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def refuse(self) -> int:
        """Refuse new connections until `listen`, and cut those that are there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        return self.cut()

    def cut(self, kind: str | None = None) -> int:
        """Reset connections; returns how many."""
        hit = self._of(kind)
        for connection in hit:
            connection.abort()
        return len(hit)

    def freeze(self, kind: str | None = None) -> int:
        """Make connections half-open: both ends think that they stand, and nothing passes."""
        hit = self._of(kind)
        for connection in hit:
            connection.frozen = True
        return len(hit)

    def heal(self) -> None:
        self.partitioned = False
        for connection in [c for c in self.connections if c.frozen]:
            connection.abort()

    def _of(self, kind: str | None) -> list[Connection]:
        return [c for c in self.connections if kind in (None, c.kind) and not c.frozen]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            self.refusals += 1
            writer.transport.abort()
            return
        connection = Connection(self, writer, up_writer)
        self.connections.add(connection)
        try:
            await connection.run(reader, up_reader)
        finally:
            self.connections.discard(connection)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self.connections:
            await asyncio.sleep(0.01)


class Connection:
    def __init__(
        self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self.proxy = proxy
        self.kind = "state"
        self.frozen = proxy.partitioned
        self.words: list[bytes] = []
        """The command that was caught last."""
        self._client = client
        self._server = server
        self._caught: Trap | None = None
        """Armed for the answer that comes next."""

    def abort(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()

    async def run(self, reader: asyncio.StreamReader, up_reader: asyncio.StreamReader) -> None:
        pumps = [
            asyncio.create_task(self._requests(reader)),
            asyncio.create_task(self._answers(up_reader)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        self.abort()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _requests(self, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._swallows():
                    continue
                if self.proxy.traps is None:
                    self._write(self._server, data)
                    continue
                buffer += data
                for raw, words in take_commands(buffer):
                    if not await self._request(self.proxy.traps, raw, words):
                        return

    async def _request(self, traps: Traps, raw: bytes, words: list[bytes]) -> bool:
        if words == [b"TIME"] and self.proxy.time_offset:
            self.answer(time_reply(time.time() + self.proxy.time_offset))
            return True
        if is_of_broker(words):
            self.kind = "broker"
        self.proxy.reports += is_report(words)
        name = boundary(words)
        if name is not None:
            traps.passed[name] += 1
            trap = traps.take(name, "before")
            self.words = words
            match await trap.catch(self) if trap else "pass":
                case "swallow":
                    return True
                case "cut":
                    return False
            caught = traps.take(name, "after") or traps.take(name, "during")
            self._caught = caught or self._caught  # many are under way at once
        self._write(self._server, raw)
        return True

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._swallows():
                    continue
                trap, self._caught = self._caught, None
                if trap and trap.phase == "after" and await trap.catch(self) == "cut":
                    return
                self._write(self._client, data)
                if trap and trap.phase == "during":
                    self.proxy.spawn(trap.catch(self))

    def _swallows(self) -> bool:
        self.frozen = self.frozen or self.proxy.partitioned
        return self.frozen

    def answer(self, raw: bytes) -> None:
        """Answer in the server's place."""
        self._write(self._client, raw)

    def _write(self, to: asyncio.StreamWriter, data: bytes) -> None:
        if not to.is_closing():
            to.write(data)
