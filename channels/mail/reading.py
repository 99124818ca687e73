"""Read the content of mails beside the event loop, within limits.

What strangers send is read in processes of their own, which are killed if that takes too long or
too much memory. They are kept for the next mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import os
import pickle
import sys
from collections.abc import AsyncIterator, Sequence

import structlog

from ponderd.channels.errors import Malformed, TooLarge, Unavailable
from ponderd.channels.mail.content import Content
from ponderd.channels.mail.quotation import Thread
from ponderd.channels.mail.reading_process import LENGTH_BYTES, Answer, Task, packed

SECONDS = 10
"""How long the reading of one mail may take."""
PROCESSES = 2
"""Mails that are read at the same time."""
WAITING = 50
"""Mails that may wait for their turn. The senders of more are told to come back."""
_START_SECONDS = 60
_GRACE_SECONDS = 5
"""After its time, and this, a process whose daemon is gone ends by itself."""

_PROGRAM = "from ponderd.channels.mail.reading_process import main; main()"
_COMMAND = (sys.executable, "-P", "-c", _PROGRAM)
# It gets no secrets, only what Python needs to start.
_ENVIRONMENT = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL",
    "LC_CTYPE", "TMPDIR",
)  # fmt: skip

log = structlog.get_logger(__name__)


class Reader:
    """Reads mails for a server. Smaller mails are read first."""

    def __init__(
        self,
        *,
        seconds: int = SECONDS,
        processes: int = PROCESSES,
        waiting: int = WAITING,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._seconds = seconds
        self._limit = waiting
        self._command = command
        self._free = processes
        self._idle: list[_Process] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Have a process ready for the first mail. Raises Unavailable if none can be started."""
        async with self._turn(0):
            self._idle.append(await self._start())

    async def read(self, content: bytes, thread: Thread) -> Content:
        """Read the whole of a mail. Raises Malformed or TooLarge for one that goes over a limit,
        Unavailable if too many mails wait to be read."""
        async with self._turn(len(content)):
            task = Task(self._seconds + _GRACE_SECONDS, content, thread)
            for attempt in range(2):
                # Where an old process is found dead, something else than this mail killed it.
                process = self._idle.pop() if self._idle else await self._start()
                try:
                    answer = await process.ask(task, self._seconds)
                except TimeoutError:
                    raise TooLarge(
                        f"the mail takes too long to read (more than {self._seconds} s)"
                    ) from None
                except (EOFError, OSError):
                    log.warning("the process that reads mails ended", attempt=attempt + 1)
                    continue
                finally:
                    await self._put_back(process)
                return _content(answer)
            raise Malformed("the mail cannot be read: it stops whatever reads it")

    async def close(self) -> None:
        """End all processes. What is being read is given up by whoever asked for it."""
        for process in self._idle:
            await process.end()
        self._idle.clear()

    @contextlib.asynccontextmanager
    async def _turn(self, size: int) -> AsyncIterator[None]:
        if self._free:
            self._free -= 1
        else:
            await self._wait(size)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, size: int) -> None:
        if len(self._waiting) >= self._limit:
            raise Unavailable("too many mails are being read, try again later")
        turn = asyncio.get_running_loop().create_future()
        entry = (size, next(self._numbers), turn)
        heapq.heappush(self._waiting, entry)
        try:
            await turn
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            else:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        if self._waiting:
            heapq.heappop(self._waiting)[2].set_result(None)
        else:
            self._free += 1

    async def _start(self) -> _Process:
        try:
            return await _Process.start(self._command)
        except (EOFError, OSError) as error:
            log.error("no process can be started to read mails", error=str(error))
            raise Unavailable("mails cannot be read now") from error

    async def _put_back(self, process: _Process) -> None:
        if process.is_free:
            self._idle.append(process)
        else:
            await process.end()


class _Process:
    """One reading_process.py and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.is_free = True
        """It waits for a task."""

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Process:
        """Raises OSError or EOFError if it cannot start."""
        started = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # Ctrl-C ends the daemon, which ends this
        )
        process = cls(started)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await process._receive()
        except BaseException:
            await process.end()
            raise
        return process

    async def ask(self, task: Task, seconds: float) -> Answer:
        """Raises TimeoutError, and OSError or EOFError if the process ends."""
        assert self._process.stdin is not None
        self.is_free = False
        async with asyncio.timeout(seconds):
            self._process.stdin.write(packed(task))
            await self._process.stdin.drain()
            answer = await self._receive()
        self.is_free = True
        assert isinstance(answer, Answer)
        return answer

    async def _receive(self) -> object:
        assert self._process.stdout is not None
        length = await self._process.stdout.readexactly(LENGTH_BYTES)
        return pickle.loads(await self._process.stdout.readexactly(int.from_bytes(length, "big")))

    async def end(self) -> None:
        self.is_free = False
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


def _content(answer: Answer) -> Content:
    match answer.kind, answer.result:
        case "read", Content() as content:
            return content
        case "refused", Exception() as error:
            raise error
        case "memory", _:
            raise TooLarge("the mail takes too much memory to read")
        case _:
            log.error("a mail could not be read", error=answer.result)
            raise Malformed("the mail cannot be read: ponderd has a fault there")
