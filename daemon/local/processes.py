"""The child processes of `ponderd up`: start them with a log file each, stop them, remember them.

Every child leads a session of its own. So Ctrl-C reaches only the supervisor, which stops the
children in order. Their ids are kept in a file: if `up` is killed, its children keep running, and
the next `up` ends them before it starts its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypedDict

import psutil

from ponderd.channels.errors import StartupError

LOG_LIMIT = 20_000_000
"""Bytes of a log file. If it is larger, the next start renames it and begins a new one."""


class _Entry(TypedDict):
    name: str
    pid: int
    created: float


class Children:
    """The processes of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "logs"
        self._file = data_dir / "processes.json"
        self._entries: dict[str, _Entry] = {}
        self._unsaved = False

    def log(self, name: str) -> Path:
        return self._folder / f"{name.replace(' ', '-')}.log"

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Raises OSError if the process cannot be begun. It runs without a log, and is remembered
        later, if the disk is full."""
        with self._log_for_writing(name) as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            created = psutil.Process(process.pid).create_time()
            self._entries[name] = {"name": name, "pid": process.pid, "created": created}
        self._unsaved = True
        self.save()
        return process

    def forget(self, name: str) -> None:
        self._entries.pop(name, None)
        self._unsaved = True
        self.save()

    def leftovers(self) -> list[tuple[str, psutil.Process]]:
        """The processes that a killed `up` left running here, in the order of their start."""
        try:
            entries: list[_Entry] = json.loads(self._file.read_bytes())
        except (FileNotFoundError, ValueError):
            return []
        found = []
        for entry in entries:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(entry["pid"])
                # Process ids are reused. The time of creation shows whether it is still ours.
                if abs(process.create_time() - entry["created"]) < 1 and is_alive(process):
                    found.append((entry["name"], process))
        return found

    def last_line(self, name: str) -> str:
        """The last line of its log that is not blank. "" if there is none."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(0, self.log(name).stat().st_size - 4096))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def save(self) -> None:
        """Write the file, unless it holds everything. If that fails now, a later call does it."""
        if self._unsaved:
            temporary = self._file.with_suffix(".new")
            with contextlib.suppress(OSError):
                temporary.write_text(json.dumps(list(self._entries.values())))
                temporary.replace(self._file)
                self._unsaved = False

    def _log_for_writing(self, name: str) -> BinaryIO:
        log = self.log(name)
        try:
            self._folder.mkdir(exist_ok=True)
            if log.exists() and log.stat().st_size > LOG_LIMIT:
                log.replace(log.with_suffix(".log.1"))
            return log.open("ab")
        except OSError:
            return Path(os.devnull).open("ab")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop_leftover(process: psutil.Process, grace: float) -> None:
    """Send SIGTERM, and SIGKILL to the whole group if it is still alive after `grace` seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        deadline = time.monotonic() + grace
        while is_alive(process):
            if time.monotonic() > deadline:
                kill_group(process.pid)
                return
            time.sleep(0.05)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Allow one `ponderd up` per data folder. Raises `StartupError` in the second.

    The kernel drops the lock when the process ends, however it ends.
    """
    with (data_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StartupError(
                f"another `ponderd up` (PID {file.read().strip() or 'unknown'}) uses {data_dir}; "
                "stop it, or set PONDERD_DATA_DIR to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def require_free_port(host: str, port: int, variable: str) -> None:
    """Raises `StartupError` if we cannot listen on `port`. `variable` is the setting to change."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise StartupError(
            f"cannot listen on {host}: {error.strerror}; set PONDERD_HOST"
        ) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise StartupError(
                f"cannot listen on {host} port {port}: {error.strerror}; set PONDERD_HOST "
                f"or {variable}"
            ) from error
        raise StartupError(
            f"port {port} is in use{_by_whom(port)}; stop that program, or set {variable}"
        ) from error


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 on which nobody listens now. All are probed at once, so they differ."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"killed by {name}, perhaps out of memory" if name == "SIGKILL" else f"ended by {name}"


def _by_whom(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid is not None and connection.laddr[1:2] == (port,):
                return f" by {psutil.Process(connection.pid).name()} (PID {connection.pid})"
    return ""
