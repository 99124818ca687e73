"""A long text in pieces, each of which is well-formed by itself. Pure."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from ponderd.channels.slack.out.inline import Chunk, Shown, size

FENCE = "```"
_UNSEEN = string.whitespace + "\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff"
_FENCES = 2 * (len(FENCE) + 1)


@dataclass(frozen=True, slots=True)
class Line:
    """A line in Slack's markup. No markup goes on over its end."""

    text: str
    code: object = None
    """The block of code that it belongs to. None: it is no code."""
    chunks: tuple[Chunk, ...] = ()
    """Where it may be cut, if it is too long for one piece."""
    glue: str | None = None
    """It goes on with the line before, joined by this. None: it is a line of its own."""

    @staticmethod
    def of(shown: Shown) -> Line:
        return Line(shown.markup, chunks=shown.chunks)

    def led_by(self, prefix: str, without: str = "") -> Line:
        """The same line behind `prefix`, in the place of what it began with."""
        text = prefix + self.text.removeprefix(without)
        first, rest = self.chunks[:1], self.chunks[1:]
        led = tuple(Chunk(prefix + part.markup.removeprefix(without)) for part in first)
        return Line(text, self.code, (*led, *rest))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long the pieces of a text are."""

    limit: int
    """Characters of a piece."""
    after: int = 0
    """How many pieces are that long. The others are smaller, if `smaller` is set."""
    smaller: int = 0
    """Characters of those others."""


def packed(lines: Iterable[Line], limit: int | Sizes | None) -> list[str]:
    """The lines in as few pieces of at most `limit` characters as their order allows. None: in one.

    A cut is made between lines, or inside one that is too long. A block of code is cut only if it
    is too long for one piece; it is closed then, and opened again in the next.
    """
    if not isinstance(limit, Sizes):
        return [_written(piece) for piece in _parted(lines, limit)]
    pieces = _parted(lines, limit.limit)
    if limit.smaller:
        rest = [line for piece in pieces[limit.after :] for line in piece]
        pieces = [*pieces[: limit.after], *_parted(rest, limit.smaller)]
    return [_written(piece) for piece in pieces]


def _parted(lines: Iterable[Line], limit: int | None) -> list[list[Line]]:
    """The lines of each piece."""
    pieces: list[list[Line]] = []
    kept: list[Line] = []
    length = 0
    for block, members in groupby(_fitting(lines, limit), key=lambda line: line.code):
        group = list(members)
        whole = sum(size(line.text) + 1 for line in group) + _FENCES
        together = block is not None and limit is not None and whole <= limit < length + whole
        for index, line in enumerate(group):
            more = size(line.text) + 1 + (_FENCES if block is not None else 0)
            full = limit is not None and length + more > limit
            if kept and (full or (together and not index)):
                pieces.append(kept)
                kept, length = [], 0
            if not kept or kept[-1].code != block:
                length += _FENCES if block is not None else 0
            kept.append(line)
            length += size(line.text) + 1
    return [piece for piece in (*pieces, kept) if _written(piece).strip(_UNSEEN)]


def _fitting(lines: Iterable[Line], limit: int | None) -> Iterator[Line]:
    """The lines, those in chunks that would not fit into one piece."""
    for line in lines:
        if limit is None or not line.chunks or size(line.text) + _FENCES <= limit:
            yield line
            continue
        for number, chunk in enumerate(line.chunks):
            yield Line(chunk.markup, line.code, glue=chunk.glue if number else None)


def beginning(markup: str, limit: int) -> str:
    """As many whole lines of a message as fit; a block of code among them is closed."""
    lines: list[Line] = []
    block: object = None
    for line in markup.split("\n"):
        if line == FENCE:
            block = object() if block is None else None
        else:
            lines.append(Line(line, block))
    first, *rest = packed(lines, limit - 2) or [""]
    return f"{first}\n…" if rest else first


def _written(lines: list[Line]) -> str:
    written: list[str] = []
    for block, members in groupby(lines, key=lambda line: line.code):
        text = "".join(
            f"{chr(10) if line.glue is None else line.glue}{line.text}" if number else line.text
            for number, line in enumerate(members)
        )
        written.append(text if block is None else f"{FENCE}\n{text}\n{FENCE}")
    return "\n".join(written).strip("\n")
