"""Read the files of a mail, in a process beside the one that reads the mail.

A file may take too long or too much memory, or end the process that reads it. Then that file is not
read, and the mail and its other files are.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ponderd.channels.mail.content import File, with_text

SECONDS = 6.0
"""How long the reading of all files of a mail may take."""
_ENOUGH = 0.6
"""Part of the time after which a long document ends with the page that is being read."""

_LENGTH_BYTES = 8
_TOO_LONG = "it takes too long to read"
_FATAL = "it stops whatever reads it"

Reader = Callable[[File, Callable[[], bool]], File]


def read_files(
    files: Sequence[File], seconds: float = SECONDS, read: Reader = with_text
) -> tuple[File, ...]:
    """The files with their texts, or with the reasons why they have none.

    Forks, so the process must have one thread only.
    """
    deadline = time.monotonic() + seconds
    done: list[File] = []
    while len(done) < len(files):
        rest = files[len(done) :]
        if time.monotonic() >= deadline:
            done += [replace(file, unread=_TOO_LONG) for file in rest]
            break
        found, died = _read_apart(rest, deadline, seconds, read)
        done += found
        if died:  # at the file after those
            why = _TOO_LONG if time.monotonic() >= deadline else _FATAL
            done.append(replace(rest[len(found)], unread=why))
    return tuple(done)


def _read_apart(
    files: Sequence[File], deadline: float, seconds: float, read: Reader
) -> tuple[list[File], bool]:
    """Read files in a child. Returns those that it could read, and whether it ended before the
    last one."""
    end, begin = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end)
            signal.alarm(int(seconds) + 2)  # should the parent be gone
            stop_at = deadline - (1 - _ENOUGH) * seconds
            with os.fdopen(begin, "wb") as pipe:
                for file in files:
                    found = read(file, lambda: time.monotonic() > stop_at)
                    # The content goes nowhere: the parent has it.
                    said = pickle.dumps((found.text, found.unread))
                    pipe.write(len(said).to_bytes(_LENGTH_BYTES, "big") + said)
                    pipe.flush()
        finally:
            os._exit(0)
    os.close(begin)
    done: list[File] = []
    try:
        for file in files:
            answer = _answer(end, deadline)
            if answer is None:
                return done, True
            text, unread = answer
            done.append(replace(file, text=text, unread=unread))
        return done, False
    finally:
        os.close(end)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _answer(end: int, deadline: float) -> Any:
    """What the child says of one file. None: it says nothing, or not in time."""
    length = _read_exactly(end, _LENGTH_BYTES, deadline)
    said = _read_exactly(end, int.from_bytes(length, "big"), deadline) if length else b""
    return pickle.loads(said) if said else None


def _read_exactly(end: int, size: int, deadline: float) -> bytes:
    """Empty if there is less, or not in time."""
    data = bytearray()
    while len(data) < size:
        ready, _, _ = select.select([end], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(end, size - len(data)) if ready else b""
        if not chunk:
            return b""
        data += chunk
    return bytes(data)
