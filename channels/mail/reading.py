"""Read the content of mails beside the event loop, within limits.

What strangers send is read in processes of their own, which are killed if that takes too long or
too much memory. They are kept for the next mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import structlog

from ponderd.channels.errors import Malformed, TooLarge, Unavailable
from ponderd.channels.mail.content import Content, File
from ponderd.channels.mail.reading_process import (
    LENGTH_BYTES,
    FileTask,
    MailTask,
    Task,
    TaskResult,
    packed,
)
from ponderd.channels.mail.text.quotation import Thread

SECONDS = 10
"""How long the reading of a mail, and then that of each of its files, may take."""
FILES_SECONDS = 20
"""How long the reading of all files of a mail may take. What is not read by then is named."""
PROCESSES = 2
"""Small mails that are read at the same time; and so many larger ones, and files, beside them: no
mail of a person waits for what takes long."""
SMALL = 128 * 1024
"""Bytes of a mail that is small."""
WAITING = 50
"""Mails that may wait for their turn. The senders of more are told to come back."""
_ENOUGH = 0.6
"""Part of its time after which a long document ends with the page that is being read."""
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
    """Reads mails for a server. Smaller ones are read first."""

    def __init__(
        self,
        *,
        seconds: int = SECONDS,
        files_seconds: int = FILES_SECONDS,
        processes: int = PROCESSES,
        waiting: int = WAITING,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._seconds = seconds
        self._files_seconds = files_seconds
        self._small = _Pool(processes, waiting, command)
        self._large = _Pool(processes, waiting, command)
        self._files = _Pool(processes, waiting, command)

    async def start(self) -> None:
        """Have a process ready for the first mail. Raises Unavailable if none can be started."""
        await self._small.start()

    async def read(self, content: bytes, thread: Thread) -> Content:
        """Read the whole of a mail. Raises Malformed or TooLarge for one that goes over a limit,
        Unavailable if too many mails wait to be read. A file costs only itself: where it goes over
        a limit, it says so in `unread`."""
        task = MailTask(self._seconds + _GRACE_SECONDS, content, thread)
        try:
            pool = self._small if len(content) <= SMALL else self._large
            async with pool.turn(len(content)):
                answer = await pool.ask(task, self._seconds)
        except TimeoutError:
            late = f"the mail takes too long to read (more than {self._seconds} s)"
            raise TooLarge(late) from None
        except (EOFError, OSError):
            raise Malformed("the mail cannot be read: it stops whatever reads it") from None
        found = _content(answer)
        left: float = self._files_seconds
        files = []
        for file in found.files:
            if file.text is None and not file.unread:
                file, took = await self._with_text(file, left)
                left -= took
            files.append(file)
        return replace(found, files=tuple(files))

    async def _with_text(self, file: File, left: float) -> tuple[File, float]:
        """The file as it was read, or why it was not, and the seconds that it took."""
        if left <= 0:
            return replace(file, unread="the files before it took too long to read"), 0
        seconds = min(self._seconds, left)
        task = FileTask(math.ceil(seconds) + _GRACE_SECONDS, file, _ENOUGH * seconds)
        async with self._files.turn(len(file.content)):
            began = time.monotonic()
            try:
                read = _file(await self._files.ask(task, seconds), file)
            except TimeoutError:
                read = replace(file, unread="it takes too long to read")
            except (EOFError, OSError):
                read = replace(file, unread="it stops whatever reads it")
            return read, time.monotonic() - began

    async def close(self) -> None:
        """End all processes. What is being read is given up by whoever asked for it."""
        for pool in (self._small, self._large, self._files):
            await pool.close()


class _Pool:
    """Processes that are kept for the next task. Small tasks come first."""

    def __init__(self, processes: int, waiting: int, command: Sequence[str]) -> None:
        self._limit = waiting
        self._command = command
        self._free = processes
        self._idle: list[_Process] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def start(self) -> None:
        async with self.turn(0):
            self._idle.append(await self._start())

    async def ask(self, task: Task, seconds: float) -> TaskResult:
        """Whoever asks has the `turn`. Raises TimeoutError if the task itself takes longer, OSError
        or EOFError if it ends its process, Unavailable if it cannot be begun."""
        for attempt in range(2):
            # Where an old process is found dead or stopped, something else than this task may have
            # done it.
            is_new = not self._idle
            process = await self._start() if is_new else self._idle.pop()
            try:
                return await process.ask(task, seconds)
            except (EOFError, OSError) as error:
                if is_new and isinstance(error, TimeoutError):
                    raise
                log.warning("a process that reads mails ended", attempt=attempt + 1)
                died = error
            finally:
                await self._put_back(process)
        raise died

    async def close(self) -> None:
        for process in self._idle:
            await process.end()
        self._idle.clear()

    @contextlib.asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait until one more task may be done. Raises Unavailable if too many wait."""
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

    async def ask(self, task: Task, seconds: float) -> TaskResult:
        """Raises TimeoutError, and OSError or EOFError if the process ends."""
        assert self._process.stdin is not None
        self.is_free = False
        async with asyncio.timeout(seconds):
            if self._process.stdin.is_closing():  # uvloop raises RuntimeError if it is written to
                raise EOFError("the process has ended")
            self._process.stdin.write(packed(task))
            await self._process.stdin.drain()
            answer = await self._receive()
        self.is_free = True
        assert isinstance(answer, TaskResult)
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


def _file(answer: TaskResult, file: File) -> File:
    match answer.kind, answer.result:
        case "read", File() as read:
            return replace(file, text=read.text, unread=read.unread)
        case "memory", _:
            return replace(file, unread="it takes too much memory to read")
        case _:
            log.error("a file could not be read", error=answer.result)
            return replace(file, unread="ponderd has a fault in reading it")


def _content(answer: TaskResult) -> Content:
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
