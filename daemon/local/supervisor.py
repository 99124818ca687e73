"""Run the services of `ponderd up` in the foreground until Ctrl-C.

Once all have been ready, a service that dies and may be restarted is, for ever, each time after a
longer pause: what made it die (a full disk, say) may pass. So is one that a signal kills before. If
any other one dies, everything stops with one clear line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ponderd.channels.errors import StartupError
from ponderd.daemon.local.processes import Children, how_it_ended, kill_group, stop_leftover

POLL = 0.05
"""Seconds between two looks at a process."""
PATIENCE = 180.0
"""Seconds that a service may take to become ready."""
BEGINNINGS = 3
"""How often a run is begun that ends its worker, until it is set aside."""
FIRST_PAUSE = 0.5
"""Seconds before a service is started again. After each further death within `LONG_LIFE`, twice as
many."""
LONGEST_PAUSE = 30.0
"""Most seconds of such a pause."""
LONG_LIFE = 60.0
"""Seconds after which a service that dies is healthy again: its next pause is the first one."""
HURRIED_GRACE = 5.0
"""Seconds from a second SIGTERM to SIGKILL."""
LEFTOVER_GRACE = 20.0
"""Most seconds that a process from an earlier start gets to end."""
WRITE_CHECK = 5.0
"""Seconds between two checks that the state server can still write."""


async def always_ready() -> str | None:
    """No problem: what a service without a check of its own reports."""
    return None


@dataclass(frozen=True, slots=True)
class Service:
    """One child process."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    problem: Callable[[], Awaitable[str | None]] = always_ready
    """Returns why the service is not ready yet, None if it is."""
    after: tuple[str, ...] = ()
    """It starts only when the services with these names are ready."""
    grace: float = 10
    """Seconds from SIGTERM to SIGKILL."""
    patient: bool = False
    """A second Ctrl-C does not shorten its grace."""
    finishes: str = ""
    """What it finishes first when it is told to stop, if that may take long."""
    restarts: bool = False
    """It is restarted if it dies. Otherwise its death stops everything."""
    advice: str = "start again"
    """What a person should do if it dies."""


