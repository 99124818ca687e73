"""Keeping bytes durably, in a folder or in S3-compatible storage: what the archive and the blob
store share.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ponderd.channels.errors import StartupError

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT = 20
"""Seconds that one request to S3 may take, with all its attempts."""


class Bucket(NamedTuple):
    """A place in S3."""

    name: str
    prefix: str

    def path(self, path: str) -> str:
        """The key of the object `path` below the prefix."""
        return "/".join(filter(None, (self.prefix, path)))


def place_of(value: str, setting: str) -> Path | Bucket:
    """The folder or the s3://bucket/prefix that `value` names. Raises `StartupError` if it is
    neither; `setting` is the variable that it stood in."""
    if "://" not in value and not value.startswith("s3:"):
        return Path(value).expanduser().absolute()
    url = urlsplit(value)
    if url.scheme != "s3" or not url.netloc or url.query or url.fragment:
        raise StartupError(
            f"{setting}: {value!r} is neither a folder nor s3://bucket/prefix", exit_code=2
        )
    return Bucket(url.netloc, url.path.strip("/"))


def open_bucket(bucket: Bucket, setting: str) -> S3Store:
    """Credentials, region and endpoint come from AWS_* variables. Raises `StartupError`."""
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    plain = endpoint.startswith("http://")
    try:
        return S3Store(
            bucket.name,
            client_options={"timeout": f"{TIMEOUT}s", "allow_http": plain},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT)},
        )
    except BaseError as error:
        raise StartupError(f"{setting}: {error}") from error


def read(path: Path) -> bytes | None:
    """The content of a file. None if there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, content: bytes, top: Path, *, first: bool = False) -> None:
    """Write a file below the folder `top`, which is made if need be. A reader sees all of it or
    nothing, even after a power failure. `first`: what somebody else wrote stays. Raises OSError;
    then nothing has changed."""
    if not top.exists():
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        _fsync(top.parent)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if not (first and _linked(file.name, path)):
                Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    for folder in path.parents:  # their new names, too
        _fsync(folder)
        if folder == top:
            break


def _linked(written: str, path: Path) -> bool:
    """Whether there is a file at `path` now. Not if the file system knows no links."""
    try:
        with contextlib.suppress(FileExistsError):
            os.link(written, path)
    except OSError:
        return False
    Path(written).unlink()
    return True


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
