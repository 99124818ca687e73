"""The lines of text that the elements of an HTML mail become: blocks, lists, tables. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ponderd.channels.mail.text.quotation import Kind, Line

_BLANKS = re.compile(r"[ \t\n\r\f]+")
_UNSEEN = str.maketrans(
    {"\xad": None, "\u200b": None, "\ufeff": None, "\u2060": None, "\u034f": None}
)
_BLANK = str.maketrans({"\xa0": " ", "\u202f": " ", "\u2007": " "})
_SPAN_LIMIT = 50
_CELL_LINES = 6
_CELL_LIMIT = 300


@dataclass(slots=True)
class Lines:
    """Collects text, line by line."""

    out: list[Line] = field(default_factory=list)
    kind: Kind = Kind.WORDS
    depth: int = 0
    """How many times what comes is quoted."""
    indent: str = ""
    marker: str = ""
    """What stands before the next line in place of the last letters of `indent`."""
    _parts: list[str] = field(default_factory=list)
    _space: bool = False
    _gap: bool = False

    def put(self, text: str, *, pre: bool = False) -> None:
        """Add text as it stands in a source. `pre`: every blank and line end of it counts."""
        text = text.translate(_UNSEEN)
        if pre:
            first, *others = text.split("\n")
            self._add(first)
            for line in others:
                self.end_line()
                self._add(line)
            return
        text = _BLANKS.sub(" ", text)
        if text.startswith(" "):
            self._space = bool(self._parts)
            text = text[1:]
        if text:
            self._add(text.removesuffix(" "))
            self._space = text.endswith(" ")

    def _add(self, text: str) -> None:
        if text:
            if self._space:
                self._parts.append(" ")
            self._space = False
            self._parts.append(text)

    def end_line(self) -> None:
        """End the line, even an empty one."""
        text = "".join(self._parts).translate(_BLANK).rstrip()
        self._parts.clear()
        self._space = False
        self._emit(text, self.kind)

    def block(self) -> None:
        """Begin a new line, if anything stands on this one."""
        if self._parts:
            self.end_line()

    def gap(self) -> None:
        """Begin a new paragraph."""
        self.block()
        self._gap = bool(self.out) and not self.marker

    def mark(self, kind: Kind, text: str = "") -> None:
        """Add a line of another kind."""
        self.block()
        self._emit(text, kind)

    def add(self, lines: Sequence[Line]) -> None:
        """Add whole lines."""
        self.block()
        for line in lines:
            self._emit(line.text, line.kind)

    def _emit(self, text: str, kind: Kind) -> None:
        quote = "> " * self.depth
        if self._gap:
            self._gap = False
            if self.out and self.out[-1].text.strip("> ") and text:
                same = self.out[-1].kind is kind
                marks = quote if same and self.out[-1].text.startswith(quote) else ""
                self.out.append(Line(marks.rstrip(), kind if same else Kind.WORDS))
        before = self.indent
        if self.marker and text:
            before = self.indent[: len(self.indent) - len(self.marker)] + self.marker
            self.marker = ""
        self.out.append(Line((quote + before + text).rstrip(), kind))

    def closed(self) -> list[Line]:
        """All lines. Nothing is added any more."""
        self.block()
        return self.out


@dataclass(slots=True)
class Cell:
    """A cell of a table."""

    lines: list[Line]
    columns: int = 1
    rows: int = 1
    heading: bool = False

    @property
    def text(self) -> str | None:
        """Its text on one line. None: it holds more than a cell of figures or words."""
        said = [line.text.strip() for line in self.lines if line.text.strip()]
        if any(line.kind is not Kind.WORDS for line in self.lines) or len(said) > _CELL_LINES:
            return None
        text = " / ".join(said)
        return text if len(text) <= _CELL_LIMIT and not text.startswith("> ") else None

    @property
    def is_one_line(self) -> bool:
        return self.text is not None and sum(bool(line.text.strip()) for line in self.lines) <= 1


@dataclass(slots=True)
class Table:
    """The rows of a table. Layout is made with tables as well: those are read cell by cell."""

    rows: list[list[Cell]] = field(default_factory=list)
    layout: bool = False

    def lines(self) -> list[Line]:
        if not self._is_data():
            return [line for row in self.rows for line in _laid_out(row)]
        found: list[Line] = []
        falling: dict[int, tuple[str, int]] = {}
        for row in self.rows:
            found.extend(_data_row(row, falling))
        return found

    def _is_data(self) -> bool:
        if self.layout:
            return False
        full = [row for row in self.rows if sum(bool(cell.text) for cell in row) > 1]
        headed = any(cell.heading for row in full for cell in row)
        return (headed and len(self.rows) > 1) or len(full) > 1


def _laid_out(row: Sequence[Cell]) -> list[Line]:
    cells = [cell for cell in row if any(line.text.strip() for line in cell.lines)]
    if len(cells) > 1 and all(cell.is_one_line for cell in cells):
        return [Line(" | ".join(cell.text or "" for cell in cells))]
    return [line for cell in row for line in cell.lines]


def _data_row(row: Sequence[Cell], falling: dict[int, tuple[str, int]]) -> list[Line]:
    """One row on one line. `falling`: what cells above reach down into it, by column."""
    if any(cell.text is None for cell in row):
        falling.clear()
        return [line for cell in row for line in cell.lines]
    texts: list[str] = []

    def fall() -> None:
        while (at := len(texts)) in falling:
            text, left = falling.pop(at)
            texts.append(text)
            if left > 1:
                falling[at] = (text, left - 1)

    for cell in row:
        fall()
        at = len(texts)
        texts.append(cell.text or "")
        if cell.rows > 1:
            # Not into the row that is being read: `fall` has passed this column.
            falling[at] = (cell.text or "", min(cell.rows, _SPAN_LIMIT) - 1)
        texts.extend([""] * (min(cell.columns, _SPAN_LIMIT) - 1))
    fall()
    while texts and not texts[-1]:
        texts.pop()
    return [Line(" | ".join(texts).strip())] if texts else []
