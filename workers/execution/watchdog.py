"""Ends a worker whose loop stands still, so that it is started again and its runs go on.

A tool in a thread may keep the interpreter for itself: a regular expression that never ends, C code
that does not release the lock. Then nothing of the worker runs any more, not even what stops it at
SIGTERM, so a process of its own watches it. A worker that was stopped (SIGSTOP) is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import subprocess
import sys

import structlog

log = structlog.get_logger(__name__)

BEAT = 0.5
"""Seconds between two signs of life."""

SHORTEST_PATIENCE = 10.0
"""Seconds. Machines that are busy make a loop wait, too."""

_TOLD = signal.SIGUSR2
"""Makes the worker write where each of its threads is. It needs no interpreter for that."""

_PROGRAM = """
import os, select, signal, sys, time

parent, seconds, told = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)

def stopped():
    try:
        with open(f"/proc/{parent}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False

silent, pipe = 0.0, [0]
while os.getppid() == parent:
    # Counted in steps: neither a suspended machine nor a frozen container is a silent worker.
    if pipe and select.select(pipe, [], [], 0.5)[0]:
        silent, pipe = 0.0, pipe if os.read(0, 4096) else []
        continue
    if not pipe:
        time.sleep(0.5)
    silent = 0.0 if stopped() else silent + 0.5
    if silent >= seconds:
        os.write(2, f"the worker stood still for {silent:g} s and is ended; it did:\\n".encode())
        os.kill(parent, told)
        time.sleep(1)
        os.kill(parent, signal.SIGKILL)
"""


class Watchdog:
    """Watches this process from the first `beat` on. `seconds`: how long it may be silent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, SHORTEST_PATIENCE)
        self._process: subprocess.Popen[bytes] | None = None

    async def watch(self) -> None:
        """Give signs of life for as long as the loop runs. Never returns."""
        while True:
            self._beat()
            await asyncio.sleep(BEAT)

    def _beat(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                os.write(self._process.stdin.fileno(), b".")

    def _started(self) -> subprocess.Popen[bytes] | None:
        """None if no process can be started now."""
        faulthandler.register(_TOLD, file=2, all_threads=True)
        numbers = map(str, (os.getpid(), self._seconds, int(_TOLD)))
        try:
            started = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *numbers], stdin=subprocess.PIPE
            )
        except OSError as error:
            log.warning("nothing watches this worker", error=str(error))
            return None
        assert started.stdin is not None
        os.set_blocking(started.stdin.fileno(), False)
        return started
