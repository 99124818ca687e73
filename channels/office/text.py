"""The text of a document as it is put together, up to a limit. Pure."""

from __future__ import annotations

from collections.abc import Iterable

LIMIT = 1_000_000
"""Most characters of text that are taken from one file."""


class UnreadableError(Exception):
    """Why a file cannot be read, in words for people."""


class TextFullError(Exception):
    """The text has all that it may hold. It says so in its last line."""

    def __init__(self, text: Text) -> None:
        super().__init__()
        self.text = text


class Text:
    """Lines of text. `add` raises `TextFullError` once `LIMIT` is reached."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._left = LIMIT
        self.unread = ""
        """Why the file is not read although there is something to say about it."""

    def add(self, line: str = "") -> None:
        if len(line) >= self._left:
            self._parts.append(line[: self._left])
            self._left = 0
            self.note(f"the rest is left out: of one file at most {LIMIT:,} characters are read")
            raise TextFullError(self)
        self._left -= len(line) + 1
        self._parts.append(line)

    def note(self, remark: str) -> None:
        """Add a remark of ours, whatever the limit."""
        self._parts.append(f"[{remark}]")

    def __str__(self) -> str:
        return "\n".join(self._parts)

    @property
    def is_empty(self) -> bool:
        return not any(part.strip() for part in self._parts)


def row(cells: Iterable[str]) -> str:
    """Cells of a table on one line, so that they stay apart."""
    return " | ".join(" / ".join(cell.strip().splitlines()) for cell in cells).rstrip()