class Supervisor:
    """Runs `services` until a signal comes (`run` returns) or one is lost for good (it raises).

    Calls `when_ready` once all are ready, and `write_problem` every few seconds from then on.
    """

    def __init__(
        self,
        services: tuple[Service, ...],
        data_dir: Path,
        console: Console,
        *,
        when_ready: Callable[[], None],
        write_problem: Callable[[], Awaitable[str | None]] = always_ready,
    ) -> None:
        self._services = services
        self._console = console
        self._when_ready = when_ready
        self._write_problem = write_problem
        self._children = Children(data_dir)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ready = {service.name: asyncio.Event() for service in services}
        self._all_ready = False
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stopped_at = 0.0

    def end_leftovers(self) -> None:
        """End the processes that a killed `up` left running, in the order of a normal stop."""
        grace = {service.name: service.grace for service in self._services}
        for name, process in reversed(self._children.leftovers()):
            self._say(f"ending the {name} (PID {process.pid}) that an earlier start left running")
            stop_leftover(process, min(grace.get(name, 10), LEFTOVER_GRACE))

    async def run(self) -> None:
        """Run until stopped. Raises `StartupError` if a service does not start or stay alive."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        tasks = [asyncio.create_task(self._keep(service)) for service in self._services]
        tasks += [asyncio.create_task(self._become_ready(service)) for service in self._services]
        tasks += [asyncio.create_task(self._watch()), asyncio.create_task(self._until_stopped())]
        try:
            pending = set(tasks)
            while not self._stopping.is_set():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()

    async def _keep(self, service: Service) -> None:
        """Start the service, and again if it dies and may be restarted. Never returns."""
        pause, early = FIRST_PAUSE, 0
        for name in service.after:
            await self._ready[name].wait()
        while True:
            began = time.monotonic()
            code, how = 1, ""
            try:
                process = self._start(service)
            except OSError as error:  # no memory, no process, no file more
                how = f"cannot be started: {error}"
            else:
                while process.poll() is None:  # noqa: ASYNC110 - a process has no event
                    await asyncio.sleep(POLL)
                code = process.returncode
                how = f"died ({how_it_ended(code)})"
            log = self._children.log(service.name)
            early += 1
            last = self._children.last_line(service.name) if code > 0 else ""
            if not self._all_ready and not (service.restarts and _may_be_a_run(code, last, early)):
                why = f": {last}" if code > 0 else ""
                raise StartupError(
                    f"the {service.name} does not start ({how_it_ended(code)}){why} (log: {log})",
                    exit_code=2 if code == 2 else 1,
                )
            line = f"the {service.name} {how}; its log: {log}"
            if not service.restarts:
                raise StartupError(f"{line}; {service.advice}")
            if time.monotonic() - began > LONG_LIFE:
                pause = FIRST_PAUSE
            self._say(f"{line}; restarting it in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _start(self, service: Service) -> subprocess.Popen[bytes]:
        """Raises OSError if that fails once all have been ready, and `StartupError` before."""
        try:
            process = self._children.start(service.name, service.command, service.environment)
        except OSError as error:
            if self._all_ready:
                raise
            raise StartupError(f"the {service.name} cannot be started: {error}") from error
        self._processes[service.name] = process
        return process

    async def _become_ready(self, service: Service) -> None:
        for name in service.after:
            await self._ready[name].wait()
        deadline = time.monotonic() + PATIENCE
        problem: str | None = "it was not started"
        while service.name not in self._processes or (problem := await service.problem()):
            if time.monotonic() > deadline:
                raise StartupError(
                    f"the {service.name} is not ready after {PATIENCE:.0f} s: {problem} "
                    f"(log: {self._children.log(service.name)})"
                )
            await asyncio.sleep(POLL)
        self._ready[service.name].set()

    async def _watch(self) -> None:
        """Show which services are still starting. Then watch that the state server can write."""
        names = [service.name for service in self._services]
        with contextlib.ExitStack() as stack:
            status = None
            if self._console.is_terminal:
                status = stack.enter_context(self._console.status("starting"))
            else:
                self._say(f"starting {', '.join(names)}")
            while waiting := [name for name in names if not self._ready[name].is_set()]:
                if status is not None:
                    status.update(f"waiting for {', '.join(waiting)}")
                await asyncio.sleep(POLL)
        self._all_ready = True
        self._when_ready()
        before = None
        while True:
            await asyncio.sleep(WRITE_CHECK)
            self._children.save()
            problem = await self._write_problem()
            if problem != before:
                self._say(
                    f"{problem} No message is accepted until then"
                    if problem
                    else "the state server takes messages again"
                )
            before = problem

    async def _until_stopped(self) -> None:
        await self._stopping.wait()

    def _on_signal(self, number: signal.Signals) -> None:
        if not self._stopping.is_set():
            self._stopped_at = time.monotonic()
            self._stopping.set()
        # Some parents pass on the signal that the terminal sends anyway: not a second Ctrl-C.
        elif number is not signal.SIGHUP and time.monotonic() - self._stopped_at > 0.5:
            self._hurry.set()

    async def _stop_all(self) -> None:
        """Stop in reverse order: first the daemon, which takes messages, the servers last."""
        alive = [s for s in reversed(self._services) if self._is_running(s.name)]
        if alive:
            self._say(f"stopping {', '.join(service.name for service in alive)}")
        for service in alive:
            await self._stop(service)
            self._children.forget(service.name)

    async def _stop(self, service: Service) -> None:
        process, began, hurried, told = (
            self._processes[service.name],
            time.monotonic(),
            False,
            False,
        )
        process.terminate()
        deadline = began + service.grace
        while process.poll() is None:
            now = time.monotonic()
            if self._hurry.is_set() and not (service.patient or hurried):
                hurried, deadline = True, now + HURRIED_GRACE
                process.terminate()
            if now > deadline:
                kill_group(process.pid)
                process.wait()
            if service.finishes and now > began + 1 and not (told or hurried):
                told = True
                self._say(
                    f"the {service.name} finishes {service.finishes}, for at most "
                    f"{service.grace:.0f} s; Ctrl-C again cuts that short"
                )
            await asyncio.sleep(POLL)

    def _is_running(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the disk of standard error is full, or nobody reads it
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)


def _may_be_a_run(code: int, last_line: str, times: int) -> bool:
    """Whether what an earlier start left to do may have ended a worker. Else it is a setting or a
    file that is wrong, which our own words or a second and third try tell."""
    if code not in (1, 2):  # with these a worker ends that cannot start
        return True
    return not last_line.startswith("ponderd: ") and times <= BEGINNINGS
