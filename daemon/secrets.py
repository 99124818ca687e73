"""The secrets that `ponderd up` generates, in a file that only its owner can read.

The environment takes precedence, but its values are never written to the file.
"""

from __future__ import annotations

import base64
import os
import secrets
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


def load_or_create(data_dir: Path) -> Secrets:
    """The secrets of this data folder. The first call generates them. Raises `StartupError`."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = read(data_dir)
        if found is None:
            found = Secrets(
                api_token=secrets.token_urlsafe(24),
                webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
                state_password=secrets.token_urlsafe(24),
            )
        if not found.signing_secret:
            found = found.model_copy(update={"signing_secret": secrets.token_urlsafe(24)})
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
