"""The archive, to which finished runs move: JSON lines, one file per run, in a folder or in
S3-compatible storage. A file holds the log of its run and nothing else, so the run can come back.

The logs of runs that sleep are kept in the same way in another place: people delete files of an
archive by their age, and these are needed.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from ponderd.channels.blobs import Blobs, owner_in
from ponderd.channels.errors import StartupError, Unavailable
from ponderd.channels.storage import Bucket, open_bucket, place_of, read, write
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.contract import RunStore
from ponderd.workers.store.people import people_of

ROUND = 60.0
"""Seconds between two rounds of archiving."""
BATCH = 100
"""Runs that are looked up at a time."""
AT_ONCE = 16
"""Runs that are written at a time."""

_IDENTITY = "identity"
"""The file in which an archive keeps its name."""

log = structlog.get_logger(__name__)


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

    async def identity(self) -> str:
        """A name that this archive was given when it was first asked for it. Who reads another one
        has another archive."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def open_archive(settings: WorkerSettings) -> Archive:
    """The archive that PONDERD_ARCHIVE names. Raises `StartupError` if its value is not valid."""
    return _open(_place_of_archive(settings), _ARCHIVE)


def open_asleep(settings: WorkerSettings) -> Archive:
    """Where PONDERD_ASLEEP has the logs of runs that sleep. Raises as `open_archive` does."""
    place = place_of(settings.asleep or str(settings.data_dir / "asleep"), _ASLEEP)
    if place == _place_of_archive(settings):
        raise StartupError(
            f"{_ASLEEP} and {_ARCHIVE} are the same place, and must not be: files of an archive "
            "may be deleted by their age, logs of runs that sleep may not",
            exit_code=2,
        )
    return _open(place, _ASLEEP)


_ARCHIVE, _ASLEEP = "PONDERD_ARCHIVE", "PONDERD_ASLEEP"


def _place_of_archive(settings: WorkerSettings) -> Path | Bucket:
    return place_of(settings.archive or str(settings.data_dir / "archive"), _ARCHIVE)


def _open(place: Path | Bucket, setting: str) -> Archive:
    return S3Archive(place, setting) if isinstance(place, Bucket) else FolderArchive(place)


async def archive_finished(
    store: RunStore,
    archive: Archive,
    *,
    keep: float,
    now: float,
    limit: int,
    blobs: Blobs | None = None,
) -> int:
    """Archive and expire runs that finished more than `keep` seconds before `now` (Unix seconds),
    and delete the files that came with their messages from `blobs`.

    Takes at most `limit` runs, oldest first. Returns how many expired. Any number of workers may do
    this at the same time. If one crashes between the two steps, a run is in both places; the next
    round repeats them. A run that gets a message in between does not expire.
    """

    async def archive_one(run_id: str) -> bool:
        events = await store.load(run_id)
        if not events:
            return False
        await archive.put(run_id, events)
        expired = await store.expire(run_id, len(events), people_of(events))
        if expired and blobs:
            await _delete_files(run_id, events, blobs)
        return expired

    return sum(await each_of(await store.finished(now - keep, limit), archive_one))


async def each_of(run_ids: Sequence[str], do: Callable[[str], Awaitable[bool]]) -> list[bool]:
    """What `do` says of each, `AT_ONCE` at a time: an archive keeps whoever asks waiting. If one
    fails, those after it are not begun."""
    found: list[bool] = []
    for begin in range(0, len(run_ids), AT_ONCE):
        some = map(do, run_ids[begin : begin + AT_ONCE])
        for result in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            found.append(result)
    return found


async def _delete_files(run_id: str, events: tuple[bytes, ...], blobs: Blobs) -> None:
    """Delete what belongs to the run alone. If that fails, the operator is told."""
    for owner in sorted(owners(events)):
        try:
            await blobs.delete(owner)
        except Unavailable as error:
            log.error("files of an archived run stay", run=run_id, owner=owner, error=str(error))


def owners(events: tuple[bytes, ...]) -> set[str]:
    """The owners of the files that came with the messages of a run. Those that a fork has from
    its source are its source's."""
    found: set[str] = set()
    for entry in events:
        if b'"run_forked"' not in entry and b'"message_received"' not in entry:
            continue
        event = json.loads(entry)
        if event.get("type") == "run_forked":
            found.clear()
        elif event.get("type") == "message_received":
            for file in event.get("attachments", ()):
                if isinstance(file, dict):  # older logs have only a description
                    found |= {owner_in(file.get("blob", "")), owner_in(file.get("text_blob", ""))}
    return found - {""}


async def archive_round(
    store: RunStore, archive: Archive, *, owner: str, keep_days: float, blobs: Blobs | None = None
) -> None:
    """Archive whatever is old enough. Every worker calls this every `ROUND` seconds.

    Only the first of them in a round does it; the others would repeat the same work.
    """
    if keep_days == 0 or await store.remember("archiving", owner, ROUND * 0.9) != owner:
        return
    more = 1
    while more:  # some of a batch may stay, because something happens to them
        more = await archive_finished(
            store, archive, keep=keep_days * 24 * 3600, now=time.time(), limit=BATCH, blobs=blobs
        )


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

    async def identity(self) -> str:
        return await asyncio.to_thread(self._identity)

    async def close(self) -> None:
        pass

    def _identity(self) -> str:
        path = self._folder / _IDENTITY
        if (kept := self._read(path)) is None:
            try:
                write(path, secrets.token_hex(8).encode(), self._folder, first=True)
            except OSError as error:
                raise _unusable(error) from error
            kept = self._read(path)
        return (kept or b"").decode()

    def _read(self, path: Path) -> bytes | None:
        try:
            return read(path)
        except OSError as error:
            raise _unusable(error) from error

    def _put(self, path: Path, content: bytes) -> None:
        if _includes(self._read(path), content):
            return
        try:
            write(path, content, self._folder)
        except OSError as error:
            raise _unusable(error) from error


class S3Archive:
    """Objects in an S3 bucket. Credentials, region and endpoint come from AWS_* variables."""

    def __init__(self, bucket: Bucket, setting: str) -> None:
        self._bucket = bucket
        self._store = open_bucket(bucket, setting)

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

    async def identity(self) -> str:
        from obstore.exceptions import AlreadyExistsError, BaseError

        path = self._bucket.path(_IDENTITY)
        if (kept := await self._read(path)) is None:
            name = secrets.token_hex(8).encode()
            try:
                try:
                    await self._store.put_async(path, name, mode="create")
                except AlreadyExistsError:
                    pass
                except BaseError:  # not all servers know that: the last one wins
                    await self._store.put_async(path, name)
            except (BaseError, OSError) as error:
                raise _unusable(error) from error
            kept = await self._read(path)
        return (kept or b"").decode()

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
        return self._bucket.path(_path(run_id))


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


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(f"the archive cannot be used: {str(error).partition(chr(10))[0]}")
