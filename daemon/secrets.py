"""The secrets that `ponderd up` generates, in a file that only its owner can read.

The environment takes precedence, but its values are never written to the file.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from ponderd.channels.errors import StartupError
from ponderd.channels.message import Frozen


class Secrets(Frozen):
    """The generated secrets of one data folder."""

    api_token: str
    webhook_secret: str
    """A Standard Webhooks secret: `whsec_` and 24 bytes in base64."""
    state_password: str
    """The password of the embedded state server."""
    signing_secret: str = ""
    """Empty in files from before ponderd signed links. `load_or_create` then generates one."""
    model_key: str = ""
    """The key of the embedded model server. Empty in older files, likewise."""


def load_or_create(data_dir: Path, tell: Callable[[str], object] = lambda line: None) -> Secrets:
    """The secrets of this data folder. The first call generates them. `tell` hears what of the
    folder others could reach, which is mended. Raises `StartupError`."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_ours(data_dir, stat.S_IWGRP | stat.S_IWOTH, tell)
        for file in (secrets_file(data_dir), authorization_file(data_dir)):
            _make_ours(file, stat.S_IRWXG | stat.S_IRWXO, tell)
        found = read(data_dir)
        if found is None:
            found = Secrets(
                api_token=secrets.token_urlsafe(24),
                webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
                state_password=secrets.token_urlsafe(24),
            )
        new = ("signing_secret", "model_key")
        missing = {name: secrets.token_urlsafe(24) for name in new if not getattr(found, name)}
        if missing:
            found = found.model_copy(update=missing)
            _write(secrets_file(data_dir), found.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise StartupError(f"cannot keep secrets in {data_dir}: {error.strerror}") from error
    return found


def read(data_dir: Path) -> Secrets | None:
    """The secrets of this data folder, or None if it has none yet. Raises `StartupError`."""
    try:
        return Secrets.model_validate_json(secrets_file(data_dir).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise StartupError(
            f"{secrets_file(data_dir)} belongs to another user; set PONDERD_DATA_DIR"
        ) from error
    except ValidationError as error:
        raise StartupError(
            f"{secrets_file(data_dir)} is damaged; delete it to get new secrets"
        ) from error


def write_authorization(data_dir: Path, api_token: str) -> None:
    """Write the header for `curl -H @FILE`, so that the token is on no command line."""
    _write(authorization_file(data_dir), f"Authorization: Bearer {api_token}\n")


def read_token(data_dir: Path) -> str | None:
    """The API token that the last `ponderd up` in this data folder used. None if there is none."""
    try:
        return (
            authorization_file(data_dir).read_text().removeprefix("Authorization: Bearer ").strip()
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def secrets_file(data_dir: Path) -> Path:
    return data_dir / "secrets.json"


def authorization_file(data_dir: Path) -> Path:
    return data_dir / "authorization.header"


def _make_ours(path: Path, theirs: int, tell: Callable[[str], object]) -> None:
    """Take the rights `theirs` from others, if they have any. Raises `StartupError` if that cannot
    be done, or if another user owns what is there; `OSError`."""
    try:
        found = path.stat()
        if found.st_uid == os.geteuid() and found.st_mode & theirs:
            path.chmod(stat.S_IMODE(found.st_mode) & ~theirs)
            found = path.stat()
            if not found.st_mode & theirs:
                tell(f"others could {_reach(path)}; now only its owner can")
    except FileNotFoundError:
        return
    if found.st_mode & theirs:
        raise StartupError(
            f"others can {_reach(path)}, which cannot be mended from here: "
            f"chmod {'go-w' if path.is_dir() else 'go-rwx'} {path}, or set PONDERD_DATA_DIR"
        )
    if os.geteuid() != 0 and found.st_uid not in (0, os.geteuid()):
        raise StartupError(f"{path} belongs to another user; set PONDERD_DATA_DIR")


def _reach(path: Path) -> str:
    return f"write to {path}" if path.is_dir() else f"read {path}, which holds secrets"


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read from the first byte on.

    After a crash it is complete, or still the old one.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
