"""All that a process started, also what left its session, and the memory that they take together.

Linux tells it in /proc. Elsewhere nothing is known, and nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

ROUNDS = 20
"""How often is looked for what was started while the others were being killed."""
_PR_SET_CHILD_SUBREAPER = 36
_HELD = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")


def adopt_orphans() -> None:
    """From now on, what a process that this one started leaves behind becomes a child of this
    one, so that it is found."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[int]:
    """Those that live, in the order of their generations."""
    found, generation = list[int](), [pid]
    while generation:
        generation = [child for parent in generation for child in _children(parent)]
        found += generation
    return [one for one in found if not _is_over(one)]


def kill_descendants(pid: int) -> None:
    """Kill all that a process started. Stops it first, so that it starts no more: kill it next."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)
    for _ in range(ROUNDS):
        living = descendants(pid)
        if not living:
            return
        for one in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)


def memory_held(pid: int) -> int:
    """Bytes that it and its descendants hold besides what files give back. What they share counts
    once. 0 where the system does not say."""
    return sum(_memory(one) for one in (pid, *descendants(pid)))


def _children(pid: int) -> list[int]:
    children = list[int]()
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return children


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in (b"Z", b"X", b"")
    except OSError:
        return True


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(_HELD))
