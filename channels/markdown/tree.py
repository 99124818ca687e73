"""The tokens of a Markdown text as a tree, and what every channel wants to know of it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from markdown_it.token import Token

_HOST = re.compile(r"(?<![\w.-])(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
# File names are no hosts. These endings are none of a domain.
_FILE = re.compile(
    r"\.(?:cfg|csv|docx?|go|html?|ini|java|js|json|jsx|log|lock|pdf|pptx?|rb|toml|ts|tsx|txt|xlsx?"
    r"|xml|ya?ml)$",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{0,30}")
BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
"""A line break in the cell of a table."""


@dataclass(slots=True)
class Node:
    token: Token
    kind: str
    children: list[Node] = field(default_factory=list)


def tree(tokens: Iterable[Token]) -> list[Node]:
    top: list[Node] = []
    open_nodes = [top]
    for token in tokens:
        if token.nesting < 0:
            open_nodes.pop()
            continue
        node = Node(token, token.type.removesuffix("_open"))
        if token.type == "inline":
            node.children = tree(token.children or ())
        open_nodes[-1].append(node)
        if token.nesting > 0:
            open_nodes.append(node.children)
    return top


def inline(node: Node) -> list[Node]:
    """The inline nodes of a paragraph, heading or cell."""
    return [entry for child in node.children for entry in child.children]


def rows_of(table: Node) -> Iterator[list[Node]]:
    """The cells of each row, the head first."""
    for part in table.children:
        for row in part.children:
            yield row.children


def aligned(cell: Node) -> str:
    style = str(cell.token.attrGet("style") or "")
    return style.removeprefix("text-align:") or "left"


def numbers(node: Node) -> list[str]:
    """The numbers of a list, one for each item: as typed, but for 1, 1, 1. "" for bullets."""
    typed = [item.token.info for item in node.children]
    if node.kind != "ordered_list" or len(set(typed)) > 1:
        return typed if node.kind == "ordered_list" else ["" for _ in typed]
    return [str(int(typed[0]) + index) for index in range(len(typed))]


def code_of(token: Token) -> str:
    """The lines of a block of code. What stands behind its fence is a language, or one of them."""
    info = token.info.strip()
    head = "" if _LANGUAGE.fullmatch(info) else f"{info}\n"
    return head + token.content.rstrip("\n")


def words(nodes: Iterable[Node]) -> str:
    """The words alone."""
    return "".join(
        " "
        if node.kind in ("softbreak", "hardbreak")
        else node.token.content + words(node.children)
        for node in nodes
    )


def other_host(label: str, href: str) -> str:
    """The host that a link really leads to, if its label looks like another one. Otherwise ""."""
    found = _AUTHORITY.match(href)
    host = _bare_host(found["authority"].rpartition("@")[2] if found else href.rpartition("@")[2])
    if label == href and "@" not in (found["authority"] if found else ""):
        return ""
    inside = _AUTHORITY.match(label)
    shown = inside["authority"] if inside else label
    named = {_bare_host(name) for name in _HOST.findall(shown) if not _FILE.search(name)}
    return host if named - {host} else ""


def _bare_host(host: str) -> str:
    host = host.lower() if host.startswith("[") else host.lower().partition(":")[0]
    return host.partition("?")[0].removeprefix("www.").rstrip(".")


def columns(text: str) -> int:
    """Columns that `text` takes in a font of fixed width."""
    if text.isascii():
        return len(text)
    total = last = 0
    joined = False
    for char in text:
        if char == "\ufe0f":  # shown as a picture
            total, last = total + 2 - last if last else total, 2 if last else 0
        elif char == "\u200d":
            joined = True
            continue
        elif not joined and not "\U0001f3fb" <= char <= "\U0001f3ff":
            last = _columns(char)
            total += last
        joined = False
    return total


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    # Two regional indicators are one flag, two columns wide: each is narrow.
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
