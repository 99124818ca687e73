"""The secrets that `ponderd up` makes for itself, in a file only its owner can read.

What the environment configures wins, but is never written down here; the file keeps what was made.
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
    """`webhook_secret` is a Standard Webhooks secret: `whsec_` and 24 bytes in base64.
    `signing_secret` is empty in a file of the first version that nothing was started with since.
    """

    api_token: str
    webhook_secret: str
    state_password: str
    signing_secret: str = ""


def load_or_create(data_dir: Path) -> Secrets:
    """The secrets of this data folder; made on the first call. Raises `StartupError`."""
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
    """The secrets of this data folder; None before the first `ponderd up` there."""
    try:
        return Secrets.model_validate_json(secrets_file(data_dir).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise StartupError(
            f"{secrets_file(data_dir)} belongs to somebody else; set PONDERD_DATA_DIR"
        ) from error
    except ValidationError as error:
        raise StartupError(
            f"{secrets_file(data_dir)} is damaged; delete it, and new secrets are made"
        ) from error


def write_authorization(data_dir: Path, api_token: str) -> None:
    """Keep the header that `curl -H @FILE` reads, so that no token is on a command line."""
    _write(authorization_file(data_dir), f"Authorization: Bearer {api_token}\n")


def read_token(data_dir: Path) -> str | None:
    """The API token of the `ponderd up` last started here, made or configured; for clients."""
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
    """Owner-only from the first byte, and complete or absent after a crash."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
