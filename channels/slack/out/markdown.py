"""Write what agents say in Slack's markup. Pure.

Slack's markup knows bold, italic, strike, code, links and quotations, and none of them goes on over
the end of a line. The rest is shown by plain signs; a table is padded code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ponderd.channels.markdown.dialect import parse
from ponderd.channels.markdown.tree import (
    BREAK,
    Node,
    aligned,
    code_of,
    columns,
    inline,
    numbers,
    rows_of,
    tree,
    words,
)
from ponderd.channels.slack.out.inline import CHUNK, Chunk, escape, lines_of, unfenced
from ponderd.channels.slack.out.pieces import Line, packed
from ponderd.channels.text import clean

LIMIT = 200_000
"""Characters of an answer that are read as Markdown. A longer one is shown as it was typed."""
TABLE_WIDTH = 78
"""Columns of a table. A wider one is written row by row."""

_BULLETS = ("•", "◦", "▪")
_TASKS = {"[ ] ": "☐", "[x] ": "☑", "[X] ": "☑"}
_RULE = "─" * 12
_QUOTED = "&gt; "


def mrkdwn(source: str) -> str:
    """Markdown as Slack's own markup, in one piece. Nothing in it becomes a mention."""
    return "\n".join(packed(lines(source), None))


def pieces(source: str, limit: int) -> list[str]:
    """`mrkdwn` in pieces of at most `limit` characters; each is well-formed by itself. A text of
    nothing has none."""
    return packed(lines(source), limit)


def lines(source: str) -> list[Line]:
    """The lines of `source` in Slack's markup. What cannot be read as Markdown is shown as code, as
    it was typed."""
    text = clean(source).strip("\n")
    tokens = parse(text) if len(text) <= LIMIT else None
    if tokens is not None:
        shown = _Writer(text.split("\n")).blocks(tree(tokens))
        # A table of a few characters may have many empty cells.
        if sum(len(line.text) for line in shown) <= 100_000 + 10 * len(text):
            return shown
    return list(_code_lines(text, object()))


def _code_lines(text: str, block: object) -> Iterator[Line]:
    for line in text.split("\n"):
        rest = unfenced(line)
        step = CHUNK // 5  # an entity has five characters
        parts = [Chunk(escape(rest[at : at + step])) for at in range(0, len(rest), step)]
        yield Line(escape(rest), block, tuple(parts) if len(parts) > 1 else ())


@dataclass(slots=True)
class _Writer:
    source: list[str]
    depth: int = 0
    """Of lists."""

    def blocks(self, nodes: Iterable[Node]) -> list[Line]:
        """With blank lines between them where the source has some."""
        shown: list[Line] = []
        for node in nodes:
            block = list(self._block(node))
            if shown and block and self._is_apart(node):
                shown.append(Line(""))
            shown += block
        return shown

    def _is_apart(self, node: Node) -> bool:
        first = node.token.map[0] if node.token.map else 0
        return first > 0 and not self.source[first - 1].strip(" \t>")

    def _block(self, node: Node) -> Iterable[Line]:
        match node.kind:
            case "paragraph":
                return _prose(inline(node))
            case "heading":
                return _prose(inline(node), "*")
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "blockquote":
                return map(_quoted, self.blocks(node.children))
            case "fence" | "code_block":
                return _code_lines(clean(_code(node)), object())
            case "table":
                return _table(node)
            case _:
                return [Line(_RULE)]

    def _list(self, node: Node) -> Iterator[Line]:
        self.depth += 1
        for index, (number, item) in enumerate(zip(numbers(node), node.children, strict=True)):
            mark = f"{number}{item.token.markup}" if number else _bullet(self.depth)
            if task := _task(item):
                mark = f"{mark} {task}" if number else task
            content = self.blocks(item.children)
            if index and self._is_apart(item):
                yield Line("")
            if not content or content[0].code is not None:
                yield Line(mark)
            else:
                first = content.pop(0)
                yield first.led_by(f"{mark} ", _QUOTED)
            yield from map(_indented, content)
        self.depth -= 1


