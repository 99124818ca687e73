"""Where the code of agents' authors runs: never on a loop.

Functions beside the tools (`check`, `describe`, who must approve) run in a few processes that a
worker keeps for them; isolated tools in one process each; other tools in threads of the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.channels.killable import Pool, Process
from ponderd.channels.killable_process import Task
from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.agent import Agent, Tool
from ponderd.workers.agents.apart import CarriedOut, carry_out, prepare
from ponderd.workers.agents.author_calls import AuthorCall, UseTool, with_files
from ponderd.workers.agents.contained import Handle as Cancelling
from ponderd.workers.agents.contained import Outcome, Raised, Stopped, contained, handle
from ponderd.workers.execution.threads import in_thread

log = structlog.get_logger(__name__)

PROCESSES = 4
"""Processes of a worker for functions beside the tools. Each starts when it is first needed."""
PER_AGENT = 2
"""How many of them the functions of one agent may hold: those that hang hold up no other agent."""
START_RETRY = 2.0
"""Seconds until a process that could not be started is tried again."""
START_PATIENCE = 30.0
"""Seconds after which a step counts as failed if none can be started."""
MEGABYTE = 2**20
GRACE_SECONDS = 5
"""After its time, and this, a process whose worker is gone ends by itself."""
LONGEST_ALARM = 1e7
WATCH_SECONDS = 0.25
"""Between two looks at the memory that a process holds together with all that it started."""
WATCH_SLACK = 64 * MEGABYTE
"""How much more than its limit that may be: the process has its own limit, which is exact, but
knows neither shared memory nor what it started."""
LOGGED_LINES = 20
"""Lines of one call's output that are logged."""
LOGGED_CHARS = 500

Place = Callable[[Agent, UseTool], Awaitable[Outcome]]
"""Runs one call of a tool. One that is isolated is killed after its time; for others, whoever
waits looks at the time."""


class NoProcess(Unavailable):
    """No process can be started, for too long: the machine is full, or an agent's file ends each
    process that loads it."""


class AuthorCode(Protocol):
    """All methods raise NoProcess if no process can be had: nothing was begun."""

    async def call(self, agent: Agent, call: AuthorCall, seconds: float) -> Outcome:
        """Call a function beside the tools. It may be called twice."""
        ...

    def place_for(self, tool: Tool | None) -> AbstractAsyncContextManager[Place]:
        """Have ready what one call of `tool` needs, before anything of it is begun."""
        ...

    async def close(self) -> None: ...


def no_result_within(seconds: float) -> Stopped:
    return Stopped("time", f"no result within {seconds:g} s")


async def in_a_thread(agent: Agent, call: AuthorCall, seconds: float | None) -> Outcome:
    """Call it in a thread of the worker, which cannot be stopped: past its time it runs on, and
    its result is ignored. A coroutine is cancelled."""
    cancelling = Cancelling()
    token = handle.set(cancelling)
    try:
        working = in_thread(contained, call.run, agent)
        if seconds is None:
            return await working
        async with asyncio.timeout(seconds):
            return await working
    except TimeoutError:
        return no_result_within(seconds or 0)
    finally:
        cancelling.cancel()
        handle.reset(token)


async def in_thread_place(agent: Agent, call: UseTool) -> Outcome:
    """Runs a tool in a thread; whoever waits for it looks at the time."""
    return await in_a_thread(agent, call, None)


class InThreads:
    """Everything in threads: for tests, and for agents that no process could find again."""

    async def call(self, agent: Agent, call: AuthorCall, seconds: float) -> Outcome:
        return await in_a_thread(agent, call, seconds)

    @contextlib.asynccontextmanager
    async def place_for(self, tool: Tool | None) -> AsyncIterator[Place]:
        yield in_thread_place

    async def close(self) -> None:
        pass


