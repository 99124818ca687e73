"""An HTML mail as its reader sees it, without the mails it quotes. Pure.

Everything that a reader can tell apart, follow or copy is in the text; what nobody can see is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from resiliparse.parse.html import ElementNode, HTMLTree, Node, TextNode

from ponderd.channels.mail.text.html_history import Role, may_be_quotation, role_of
from ponderd.channels.mail.text.html_lines import Cell, Lines, Table
from ponderd.channels.mail.text.html_links import beside_label, picture
from ponderd.channels.mail.text.html_sheets import Place, Sheets
from ponderd.channels.mail.text.html_source import tidy
from ponderd.channels.mail.text.html_style import Look, is_tight, looked
from ponderd.channels.mail.text.quotation import Kind, Line, Reading, Thread, take_apart
from ponderd.channels.text import clean

_TOO_LONG = "[the mail goes on: its HTML is too long to be read whole]"
_DEEP = 20
"""Lists, quotations and tables inside each other beyond this are read as plain blocks."""

_GAPS = frozenset("p h1 h2 h3 h4 h5 h6 ul ol dl pre xmp listing fieldset figure blockquote".split())
_LISTS = frozenset(("ul", "ol", "dl"))
_BLOCKS = _GAPS | frozenset(
    "div li dt dd table caption tr td th section article header footer main nav aside address form"
    " center details summary figcaption legend hr body html optgroup option dir menu".split()
)
_NO_TEXT = frozenset(
    "head style script title template noscript object embed applet iframe svg audio video canvas"
    " meta link base map area datalist col colgroup param source track noframes noembed".split()
)


def read_html(source: str, thread: Thread) -> Reading:
    """Take an HTML text apart, as `read_plain` does with a plain one. Linear in its length."""
    tidied = tidy(clean(source))
    sheets = Sheets(tidied.sheets)
    document = HTMLTree.parse(tidied.html or " ").document
    lines = _Reader(sheets).read(document) if document else []
    if not tidied.whole or sheets.exhausted:
        lines.append(Line(_TOO_LONG))
    return take_apart(lines, thread)


@dataclass(slots=True)
class _Frame:
    """An element that is being read."""

    tag: str
    place: Place
    look: Look
    kind: Kind
    lines: Lines
    """Where its text goes."""
    role: Role | None = None
    block: bool = False
    tight: bool = False
    """It begins a line, not a paragraph."""
    closing: str = ""
    """What follows its text."""
    href: str = ""
    said: int = 0
    """How much text there was when it began."""
    table: Table | None = None
    cell: Cell | None = None
    number: int | None = None
    """The number of the next item of a list. None: it has none."""
    indent: str = ""
    """What was indented outside it."""
    marker: bool = False


class _Reader:
    def __init__(self, sheets: Sheets) -> None:
        self._sheets = sheets
        self._stack: list[_Frame] = []
        self._said: list[str] = []
        self._opening = ""
        """What stands before the next text, if there is any in its element."""

    def read(self, document: Node) -> list[Line]:
        lines = Lines()
        self._stack = [_Frame("", ("", frozenset(), {}), Look(), Kind.WORDS, lines)]
        node: Node | None = document.first_child
        while node is not None:
            descends = False
            if isinstance(node, ElementNode):
                descends = self._enter(node)
            elif isinstance(node, TextNode):
                self._text(node.value or "")
            child = node.first_child if descends else None
            if child is not None:
                node = child
                continue
            if descends:
                self._leave()
            while node is not None and node.next is None:
                node = node.parent
                if node is None or len(self._stack) == 1:
                    return lines.closed()
                self._leave()
            node = node.next if node is not None else None
        return lines.closed()

    def _text(self, text: str) -> None:
        frame = self._stack[-1]
        if frame.look.hides:
            return
        if text.strip(" \t\r\n\f"):
            opening, self._opening = self._opening, ""
            if opening in ("^", "_") and not text.strip().lstrip("+-−–")[:1].isdigit():
                opening = ""
            if opening:
                frame.lines.put(opening)
            self._said.append(text)
        frame.lines.put(text, pre=frame.look.pre)

    def _enter(self, node: ElementNode) -> bool:
        """Begin to read an element. False: nothing inside it is text."""
        outer = self._stack[-1]
        tag = (node.tag or "").lower()
        if tag in _NO_TEXT:
            return False
        attributes = {name.lower(): node.getattr(name) or "" for name in node.attrs or ()}
        names = _names(attributes)
        place = (tag, names, attributes)
        path = [*(above.place for above in self._stack[-40:]), place] if self._sheets else [place]
        style = self._sheets.style(path, attributes.get("style", ""))
        look = looked(outer.look, tag, style, attributes)
        display = style.get("display", "")
        if look.gone:
            if tag in _BLOCKS and display != "none":
                outer.lines.block()  # it takes its place all the same
            return False
        frame = _Frame(tag, place, look, outer.kind, outer.lines, said=len(self._said))
        frame.block = (tag in _BLOCKS and not display.startswith("inline")) or display in (
            "block list-item flex grid table table-row table-cell".split()
        )
        frame.tight = (
            tag not in _GAPS or is_tight(style) or bool(tag in _LISTS and outer.lines.indent)
        )
        if frame.block:
            self._space_out(frame)
        elif tag in _BLOCKS:
            frame.lines.put(" ")
        self._stack.append(frame)
        if names or attributes or tag == "includetail":
            self._give_role(frame, outer)
        self._begin(frame, outer, attributes)
        if frame.look.struck and not outer.look.struck:
            self._opening, frame.closing = "~~", "~~"
        return True

    def _space_out(self, frame: _Frame) -> None:
        """Begin a new paragraph or line around an element."""
        frame.lines.block() if frame.tight else frame.lines.gap()

    def _give_role(self, frame: _Frame, outer: _Frame) -> None:
        tag, names, attributes = frame.place
        role = role_of(tag, names, attributes)
        if role is None and may_be_quotation(names) and self._said:
            role = Role.HISTORY
        inside = outer.kind in (Kind.HISTORY, Kind.FORWARDED)
        if role is None or (inside and not (role is Role.HISTORY and outer.role is Role.QUOTING)):
            return
        frame.role = role
        if role in (Role.DIVIDER, Role.BELOW):
            frame.lines.mark(Kind.DIVIDER)
        elif role is Role.BEGINNING:
            frame.lines.mark(Kind.BEGINNING)
        kinds = {
            Role.HISTORY: Kind.HISTORY,
            Role.QUOTING: Kind.HISTORY,
            Role.BELOW: Kind.HISTORY,
            Role.FORWARDED: Kind.FORWARDED,
            Role.SIGNATURE: Kind.SIGNATURE,
        }
        if role in kinds:
            frame.lines.block()
            frame.kind = frame.lines.kind = kinds[role]

    def _begin(self, frame: _Frame, outer: _Frame, attributes: Mapping[str, str]) -> None:
        lines = frame.lines
        match frame.tag:
            case "br":
                if not frame.look.hides:
                    lines.end_line()
            case "hr":
                lines.mark(Kind.DIVIDER if frame.kind is Kind.WORDS else frame.kind, "---")
            case "a":
                frame.href = attributes.get("href", "")
            case "img":
                self._show(frame, picture(attributes))
            case "input":
                self._show(frame, _input(attributes))
            case "del" | "s" | "strike" if not frame.look.struck:
                frame.look = replace(frame.look, struck=True)
            case "q":
                self._opening, frame.closing = "“", "”"
            case "sup":
                self._opening = "^"
            case "sub":
                self._opening = "_"
            case "option":
                if "selected" not in attributes:
                    frame.look = replace(frame.look, hides=True)
            case "blockquote":
                self._quote(frame)
            case "ul" | "ol" | "dir" | "menu":
                frame.number = _number(attributes.get("start"), 1) if frame.tag == "ol" else None
            case "li":
                self._item(frame, outer, attributes)
            case "dd":
                self._indent(frame, "  ")
            case "table":
                self._table(frame, attributes)
            case "tr":
                table = self._table_of()
                if table is not None:
                    table.rows.append([])
            case "td" | "th":
                self._cell(frame, attributes)
            case _:
                pass

    def _show(self, frame: _Frame, text: str) -> None:
        if text and not frame.look.hides:
            self._said.append(text)
            frame.lines.put(text)

    def _quote(self, frame: _Frame) -> None:
        lines = frame.lines
        if lines.depth >= _DEEP:
            return
        if frame.kind is Kind.WORDS:
            lines.block()
            frame.kind = lines.kind = Kind.INDENTED
        lines.depth += 1
        frame.marker = True

    def _item(self, frame: _Frame, outer: _Frame, attributes: Mapping[str, str]) -> None:
        marker = "- "
        if outer.number is not None:
            number = _number(attributes.get("value"), outer.number)
            outer.number = number + 1
            first = {"a": "a", "A": "A"}.get(outer.place[2].get("type", ""))
            letter = chr(ord(first) + number - 1) if first and 0 < number <= 26 else None
            marker = f"{letter or number}. "
        frame.lines.marker = ""
        if self._indent(frame, " " * len(marker)):
            frame.lines.marker = marker

    def _indent(self, frame: _Frame, by: str) -> bool:
        frame.indent = frame.lines.indent
        frame.marker = True
        if len(frame.indent) < 4 * _DEEP:
            frame.lines.indent += by
            return True
        return False

    def _table(self, frame: _Frame, attributes: Mapping[str, str]) -> None:
        tables = sum(above.table is not None for above in self._stack[-200:])
        if tables < _DEEP:
            layout = attributes.get("role", "").lower() in ("presentation", "none")
            frame.table = Table(layout=layout)

    def _table_of(self) -> Table | None:
        """The table that a row or cell stands in."""
        for frame in self._stack[-2:-6:-1]:
            if frame.tag == "table":
                return frame.table
        return None

    def _cell(self, frame: _Frame, attributes: Mapping[str, str]) -> None:
        table = self._table_of()
        if table is None or not table.rows:
            return
        frame.lines = Lines(kind=frame.kind)
        frame.cell = Cell(
            frame.lines.out,
            _number(attributes.get("colspan"), 1),
            _number(attributes.get("rowspan"), 1),
            heading=frame.tag == "th",
        )
        table.rows[-1].append(frame.cell)

    def _leave(self) -> None:
        frame = self._stack.pop()
        outer = self._stack[-1]
        spoke = len(self._said) > frame.said
        if frame.tag in ("sup", "sub", "q") or (frame.closing and not spoke):
            self._opening = ""
        if frame.closing and spoke:
            frame.lines.put(frame.closing)
        if frame.href and not frame.look.hides:
            self._show_target(frame, spoke)
        if frame.cell is not None:
            frame.lines.closed()
            frame.lines = outer.lines
        if frame.table is not None:
            frame.lines.add(frame.table.lines())
        if frame.block:
            frame.lines.block()
        elif frame.tag in _BLOCKS:
            frame.lines.put(" ")
        if frame.marker and frame.tag == "blockquote":
            frame.lines.depth -= 1
        elif frame.marker:
            frame.lines.indent, frame.lines.marker = frame.indent, ""
        if frame.kind is not outer.kind:
            frame.lines.block()
            frame.lines.kind = outer.kind
        if frame.block:
            self._space_out(frame)
        if frame.role is Role.HISTORY and frame.tag == "blockquote" and outer.role is Role.QUOTING:
            # What stands behind a quotation in there is what the person answers to it.
            outer.kind = outer.lines.kind = self._stack[-2].kind

    def _show_target(self, frame: _Frame, spoke: bool) -> None:
        label = "".join(self._said[frame.said : frame.said + 50])
        url = beside_label(frame.href, label) if spoke else ""
        if url:
            frame.lines.put(f" ({url})")


def _names(attributes: Mapping[str, str]) -> frozenset[str]:
    names = [f".{name.lower()}" for name in attributes.get("class", "").split()[:20]]
    if own := attributes.get("id", "").strip().lower():
        names.append(f"#{own}")
    return frozenset(names)


def _number(text: str | None, otherwise: int) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


def _input(attributes: Mapping[str, str]) -> str:
    kind = attributes.get("type", "text").lower()
    if kind in ("checkbox", "radio"):
        return "[x] " if "checked" in attributes else "[ ] "
    return "" if kind in ("hidden", "password", "image", "file") else attributes.get("value", "")
