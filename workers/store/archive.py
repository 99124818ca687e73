"""The archive, to which finished runs move: JSON lines, one file per run, in a folder or in
S3-compatible storage. A file holds the log of its run and nothing else, so the run can come back.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from ponderd.channels.errors import StartupError, Unavailable
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.contract import RunStore

if TYPE_CHECKING:
    from obstore.store import S3Store

ROUND = 60.0
"""Seconds between two rounds of archiving."""
BATCH = 100
"""Runs that are looked up at a time."""
TIMEOUT = 20
"""Seconds that one request to S3 may take, with all its attempts."""


class Archive(Protocol):
    """All methods raise `Unavailable` if the storage cannot be used."""

    async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
        """Store a log durably, then return.

        A stored log that begins with all of `log` is left as it is: a slow archiver must not undo
        the work of a faster one.
        """
        ...

    async def get(self, run_id: str) -> tuple[bytes, ...] | None:
        """The log of a run. None if it is not archived."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def open_archive(settings: WorkerSettings) -> Archive:
    """The archive that PONDERD_ARCHIVE names. Raises `StartupError` if its value is not valid."""
    place = settings.archive or str(settings.data_dir / "archive")
    if "://" not in place:
        return FolderArchive(Path(place).expanduser())
    url = urlsplit(place)
    if url.scheme != "s3" or not url.netloc or url.query or url.fragment:
        raise StartupError(
            f"PONDERD_ARCHIVE: {place!r} is neither a folder nor s3://bucket/prefix", exit_code=2
        )
    return S3Archive(url.netloc, url.path.strip("/"))


async def archive_finished(
    store: RunStore, archive: Archive, *, keep: float, now: float, limit: int
) -> int:
    """Archive and expire runs that finished more than `keep` seconds before `now` (Unix seconds).

    Takes at most `limit` runs, oldest first. Returns how many expired. Any number of workers may do
    this at the same time. If one crashes between the two steps, a run is in both places; the next
    round repeats them. A run that gets a message in between does not expire.
    """
    expired = 0
    for run_id in await store.finished(now - keep, limit):
        log = await store.load(run_id)
        if log:
            await archive.put(run_id, log)
            expired += await store.expire(run_id, len(log))
    return expired


async def archive_round(store: RunStore, archive: Archive, *, owner: str, keep_days: float) -> None:
    """Archive whatever is old enough. Every worker calls this every `ROUND` seconds.

    Only the first of them in a round does it; the others would repeat the same work.
    """
    if keep_days == 0 or await store.remember("archiving", owner, ROUND * 0.9) != owner:
        return
    more = True
    while more:
        expired = await archive_finished(
            store, archive, keep=keep_days * 24 * 3600, now=time.time(), limit=BATCH
        )
        more = expired == BATCH


class FolderArchive:
    """Files in a folder. With several hosts it must be a shared one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
        await asyncio.to_thread(self._put, self._folder / _path(run_id), _encode(log))

    async def get(self, run_id: str) -> tuple[bytes, ...] | None:
        if not _is_run_id(run_id):
            return None
        return _decode(await asyncio.to_thread(self._read, self._folder / _path(run_id)))

    async def close(self) -> None:
        pass

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(error) from error

    def _put(self, path: Path, content: bytes) -> None:
        if _includes(self._read(path), content):
            return
        try:
            if not self._folder.exists():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _fsync(self._folder.parent)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Write, fsync, rename: a reader sees a whole file or none, even after a power failure.
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                try:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            for folder in (path.parent, path.parent.parent, self._folder):  # their new names, too
                _fsync(folder)
        except OSError as error:
            raise _unusable(error) from error


class S3Archive:
    """Objects in an S3 bucket. Credentials, region and endpoint come from AWS_* variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._prefix = prefix
        self._store = _s3_store(bucket)

    async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
        from obstore.exceptions import BaseError

        path, content = self._path(run_id), _encode(log)
        if _includes(await self._read(path), content):
            return
        try:
            await self._store.put_async(path, content)
        except (BaseError, OSError) as error:
            raise _unusable(error) from error

    async def get(self, run_id: str) -> tuple[bytes, ...] | None:
        return _decode(await self._read(self._path(run_id))) if _is_run_id(run_id) else None

    async def close(self) -> None:
        pass

    async def _read(self, path: str) -> bytes | None:
        from obstore.exceptions import BaseError

        try:
            found = await self._store.get_async(path)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unusable(error) from error

    def _path(self, run_id: str) -> str:
        return "/".join(filter(None, (self._prefix, _path(run_id))))


def _s3_store(bucket: str) -> S3Store:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    plain = endpoint.startswith("http://")
    try:
        return S3Store(
            bucket,
            client_options={"timeout": f"{TIMEOUT}s", "allow_http": plain},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT)},
        )
    except BaseError as error:
        raise StartupError(f"PONDERD_ARCHIVE: {error}") from error


def _is_run_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{2}-[0-9a-z]+-[0-9a-z]+", text) is not None


def _path(run_id: str) -> str:
    """Path of a run's file, in one of 4,096 folders: by shard, then by the random end of its id.

    Raises ValueError for anything but a run id, which could name a file outside the archive.
    """
    if not _is_run_id(run_id):
        raise ValueError(f"{run_id!r} is not a run id")
    return f"{run_id[:2]}/{run_id[-2:]}/{run_id}.jsonl"


def _encode(log: tuple[bytes, ...]) -> bytes:
    if any(b"\n" in event for event in log):
        raise ValueError("an event must be one line")
    return b"".join(event + b"\n" for event in log)


def _decode(content: bytes | None) -> tuple[bytes, ...] | None:
    return None if content is None else tuple(content.split(b"\n")[:-1])


def _includes(kept: bytes | None, content: bytes) -> bool:
    # Logs only grow. So a stored one that begins with `content` is the same or newer.
    return kept is not None and kept.startswith(content)


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(f"the archive cannot be used: {str(error).partition(chr(10))[0]}")