def _bullet(depth: int) -> str:
    return _BULLETS[min(depth, len(_BULLETS)) - 1]


def _task(item: Node) -> str:
    """The box of a task, which is taken out of its text."""
    if not item.children or item.children[0].kind != "paragraph":
        return ""
    first = next(iter(inline(item.children[0])), None)
    if first is None or first.kind != "text":
        return ""
    box = _TASKS.get(first.token.content[:4], "")
    if box:
        first.token.content = first.token.content[4:]
    return box


def _indented(line: Line) -> Line:
    if line.code is not None or not line.text:
        return line
    if line.text.startswith(_QUOTED):  # Slack sees a quotation at the edge only
        return line
    return line.led_by("    ")


def _quoted(line: Line) -> Line:
    """Code stays outside: Slack would show the marks of the quotation in it."""
    if line.code is not None:
        return line
    if line.text.startswith(_QUOTED):  # Slack has one level
        return line.led_by(f"{_QUOTED}    ", _QUOTED)
    return line.led_by(_QUOTED)


def _prose(nodes: Iterable[Node], marks: str = "") -> Iterable[Line]:
    return map(Line.of, lines_of(nodes, marks))


def _code(node: Node) -> str:
    """The lines of a block of code, without its language and what else is said of it in braces."""
    language, _, rest = node.token.info.strip().partition(" ")
    if language.startswith("{") or rest.startswith("{") or "=" in rest.split(" ", 1)[0]:
        return node.token.content.rstrip("\n")
    return code_of(node.token)


# -- tables ------------------------------------------------------------------------------------


def _table(table: Node) -> Iterator[Line]:
    """Padded columns. Some lines for each row, where these are too wide, or where what is struck
    through would look as if it were not: there is no markup in code."""
    nodes = list(rows_of(table))
    rows = [["; ".join(_cell(inline(cell))) for cell in row] for row in nodes]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=False)]
    struck = any(map(_is_struck, (node for row in nodes for cell in row for node in inline(cell))))
    if struck or sum(widths) + 2 * len(widths) > TABLE_WIDTH:
        yield from _records(nodes)
        return
    sides = [aligned(cell) for cell in nodes[0]]
    shown = [_row(row, widths, sides) for row in rows]
    rule = "  ".join("-" * width for width in widths)
    block = object()
    for line in (shown[0], rule, *shown[1:]):
        yield Line(escape(unfenced(line)), block)


def _row(row: list[str], widths: list[int], sides: list[str]) -> str:
    cells = []
    for text, width, side in zip(row, widths, sides, strict=False):
        room = width - columns(text)
        left = {"left": 0, "right": room}.get(side, room // 2)
        cells.append(" " * left + text + " " * (room - left))
    return "  ".join(cells).rstrip()


def _cell(nodes: Iterable[Node]) -> list[str]:
    """Its words alone, and where its links lead."""
    text = "".join(map(_cell_text, nodes))
    return [" ".join(part.split()) for part in BREAK.split(clean(text))]


def _is_struck(node: Node) -> bool:
    return node.kind == "s" or any(map(_is_struck, node.children))


def _cell_text(node: Node) -> str:
    inside = "".join(map(_cell_text, node.children))
    if node.kind in ("softbreak", "hardbreak"):
        return " "
    if node.kind != "link":
        return node.token.content + inside
    href, label = str(node.token.attrGet("href")), inside.strip()
    if label in ("", href, href.removeprefix("mailto:")) or node.token.markup == "linkify":
        return label or href
    return f"{label} ({href})"


def _records(nodes: list[list[Node]]) -> Iterator[Line]:
    head, *records = nodes
    for number, record in enumerate(records or [head]):
        if number:
            yield Line("")
        for name, cell in zip(head, record, strict=False):
            value = inline(cell)
            title = words(inline(name)).strip() if records else ""
            told = list(_prose(value))
            if not title and not words(value).strip():
                continue
            if title:
                [shown, *_] = lines_of(inline(name), "*")
                told[0] = told[0].led_by(f"{shown.markup}: ")
            yield from told
