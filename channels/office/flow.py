"""Text that flows: paragraphs, with tables among them, from the XML of a document. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ponderd.channels.office.package import Node
from ponderd.channels.office.text import row


@dataclass(frozen=True)
class Vocabulary:
    """What the elements of a format mean, by their names without namespace."""

    paragraphs: frozenset[str]
    table: str
    row: str
    cells: frozenset[str]
    spans: frozenset[str]
    """Elements inside a paragraph that hold a piece of its text."""
    breaks: Mapping[str, str]
    """Elements that stand for characters."""
    skipped: frozenset[str]
    """Elements whose content nobody sees, or sees elsewhere."""
    text: frozenset[str] | None = None
    """Elements that hold text. None: any text in a paragraph is text."""
    items: frozenset[str] = frozenset()
    """Elements that make the next paragraph an item of a list."""


class Effect(NamedTuple):
    """What an element does to the paragraph in which it stands."""

    insert: str = ""
    suffix: str = ""
    """Comes at the end of the span."""
    hide: bool = False
    """Nobody sees the span."""


@dataclass
class _Span:
    start: int
    suffix: str = ""
    hidden: bool = False


@dataclass
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)

    def end_span(self) -> None:
        span = self.spans.pop()
        if span.hidden:
            del self.parts[span.start :]
        elif span.suffix.strip(" <>") not in "".join(self.parts[span.start :]):
            self.parts.append(span.suffix)

    def apply(self, effect: Effect) -> None:
        if effect.insert:
            self.parts.append(effect.insert)
        if self.spans:
            span = self.spans[-1]
            span.suffix = span.suffix or effect.suffix
            span.hidden = span.hidden or effect.hide


def flow(
    nodes: Iterable[Node],
    words: Vocabulary,
    look: Callable[[Node], Effect | None] = lambda node: None,
) -> Iterator[str]:
    """The lines of a document: a line for each paragraph, and one for each row of a table.

    `look` is asked about each element that the vocabulary does not know, and about spans.
    """
    return _Flow(words, look).lines(nodes)


class _Flow:
    def __init__(self, words: Vocabulary, look: Callable[[Node], Effect | None]) -> None:
        self._words = words
        self._look = look
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[list[list[str]]] = []  # the open row of each: cells of lines
        self._in_text = 0
        self._item = False

    def lines(self, nodes: Iterable[Node]) -> Iterator[str]:
        skipping = 0
        for node in nodes:
            if skipping:
                skipping += (node.kind == "begin") - (node.kind == "end")
            elif node.kind == "text":
                if self._paragraphs and (self._in_text or self._words.text is None):
                    self._paragraphs[-1].parts.append(node.name)
            elif node.kind == "end":
                yield from self._end(node.name)
            elif node.name in self._words.skipped:
                skipping = 1
            else:
                self._begin(node)

    def _begin(self, node: Node) -> None:
        words, name = self._words, node.name
        if name in words.paragraphs:
            self._paragraphs.append(_Paragraph(["- "] if self._item else []))
            self._item = False
        elif name == words.table:
            self._tables.append([])
        elif name in words.cells:
            if self._tables:
                self._tables[-1].append([])
        elif name in words.items:
            self._item = True
        elif words.text and name in words.text:
            self._in_text += 1
        else:
            self._inside(node)

    def _inside(self, node: Node) -> None:
        """An element inside a paragraph, or one that means nothing here."""
        paragraph = self._paragraphs[-1] if self._paragraphs else _Paragraph()
        if node.name in self._words.spans:
            paragraph.spans.append(_Span(len(paragraph.parts)))
        if node.name in self._words.breaks:
            paragraph.parts.append(self._words.breaks[node.name])
        elif effect := self._look(node):
            paragraph.apply(effect)

    def _end(self, name: str) -> Iterator[str]:
        words = self._words
        if name in words.paragraphs and self._paragraphs:
            yield from self._told("".join(self._paragraphs.pop().parts).rstrip(), self._tables)
        elif name in words.spans:
            if self._paragraphs and self._paragraphs[-1].spans:
                self._paragraphs[-1].end_span()
        elif name == words.row and self._tables:
            cells = self._tables[-1]
            self._tables[-1] = []
            yield from self._told(row("\n".join(cell) for cell in cells), self._tables[:-1])
        elif name == words.table and self._tables:
            self._tables.pop()
        elif words.text and name in words.text:
            self._in_text -= 1

    @staticmethod
    def _told(line: str, tables: list[list[list[str]]]) -> Iterator[str]:
        """A line of the document, or of the innermost open cell."""
        if tables and tables[-1]:
            tables[-1][-1].append(line)
        else:
            yield line
