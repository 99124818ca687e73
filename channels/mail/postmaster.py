"""Mail for the postmaster, kept as files that the operator can read (RFC 5321, 4.5.1)."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from ponderd.channels.errors import TooLarge
from ponderd.channels.text import one_line

FILES = 100
BYTES = 20 * 1024 * 1024
"""What is kept at most; the oldest go first."""
SIZE_LIMIT = 1024 * 1024
"""Bytes of one mail."""


def keep(content: bytes, mail_from: str, folder: Path) -> Path:
    """Keep a mail, and return its file. Raises TooLarge, and OSError if it cannot be written."""
    if len(content) > SIZE_LIMIT:
        raise TooLarge(f"mail to postmaster may have up to {SIZE_LIMIT // 1024**2} MB")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    path = folder / f"{name}.eml"
    partial = folder / f".{name}"
    try:
        partial.touch(mode=0o600)
        partial.write_bytes(f"Return-Path: <{one_line(mail_from)}>\r\n".encode() + content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _drop_oldest(folder)
    return path


def _drop_oldest(folder: Path) -> None:
    size = 0
    newest_first = sorted(folder.glob("*.eml"), key=lambda path: path.name, reverse=True)
    for place, path in enumerate(newest_first, start=1):
        size += path.stat().st_size
        if place > FILES or size > BYTES:
            path.unlink(missing_ok=True)
