"""A PostgreSQL of the benchmarks' own, on loopback, in a folder that goes when it stops."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.ports import free_port

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "fsync": "on",
    "synchronous_commit": "on",
}
"""More memory and connections than by default, as a database of one's own would have; the rest,
above all what makes it durable, is as it comes."""


class Missing(Exception):
    """Something that a peer needs is not on this machine."""


@dataclass
class Postgres:
    binaries: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def query(self, sql: str) -> str:
        """What `psql` prints, columns separated by `|`. Raises CalledProcessError."""
        command = (self.binaries / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d")
        return subprocess.run(
            [*command, self.url, "-c", sql], check=True, capture_output=True, text=True
        ).stdout.strip()


def find_binaries() -> Path:
    """Raises `Missing`."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian's place
    if not packaged:
        raise Missing("PostgreSQL is not installed")
    return packaged[-1].parent


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """Raises `Missing`."""
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="ponderd-postgres-", ignore_cleanup_errors=True) as top:
        whose = _unprivileged(Path(top))
        data = Path(top) / "data"
        initialise = (binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust")
        subprocess.run(
            [*initialise, "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=top,
            **whose,
        )
        port = free_port()
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with (Path(top) / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, f"--port={port}", *options],
                stdout=log,
                stderr=log,
                cwd=top,
                **whose,
            )
        try:
            ready = (binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port))
            while subprocess.run(ready, check=False).returncode:
                if process.poll() is not None:
                    raise Missing(f"PostgreSQL does not start: {(Path(top) / 'log').read_text()}")
            yield Postgres(binaries, port, process)
        finally:
            process.send_signal(signal.SIGINT)  # "fast": ends the sessions
            process.wait(30)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Missing("PostgreSQL refuses to run as root, and there is no other user to run it")
