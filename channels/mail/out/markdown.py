"""An answer's Markdown as HTML and as good plain text, both for a mail. Pure.

The HTML holds nothing but what is written here: inline styles, no pictures, no scripts. Colours are
left to the mail program, so that it is readable in the dark, too.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markdown_it.token import Token

from ponderd.channels.markdown.dialect import parse
from ponderd.channels.markdown.tree import (
    BREAK,
    Node,
    aligned,
    code_of,
    columns,
    inline,
    numbers,
    other_host,
    rows_of,
    tree,
    words,
)
from ponderd.channels.text import clean

LIMIT = 200_000
"""Characters of an answer that are read as Markdown. A longer one is shown as it was typed."""
TABLE_WIDTH = 100
"""Columns of a table in plain text. A wider one is written row by row."""

_MONOSPACE = "font-family:Consolas,Menlo,'Courier New',monospace;font-size:13px"
_PRE = (
    f"margin:0 0 12px;padding:8px 12px;border:1px solid #b4b4b4;border-radius:4px;{_MONOSPACE};"
    "line-height:1.45;white-space:pre-wrap;word-wrap:break-word"
)
_CELL = "border:1px solid #b4b4b4;padding:4px 10px;vertical-align:top"
_HEADING_SIZES = {"h1": 20, "h2": 18, "h3": 16, "h4": 15, "h5": 14, "h6": 14}


@dataclass(frozen=True, slots=True)
class Rendered:
    html: str
    """A fragment: blocks, without html and body."""
    plain: str
    """With LF, without one at its end."""


def render(source: str) -> Rendered:
    """Both forms of `source`. What cannot be read as Markdown stays as it was typed."""
    text = clean(source).strip("\n")
    tokens = parse(text) if len(text) <= LIMIT else None
    if tokens is None:
        return as_typed(text)
    blocks = tree(tokens)
    shown = Rendered("".join(_html_blocks(blocks)), "\n".join(_plain_blocks(blocks)))
    # A table of a few characters may have many empty cells.
    if len(shown.html) > 100_000 + 60 * len(text) or len(shown.plain) > 100_000 + 10 * len(text):
        return as_typed(text)
    return shown


def as_typed(text: str) -> Rendered:
    """`text` with its own lines and blanks, in the font of code."""
    return Rendered(preformatted(text), text)


def preformatted(text: str) -> str:
    return f'<pre dir="auto" style="{_PRE}">{html.escape(text, quote=False)}</pre>\n'


# -- HTML --------------------------------------------------------------------------------------


def _html_blocks(nodes: Iterable[Node], gap: int = 12) -> Iterator[str]:
    """`gap`: pixels below a paragraph or a list."""
    for node in nodes:
        yield from _html_block(node, gap)


def _html_block(node: Node, gap: int) -> Iterator[str]:
    token = node.token
    match node.kind:
        case "paragraph" if token.hidden:  # in a list without blank lines
            yield f"{_html_inline(inline(node))}\n"
        case "paragraph":
            yield f'<p dir="auto" style="margin:0 0 {gap}px">{_html_inline(inline(node))}</p>\n'
        case "heading":
            style = f"margin:18px 0 8px;font-size:{_HEADING_SIZES[token.tag]}px;line-height:1.3"
            content = _html_inline(inline(node))
            yield f'<{token.tag} dir="auto" style="{style}">{content}</{token.tag}>\n'
        case "bullet_list" | "ordered_list":
            style = f"margin:0 0 {gap}px;padding:0 0 0 28px"
            yield f'<{token.tag} dir="auto" style="{style}">\n'
            for number, item in zip(numbers(node), node.children, strict=True):
                value = f' value="{number}"' if number else ""
                content = "".join(_html_blocks(item.children, 4)).strip()
                yield f'<li{value} dir="auto" style="margin:0 0 4px">{content}</li>\n'
            yield f"</{token.tag}>\n"
        case "blockquote":
            style = "margin:0 0 12px;padding:0 0 0 12px;border-left:3px solid #b4b4b4"
            yield f'<blockquote dir="auto" style="{style}">\n'
            yield from _html_blocks(node.children)
            yield "</blockquote>\n"
        case "fence" | "code_block":
            yield f'<pre dir="ltr" style="{_PRE}">{_escaped(code_of(token))}</pre>\n'
        case "table":
            yield from _html_table(node)
        case "hr":
            yield '<hr style="margin:16px 0;border:0;border-top:1px solid #b4b4b4">\n'


def _html_table(table: Node) -> Iterator[str]:
    # The attributes are for Outlook, which draws with the engine of Word.
    style = "border-collapse:collapse;margin:0 0 12px;font-size:14px"
    yield f'<table border="1" cellpadding="4" cellspacing="0" style="{style}">\n'
    for row in rows_of(table):
        yield "<tr>"
        for cell in row:
            style = f"{_CELL};text-align:{aligned(cell)}" if aligned(cell) != "left" else _CELL
            tag = cell.token.tag
            if tag == "th" and "text-align" not in style:
                style += ";text-align:left"
            yield f'<{tag} dir="auto" style="{style}">{_html_inline(inline(cell), True)}</{tag}>'
        yield "</tr>\n"
    yield "</table>\n"


def _html_inline(nodes: Iterable[Node], in_cell: bool = False, in_link: bool = False) -> str:
    return "".join(_html_node(node, in_cell, in_link) for node in nodes)


def _html_node(node: Node, in_cell: bool, in_link: bool) -> str:
    token = node.token
    match node.kind:
        case "softbreak" | "hardbreak":
            return "<br>\n"
        case "code_inline":
            return f'<code style="{_MONOSPACE}">{_escaped(token.content)}</code>'
        case "strong" | "em" | "s":
            return f"<{token.tag}>{_html_inline(node.children, in_cell, in_link)}</{token.tag}>"
        case "link":
            label = _html_inline(node.children, in_cell, in_link=True)
            href = str(token.attrGet("href"))
            if in_link:
                return f"{label} ({_escaped(href)})"
            if _is_bracketed(token):  # Ann <ann@team.test>
                return f'&lt;<a href="{html.escape(href)}">{label}</a>&gt;'
            title = f' title="{html.escape(str(found))}"' if (found := _title(token)) else ""
            host = other_host(words(node.children).strip(), href)
            shown = label if label.strip() else _escaped(href)
            link = f'<a href="{html.escape(href)}"{title}>{shown}</a>'
            return f"{link} ({_escaped(host)})" if host else link
        case _ if in_cell:
            return "<br>".join(map(_escaped, BREAK.split(token.content)))
        case _:
            return _escaped(token.content)


def _escaped(text: str) -> str:
    return html.escape(clean(text), quote=False)


def _is_bracketed(token: Token) -> bool:
    return token.markup == "autolink" and str(token.attrGet("href")).startswith("mailto:")


def _title(token: Token) -> str:
    return clean(str(token.attrGet("title") or "")).strip()


# -- plain text --------------------------------------------------------------------------------


def _plain_blocks(nodes: Iterable[Node], *, tight: bool = False) -> list[str]:
    """The lines of blocks, with blank lines between them unless they are `tight`."""
    lines: list[str] = []
    for node in nodes:
        block = _plain_block(node)
        if lines and block and not tight:
            lines.append("")
        lines += block
    return lines


def _plain_block(node: Node) -> list[str]:
    token = node.token
    match node.kind:
        case "paragraph":
            return _lines(inline(node))
        case "heading":
            lines = _lines(inline(node))
            underline = {"h1": "=", "h2": "-"}.get(token.tag, "")
            width = min(max(map(columns, lines), default=0), TABLE_WIDTH)
            return [*lines, underline * width] if underline and width else lines
        case "bullet_list" | "ordered_list":
            return _plain_list(node)
        case "blockquote":
            return [f"> {line}".rstrip() for line in _plain_blocks(node.children)]
        case "fence" | "code_block":
            return [f"    {line}".rstrip() for line in clean(code_of(token)).split("\n")]
        case "table":
            return _plain_table(node)
        case _:
            return ["---"]


def _plain_list(node: Node) -> list[str]:
    tight = all(
        child.token.hidden
        for item in node.children
        for child in item.children
        if child.kind == "paragraph"
    )
    lines: list[str] = []
    for number, item in zip(numbers(node), node.children, strict=True):
        mark = f"{number}{item.token.markup}" if number else "-"
        indent = " " * (len(mark) + 1)
        content = _plain_blocks(item.children, tight=tight) or [""]
        if lines and not tight:
            lines.append("")
        lines.append(f"{mark} {content[0]}".rstrip())
        lines += [f"{indent}{line}".rstrip() for line in content[1:]]
    return lines


def _plain_table(table: Node) -> list[str]:
    """Columns, or, where these are too wide, a paragraph for each row."""
    nodes = list(rows_of(table))
    rows = [["; ".join(_lines(inline(cell), in_cell=True)) for cell in row] for row in nodes]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=False)]
    if sum(widths) + 3 * len(widths) > TABLE_WIDTH:
        return _plain_records(rows)
    sides = [aligned(cell) for cell in nodes[0]]
    lines = [_plain_row(row, widths, sides) for row in rows]
    return [lines[0], "   ".join("-" * width for width in widths).rstrip(), *lines[1:]]


def _plain_row(row: list[str], widths: list[int], sides: list[str]) -> str:
    cells = []
    for text, width, side in zip(row, widths, sides, strict=False):
        room = width - columns(text)
        left = {"left": 0, "right": room}.get(side, room // 2)
        cells.append(" " * left + text + " " * (room - left))
    return "   ".join(cells).rstrip()


def _plain_records(rows: list[list[str]]) -> list[str]:
    head, *records = rows
    lines: list[str] = []
    for record in records or [[""] * len(head)]:
        lines += [""] if lines else []
        pairs = zip(head, record, strict=False)
        lines += [
            f"{name}: {text}".strip() if name else text for name, text in pairs if name or text
        ]
    return lines


def _lines(nodes: Iterable[Node], *, in_cell: bool = False) -> list[str]:
    text = clean("".join(_plain_node(node, in_cell) for node in nodes))
    parts = BREAK.split(text) if in_cell else text.split("\n")
    return [line.strip() for line in parts]


def _plain_inline(nodes: Iterable[Node]) -> str:
    return "".join(map(_plain_node, nodes))


def _plain_node(node: Node, in_cell: bool = False) -> str:
    match node.kind:
        case "softbreak" | "hardbreak":
            return "\n"
        case "code_inline":
            return node.token.content if in_cell else f"`{node.token.content}`"
        case "s":
            return f"~~{_plain_inline(node.children)}~~"
        case "link":
            return _plain_link(node)
        case _:
            return node.token.content + _plain_inline(node.children)


def _plain_link(node: Node) -> str:
    href, label = str(node.token.attrGet("href")), _plain_inline(node.children).strip()
    title = f' "{found}"' if (found := _title(node.token)) else ""
    if _is_bracketed(node.token):
        return f"<{label}>"
    if label in ("", href, href.removeprefix("mailto:")) and not title:
        return label or href
    return f"{label} ({href}{title})"
