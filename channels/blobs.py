"""The blob store: the contents of attachments, by digest, in a folder or in S3. Never in Redis.

A handle is "<owner>/<SHA-256>". All that came with one message has one owner, so it lies together,
is deleted together, and is the same when the message is delivered again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from pathlib import Path
from typing import Protocol

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.storage import Bucket, open_bucket, place_of, read, write

_SETTING = "PONDERD_BLOBS"


class Blobs(Protocol):
    """All methods raise `Unavailable` if the storage is full, away or otherwise of no use."""

    async def put(self, owner: str, content: bytes) -> str:
        """Store the content durably, then return its handle. Again: the same handle."""
        ...

    async def get(self, handle: str) -> bytes:
        """Raises `NotFound` if there is no such content (any more), or it is damaged."""
        ...

    async def delete(self, owner: str) -> None:
        """Delete all contents of an owner, if there are any."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def owner_of(agent: str, key: str) -> str:
    """The owner of what comes with one message to `agent`; `key` is the first of the message's
    keys. Two agents share nothing, for their runs do not end at the same time."""
    return hashlib.sha256(f"{agent}\n{key}".encode("utf-8", "replace")).hexdigest()[:32]


def owner_in(handle: str) -> str:
    """The owner that a handle names. Empty if it is none."""
    return handle.partition("/")[0] if _is_handle(handle) else ""


def open_blobs(settings: ChannelSettings) -> Blobs:
    """The store that PONDERD_BLOBS names. Raises `StartupError` if its value is not valid."""
    place = place_of(settings.blobs or str(settings.data_dir / "blobs"), _SETTING)
    return S3Blobs(place) if isinstance(place, Bucket) else FolderBlobs(place)


class FolderBlobs:
    """Files in a folder. With several hosts it must be a shared one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, owner: str, content: bytes) -> str:
        return await asyncio.to_thread(self._put, owner, content)

    async def get(self, handle: str) -> bytes:
        return await asyncio.to_thread(self._get, handle)

    async def delete(self, owner: str) -> None:
        await asyncio.to_thread(self._delete, owner)

    async def close(self) -> None:
        pass

    def _put(self, owner: str, content: bytes) -> str:
        handle = _handle(owner, content)
        path = self._folder / _path(handle)
        try:
            if read(path) != content:
                write(path, content, self._folder)
        except OSError as error:
            raise _unusable(error) from error
        return handle

    def _get(self, handle: str) -> bytes:
        try:
            content = read(self._folder / _path(handle)) if _is_handle(handle) else None
        except OSError as error:
            raise _unusable(error) from error
        return _checked(handle, content)

    def _delete(self, owner: str) -> None:
        try:
            shutil.rmtree(self._folder / _path(owner))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unusable(error) from error


class S3Blobs:
    """Objects in an S3 bucket. Credentials, region and endpoint come from AWS_* variables."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._store = open_bucket(bucket, _SETTING)

    async def put(self, owner: str, content: bytes) -> str:
        from obstore.exceptions import BaseError

        handle = _handle(owner, content)
        try:
            await self._store.put_async(self._bucket.path(_path(handle)), content)
        except (BaseError, OSError) as error:
            raise _unusable(error) from error
        return handle

    async def get(self, handle: str) -> bytes:
        from obstore.exceptions import BaseError

        content = None
        try:
            if _is_handle(handle):
                found = await self._store.get_async(self._bucket.path(_path(handle)))
                content = bytes(await found.bytes_async())
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _unusable(error) from error
        return _checked(handle, content)

    async def delete(self, owner: str) -> None:
        from obstore.exceptions import BaseError

        try:
            listed = self._store.list(self._bucket.path(_path(owner)))
            paths = [entry["path"] async for found in listed for entry in found]
            if paths:
                await self._store.delete_async(paths)
        except (BaseError, OSError) as error:
            raise _unusable(error) from error

    async def close(self) -> None:
        pass


def _handle(owner: str, content: bytes) -> str:
    handle = f"{owner}/{hashlib.sha256(content).hexdigest()}"
    if not _is_handle(handle):
        raise ValueError(f"{owner!r} is not an owner")
    return handle


def _is_handle(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32}/[0-9a-f]{64}", text) is not None


def _path(name: str) -> str:
    """Path of a handle or an owner, in one of 256 folders. Raises ValueError for anything else,
    which could name a file outside."""
    if not re.fullmatch(r"[0-9a-f]{32}(/[0-9a-f]{64})?", name):
        raise ValueError(f"{name!r} is neither a handle nor an owner")
    return f"{name[:2]}/{name}"


def _checked(handle: str, content: bytes | None) -> bytes:
    if content is None:
        raise NotFound("the file is not kept any more")
    if hashlib.sha256(content).hexdigest() != handle.partition("/")[2]:
        raise NotFound("the file was damaged where it was kept")
    return content


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(f"the blob store cannot be used: {str(error).partition(chr(10))[0]}")
