"""The inside of a process that calls what agents' authors wrote. author_code.py sends the calls."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ponderd.channels.blobs import Blobs, open_blobs
from ponderd.channels.descendants import adopt_orphans, descendants
from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.author_calls import AuthorCall, with_files
from ponderd.workers.agents.contained import Outcome, Raised, Stopped, contained
from ponderd.workers.agents.discovery import loadable

_agents: dict[str, Agent] = {}
_settings: list[ChannelSettings] = []
_problems: list[str] = []
"""Why an agent's file could not be loaded."""

_PR_SET_PDEATHSIG = 1


class CarriedOut(NamedTuple):
    """What came of a call, and whether the process is as it was before it."""

    outcome: Outcome
    clean: bool


def prepare(path: Sequence[str], folders: Sequence[Path], settings: ChannelSettings) -> None:
    """Load the agents, as the worker did. One that cannot be loaded any more stops no other."""
    _die_with_the_worker()
    adopt_orphans()
    sys.path[:] = path
    _settings[:] = [settings]
    agents, problem = loadable(folders)
    _agents.update(agents)
    _problems[:] = [problem]


def carry_out(agent: str, call: AuthorCall, memory: int) -> CarriedOut:
    """Call it with at most `memory` bytes besides what the agents take by themselves."""
    if agent not in _agents:
        why = f"the agent {agent} cannot be loaded any more: {_problems[0] or 'its file is gone'}"
        return CarriedOut(Raised(why, "StartupError", False, ""), True)
    before = _traces()
    took = _memory()
    _limit_memory(took and took + memory)
    outcome: Outcome = contained(lambda: with_files(call, _content).run(_agents[agent]))
    _limit_memory(None)
    if isinstance(outcome, Raised) and outcome.kind == MemoryError.__name__:
        outcome = Stopped("memory", f"it used more than {memory // 2**20} MB")
    return CarriedOut(outcome, _traces() == before and _memory() < took + memory // 2)


async def _content(handle: str) -> bytes:
    return await _blobs().get(handle)


@lru_cache(maxsize=1)
def _blobs() -> Blobs:
    return open_blobs(_settings[0])


def _traces() -> tuple[object, ...]:
    """What a call may leave behind that the next one would meet."""
    return (
        threading.active_count(),
        descendants(os.getpid()),
        _folder(),
        sys.getrecursionlimit(),
        signal.getsignal(signal.SIGALRM),
        [_is_open(number) for number in range(3)],
    )


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _memory() -> int:
    """Bytes of data that the process has. 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _limit_memory(most: int | None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (most or hard, hard))
    except (ValueError, OSError):
        pass  # macOS knows the name and no such limit


def _die_with_the_worker() -> None:
    """Where the system can do it (Linux): nothing of a worker that was killed goes on here."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
