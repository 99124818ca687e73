"""Read files that people sent, beside the event loop, within limits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from ponderd.channels.documents import File, with_text
from ponderd.channels.killable import COMMAND, Pool
from ponderd.channels.killable_process import TaskResult

SECONDS = 10
"""How long the reading of one file may take."""
FILES_SECONDS = 20
"""How long the reading of all files of a message may take. What is not read by then is named."""
PROCESSES = 2
"""Files that are read at the same time."""
WAITING = 50
"""Files that may wait for their turn."""
_ENOUGH = 0.6
"""Part of its time after which a long document ends with the page that is being read."""

log = structlog.get_logger(__name__)


class FileReader:
    """Reads files in processes of their own. What one costs, it costs itself alone."""

    def __init__(
        self,
        *,
        seconds: int = SECONDS,
        files_seconds: int = FILES_SECONDS,
        processes: int = PROCESSES,
        waiting: int = WAITING,
        command: Sequence[str] = (*COMMAND, "ponderd.channels.documents"),
    ) -> None:
        self._seconds = seconds
        self._files_seconds = files_seconds
        self._pool = Pool(processes, waiting, command, "files")

    async def read(self, files: Sequence[File]) -> tuple[File, ...]:
        """The files of one message, each with its text, or with the reason why it has none. Raises
        Unavailable if too many wait to be read."""
        left: float = self._files_seconds
        read = []
        for file in files:
            if file.text is None and not file.unread:
                file, took = await self._with_text(file, left)
                left -= took
            read.append(file)
        return tuple(read)

    async def _with_text(self, file: File, left: float) -> tuple[File, float]:
        """The file as it was read, or why it was not, and the seconds that it took."""
        if left <= 0:
            return replace(file, unread="the files before it took too long to read"), 0
        seconds = min(self._seconds, left)
        async with self._pool.turn(len(file.content)):
            began = time.monotonic()
            try:
                answer = await self._pool.ask(seconds, read_file, file, _ENOUGH * seconds)
                read = _file(answer, file)
            except TimeoutError:
                read = replace(file, unread="it takes too long to read")
            except (EOFError, OSError):
                read = replace(file, unread="it stops whatever reads it")
            return read, time.monotonic() - began

    async def close(self) -> None:
        """End all processes. What is being read is given up by whoever asked for it."""
        await self._pool.close()


def read_file(file: File, enough: float) -> File:
    """The file with its text. After `enough` seconds, a long document ends with the page that is
    being read."""
    stop_at = time.monotonic() + enough
    read = with_text(file, lambda: time.monotonic() > stop_at)
    # The content goes nowhere: whoever asks has it.
    return replace(read, content=b"")


def _file(answer: TaskResult, file: File) -> File:
    match answer.kind, answer.result:
        case "done", File() as read:
            return replace(file, text=read.text, unread=read.unread)
        case "memory", _:
            return replace(file, unread="it takes too much memory to read")
        case _:
            log.error("a file could not be read", error=answer.result)
            return replace(file, unread="ponderd has a fault in reading it")