class InProcesses(InThreads):
    """As the first lines of this file say. `memory` (bytes) is for each function."""

    def __init__(
        self,
        folders: Sequence[Path],
        settings: ChannelSettings,
        *,
        memory: int,
        isolated: int,
        waiting: int = 100_000,
    ) -> None:
        self._memory = memory
        absolute = [folder.absolute() for folder in folders]
        first = Task(60, prepare, (list(sys.path), absolute, settings))
        environment = dict(os.environ)

        def pool(processes: int, what: str) -> Pool:
            return Pool(
                processes,
                waiting,
                COMMAND,
                what,
                first=first,
                environment=environment,
                heard=_Heard(),
            )

        self._functions = pool(PROCESSES, "functions of agents")
        self._isolated = pool(isolated, "isolated tools")
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(PER_AGENT)
        )
        self._spares: set[asyncio.Task[None]] = set()

    async def call(self, agent: Agent, call: AuthorCall, seconds: float) -> Outcome:
        async with self._turns[agent.name], self._functions.turn(0):
            outcome, is_new = await self._ask_one(agent, call, seconds)
            if isinstance(outcome, Stopped) and not is_new and outcome.reason != "time":
                # Something before this call may have done it.
                outcome, _ = await self._ask_one(agent, call, seconds)
        if (isinstance(outcome, Raised) and not outcome.expected) or isinstance(outcome, Stopped):
            log.error("an agent's function failed", agent=agent.name, what=call.what, came=outcome)
        return outcome

    async def _ask_one(
        self, agent: Agent, call: AuthorCall, seconds: float
    ) -> tuple[Outcome, bool]:
        process = await _taken(self._functions)
        is_new = process.is_new
        try:
            return await _asked(process, agent, call, seconds, self._memory), is_new
        finally:
            await self._functions.put_back(process)

    @contextlib.asynccontextmanager
    async def place_for(self, tool: Tool | None) -> AsyncIterator[Place]:
        if tool is None or not tool.isolated:
            yield in_thread_place
            return
        async with self._isolated.turn(0):
            process = await _taken(self._isolated)

            async def run(agent: Agent, call: UseTool) -> Outcome:
                self._have_a_spare()
                return await _asked(process, agent, call, tool.timeout, tool.memory * MEGABYTE)

            try:
                yield run
            finally:
                await (self._isolated.put_back if process.is_new else Process.end)(process)

    def _have_a_spare(self) -> None:
        """Start the process of the next isolated tool while this one runs."""

        async def start() -> None:
            with contextlib.suppress(Unavailable):
                await self._isolated.spare()

        task = asyncio.create_task(start())
        self._spares.add(task)
        task.add_done_callback(self._spares.discard)

    async def close(self) -> None:
        for task in self._spares:
            task.cancel()
        await asyncio.gather(*self._spares, return_exceptions=True)
        await self._functions.close()
        await self._isolated.close()


_PROGRAM = "from ponderd.channels.killable_process import main; main(memory=None, niceness=0)"
COMMAND = (sys.executable, "-P", "-c", _PROGRAM, "ponderd.workers.agents.apart")


async def _taken(pool: Pool) -> Process:
    """A process, also if one can be started only after a while. Raises NoProcess."""
    until = time.monotonic() + START_PATIENCE
    while True:
        try:
            return await pool.take()
        except Unavailable as error:
            if time.monotonic() > until:
                raise NoProcess(f"no process can be started: {error}") from error
        await asyncio.sleep(START_RETRY)


async def _asked(
    process: Process, agent: Agent, call: AuthorCall, seconds: float, memory: int
) -> Outcome:
    """Have the call done in that process, which is ended if it does not come back as it was."""
    process.label = f"{agent.name}: {call.what}"
    longest = math.ceil(min(seconds, LONGEST_ALARM)) + GRACE_SECONDS
    task = Task(longest, carry_out, (agent.name, with_files(call, None), memory))
    watching = asyncio.create_task(_watch(process, memory))
    try:
        done = await process.ask(task, seconds)
    except TimeoutError:
        return no_result_within(seconds)
    except (EOFError, OSError):
        if watching.done():
            return Stopped("memory", f"it used more than {memory // MEGABYTE} MB")
        return Stopped("death", f"its process died: {await process.death()}")
    finally:
        watching.cancel()
    if not isinstance(done.result, CarriedOut):
        return Raised(f"it could not be carried out: {done.result}"[:500], done.kind, False, "")
    if not done.result.clean:
        await process.end()
    return done.result.outcome


async def _watch(process: Process, memory: int) -> None:
    """Kill it once it and all that it started hold more than `memory` bytes; then return."""
    most = process.memory_at_first + memory + WATCH_SLACK
    while process.memory_at_first:
        await asyncio.sleep(WATCH_SECONDS)
        if await asyncio.to_thread(process.memory) > most:
            process.kill()
            return
    await asyncio.Event().wait()


class _Heard:
    """Logs what is written in the processes, cut: at most so many lines for each call."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, int] = defaultdict(int)
        self._since = time.monotonic()

    def __call__(self, label: str, written: bytes) -> None:
        if time.monotonic() - self._since > 10:
            self._lines.clear()
            self._since = time.monotonic()
        left = LOGGED_LINES - self._lines[label]
        if left <= 0:
            return
        lines = written[: left * LOGGED_CHARS].decode("utf-8", "replace").splitlines()[:left]
        self._lines[label] += len(lines)
        for line in lines:
            log.info("written by an agent's code", by=label, line=line[:LOGGED_CHARS])
        if self._lines[label] >= LOGGED_LINES:
            log.info("more was written, which is not logged", by=label)
