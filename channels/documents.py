"""The text of attached files. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ponderd.channels.charset import decode

FILE_PREVIEW = 4_000
"""Characters of one file that the agent sees at once."""
MESSAGE_PREVIEW = 8_000
"""Characters of all files of one message that the agent sees at once."""


@dataclass(frozen=True, slots=True)
class Document:
    text: str = ""
    unread: str = ""


def read(content: bytes, content_type: str, name: str, charset: str = "") -> Document:
    if content_type.startswith("text/"):
        return Document(decode(content, charset))
    return Document(unread="it cannot be read")


def preview(text: str, limit: int) -> str:
    return text[:limit]
