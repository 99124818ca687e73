"""The process that reads what strangers send. killable.py starts it.

It takes one task after the other from its standard input and answers on its standard output, each
a length and a pickle. Its arguments name modules that it has ready. It has a limit of memory, and
of time for each task, and ends with whoever started it.
"""

from __future__ import annotations

import importlib
import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import BinaryIO, Literal, NamedTuple

from ponderd.channels.errors import Refused

MEMORY = 1024**3
"""Bytes that the process may take, where the system can limit that."""
NICENESS = 5
"""How far it stands back behind the daemon, which answers everybody else."""

LENGTH_BYTES = 8


class Task(NamedTuple):
    """Call `work`, a function of a module, within so many seconds; the process kills itself if
    nobody else does."""

    seconds: int
    work: Callable[..., object]
    arguments: tuple[object, ...]


class TaskResult(NamedTuple):
    """What came of a task: its result, why it is refused, or which fault of ours it met."""

    kind: Literal["done", "refused", "memory", "fault"]
    result: object


def answer(task: Task) -> TaskResult:
    try:
        return TaskResult("done", task.work(*task.arguments))
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


def main(memory: int | None = MEMORY, niceness: int = NICENESS) -> None:
    """Serve tasks until whoever started this is gone. `memory` in bytes; None: no limit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which ends us
    # Whatever a library reads or prints must not get between the tasks and the answers.
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    _limit(memory, niceness)
    _serve(tasks, answers)


def _serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    answers.write(packed("ready"))
    answers.flush()
    process = os.getpid()
    while length := tasks.read(LENGTH_BYTES):
        task: Task = pickle.loads(tasks.read(int.from_bytes(length, "big")))
        signal.alarm(task.seconds)  # its default is to end the process, whatever it is doing
        reply = packed(answer(task))
        if os.getpid() != process:  # the task made a copy of the process, which answers nothing
            os._exit(0)
        signal.alarm(0)
        del task
        try:
            answers.write(reply)
            answers.flush()
        except BrokenPipeError:  # nobody waits for it any more
            os._exit(0)


def _limit(memory: int | None, niceness: int) -> None:
    os.nice(niceness)
    for kind, size in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        if size is None:
            continue
        try:
            resource.setrlimit(kind, (size, size))
        except (ValueError, OSError):
            pass  # macOS knows the name and no such limit
