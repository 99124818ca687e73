"""Free ports on loopback, each for one test process alone.

A port that was got by binding to 0 may be given to another process before anybody listens on it, as
the near end of an outgoing connection, for instance. So ours lie below the range from which kernels
give, and a lock file keeps each for the process that drew it, until that ends."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 12_000, 31_999
"""Linux gives away 32768 to 60999 by default, macOS 49152 to 65535."""

_FOLDER = Path(tempfile.gettempdir()) / f"ponderd-test-ports-{os.getuid()}"
_drawn: dict[int, int] = {}
"""Port -> the descriptor of its lock."""


def free_port() -> int:
    """One that nobody listens on, and that no other test process will be given."""
    _FOLDER.mkdir(exist_ok=True)
    ports = range(FIRST, LAST + 1)
    start = random.SystemRandom().randrange(len(ports))  # processes begin at different places
    for port in (*ports[start:], *ports[:start]):
        if port not in _drawn and _lock(port):
            if _is_free(port):
                return port
            os.close(_drawn.pop(port))
    raise RuntimeError("no port is free")


def _lock(port: int) -> bool:
    descriptor = os.open(_FOLDER / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _drawn[port] = descriptor
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
