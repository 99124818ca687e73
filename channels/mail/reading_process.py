"""The process that reads mails of strangers. reading.py starts it.

It takes one task after the other from its standard input and answers on its standard output, each
a length and a pickle. It has a limit of memory, and of time for each task, and ends with whoever
started it.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from typing import BinaryIO, Literal, NamedTuple

from ponderd.channels.errors import Refused
from ponderd.channels.mail.content import Content, File, read_content, with_text
from ponderd.channels.mail.text.quotation import Thread

MEMORY = 1024**3
"""Bytes that the process may take, where the system can limit that."""
NICENESS = 5
"""How far it stands back behind the daemon, which answers everybody else."""

LENGTH_BYTES = 8


class MailTask(NamedTuple):
    """Read a mail within so many seconds; the process kills itself if nobody else does."""

    seconds: int
    content: bytes
    thread: Thread


class FileTask(NamedTuple):
    """Read a file of a mail, likewise. After `enough` seconds, a long document ends with the page
    that is being read."""

    seconds: int
    file: File
    enough: float


Task = MailTask | FileTask


class TaskResult(NamedTuple):
    """What came of a task: what was read, why it is refused, or which fault of ours it met."""

    kind: Literal["read", "refused", "memory", "fault"]
    result: Content | File | Refused | str | None


def answer(task: Task) -> TaskResult:
    try:
        match task:
            case MailTask():
                return TaskResult("read", read_content(task.content, task.thread))
            case FileTask():
                stop_at = time.monotonic() + task.enough
                read = with_text(task.file, lambda: time.monotonic() > stop_at)
                # The content goes nowhere: whoever asks has it.
                return TaskResult("read", replace(read, content=b""))
    except Refused as error:
        return TaskResult("refused", error)
    except MemoryError:
        return TaskResult("memory", None)
    except Exception:
        return TaskResult("fault", traceback.format_exc(limit=-5)[-2_000:])


def packed(message: object) -> bytes:
    """`message` as it goes through a pipe."""
    data = pickle.dumps(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which ends us
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit()
    _serve(sys.stdin.buffer, answers)


def _serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    answers.write(packed("ready"))
    answers.flush()
    while length := tasks.read(LENGTH_BYTES):
        task: Task = pickle.loads(tasks.read(int.from_bytes(length, "big")))
        signal.alarm(task.seconds)  # its default is to end the process, whatever it is doing
        reply = packed(answer(task))
        signal.alarm(0)
        del task
        try:
            answers.write(reply)
            answers.flush()
        except BrokenPipeError:  # nobody waits for it any more
            os._exit(0)


def _limit() -> None:
    os.nice(NICENESS)
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CORE):
        size = MEMORY if kind == resource.RLIMIT_DATA else 0
        try:
            resource.setrlimit(kind, (size, size))
        except (ValueError, OSError):
            pass  # macOS knows the name and no such limit
