"""Processes that do what strangers may make long, or fatal. One that takes too long is killed.

The others are kept for the next task.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import structlog

from ponderd.channels.descendants import kill_descendants, memory_held
from ponderd.channels.errors import Unavailable
from ponderd.channels.killable_process import LENGTH_BYTES, Task, TaskResult, packed

GRACE_SECONDS = 5
"""After its time, and this, a process whose daemon is gone ends by itself."""
_START_SECONDS = 60
_ENDING_SECONDS = 2
"""A process whose pipes are closed ends within this time, or is killed."""

_PROGRAM = "from ponderd.channels.killable_process import main; main()"
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)
"""Starts one of them. Further arguments are modules that it has ready."""
# It gets no secrets, only what Python needs to start.
_ENVIRONMENT = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL",
    "LC_CTYPE", "TMPDIR",
)  # fmt: skip

log = structlog.get_logger(__name__)


Heard = Callable[[str, bytes], None]
"""Gets what a process writes to its standard output and error, with its label."""


class Pool:
    """At most so many processes, and so many tasks that may wait for them. Small ones come first.

    `what` is what people sent, in words: "mails". Each process does the task `first` before all
    others, outside of their time. Without an `environment` it gets no secrets. What it writes
    besides its answers is thrown away if nobody has `heard` it.
    """

    def __init__(
        self,
        processes: int,
        waiting: int,
        command: Sequence[str],
        what: str,
        *,
        first: Task | None = None,
        environment: Mapping[str, str] | None = None,
        heard: Heard | None = None,
    ) -> None:
        self._what = what
        self._limit = waiting
        self._command = command
        self._first = first
        self._environment = environment
        self._heard = heard
        self._free = processes
        self._idle: list[Process] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Have a process ready. Raises Unavailable if none can be started."""
        async with self.turn(0):
            await self.spare()

    async def ask(
        self, seconds: float, work: Callable[..., object], *arguments: object
    ) -> TaskResult:
        """Have `work` done, a function of a module. Whoever asks has the `turn`.

        Raises TimeoutError if the task itself takes longer, OSError or EOFError if it ends its
        process, Unavailable if it cannot be begun."""
        task = Task(math.ceil(seconds) + GRACE_SECONDS, work, arguments)
        for attempt in range(2):
            # Where an old process is found dead or stopped, something else than this task may have
            # done it.
            is_new = not self._idle
            process = await self.take()
            try:
                return await process.ask(task, seconds)
            except (EOFError, OSError) as error:
                if is_new and isinstance(error, TimeoutError):
                    raise
                log.warning(f"a process that reads {self._what} ended", attempt=attempt + 1)
                died = error
            finally:
                await self.put_back(process)
        raise died

    async def take(self) -> Process:
        """A process of one's own, for whoever has the `turn`. Raises Unavailable if none can be
        started."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            await process.end()
        return await self._start()

    async def put_back(self, process: Process) -> None:
        """Keep the process for others, or end it if it still has a task."""
        if process.is_free:
            self._idle.append(process)
        else:
            await process.end()

    async def spare(self) -> None:
        """Have one process ready, if there is none. Raises Unavailable if none can be started."""
        if not self._idle:
            self._idle.append(await self._start())

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
            raise Unavailable(f"too many {self._what} are being read, try again later")
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

    async def _start(self) -> Process:
        try:
            return await Process.start(
                self._command, self._first, self._environment, heard=self._heard
            )
        except (EOFError, OSError) as error:
            log.error(f"no process can be started to read {self._what}", error=str(error))
            raise Unavailable(f"{self._what} cannot be read now") from error


class Process:
    """One killable_process.py and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.is_new = True
        """It had no task yet."""
        self.is_free = True
        """It waits for a task."""
        self.label = ""
        """What is done in it now, for whoever hears it."""
        self.memory_at_first = 0
        """Bytes that it held before its first task. 0 if that is not known."""
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        first: Task | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        heard: Heard | None = None,
    ) -> Process:
        """Raises OSError or EOFError if it cannot start, or cannot do the `first` task."""
        if environment is None:
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        started = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if heard else asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C ends the daemon, which ends this
        )
        process = cls(started)
        if heard:
            process._listening = asyncio.create_task(process._listen(heard))
        try:
            async with asyncio.timeout(_START_SECONDS):
                await process._receive()
            if first:
                done = await process.ask(first, _START_SECONDS)
                if done.kind != "done":
                    raise OSError(str(done.result))
                process.is_new = True
                process.memory_at_first = process.memory()
        except BaseException:
            await process.end()
            raise
        return process

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    def memory(self) -> int:
        """Bytes that it and all that it started hold now; 0 if that is not known."""
        return memory_held(self._process.pid) if self.is_alive else 0

    def kill(self) -> None:
        """Kill it, and all that it started. Whoever asks meets its end."""
        if self.is_alive:
            kill_descendants(self._process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ask(self, task: Task, seconds: float) -> TaskResult:
        """Raises TimeoutError, and OSError or EOFError if the process ends."""
        assert self._process.stdin is not None
        self.is_free = self.is_new = False
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

    async def _listen(self, heard: Heard) -> None:
        assert self._process.stderr is not None
        while written := await self._process.stderr.read(65536):
            heard(self.label, written)

    async def death(self) -> str:
        """End it, and say in words how it ended if it did so by itself."""
        try:
            async with asyncio.timeout(_ENDING_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.end()
            return "it closed its pipes"
        await self.end()
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit {code}"
        with contextlib.suppress(ValueError):
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"signal {-code}"

    async def end(self) -> None:
        """Kill it and all that it started, and wait for its end."""
        self.is_free = False
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        # asyncio would close the pipes only when nobody holds their other ends any more.
        self._process._transport.close()  # type: ignore[attr-defined]
        if self._listening:
            self._listening.cancel()
