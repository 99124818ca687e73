"""Word, PowerPoint and LibreOffice's text and slides, as text. Pure.

What a reader sees is taken: text boxes, notes and comments, too, but not what is deleted or hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ponderd.channels.office.flow import Effect, Vocabulary, flow
from ponderd.channels.office.package import Node, Package
from ponderd.channels.office.text import Text, UnreadableError

_WORD = Vocabulary(
    paragraphs=frozenset({"p"}),
    table="tbl",
    row="tr",
    cells=frozenset({"tc"}),
    spans=frozenset({"r", "hyperlink", "fld"}),
    breaks={"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"},
    # A tracked change, another drawing of the same, and tab stops, which are no tabs.
    skipped=frozenset({"del", "moveFrom", "Fallback", "tabs", "tabLst"}),
    text=frozenset({"t"}),
)
_LIBRE = Vocabulary(
    paragraphs=frozenset({"p", "h"}),
    table="table",
    row="table-row",
    cells=frozenset({"table-cell", "covered-table-cell"}),
    spans=frozenset({"a", "span"}),
    breaks={"tab": "\t", "line-break": "\n"},
    skipped=frozenset(
        {"tracked-changes", "note-citation", "title", "desc", "forms", "creator-initials"}
    ),
    items=frozenset({"list-item"}),
)
_WEB = re.compile(r"(?i)(https?|ftp|mailto|tel):\S+")


def read_docx(package: Package) -> Text:
    """Headers, then the text, then notes, comments and footers."""
    main = _main_part(package, "word/document.xml")
    folder = main.rpartition("/")[0]
    text = Text()
    parts = {"": [main]}
    for title, stem in (
        ("Header", "header"),
        ("Footnotes", "footnotes"),
        ("Endnotes", "endnotes"),
        ("Comments", "comments"),
        ("Footer", "footer"),
    ):
        pattern = re.compile(rf"{re.escape(folder)}/{stem}[0-9]*\.xml")
        parts[title] = sorted(name for name in package.names if pattern.fullmatch(name))
    for title in ("Header", "", "Footnotes", "Endnotes", "Comments", "Footer"):
        said: set[str] = set()
        for part in parts[title]:
            lines = flow(package.nodes(part), _WORD, _word_look(package, part))
            if title in ("Header", "Footer"):  # the same stands on every kind of page
                whole = "\n".join(lines).strip()
                lines = iter([] if whole in said else [whole])
                said.add(whole)
            _add(text, lines, title)
    return text


def read_pptx(package: Package) -> Text:
    """Slide by slide, in their order, each with its notes."""
    main = _main_part(package, "ppt/presentation.xml")
    related = package.related(main)
    ids = [
        node.attributes.get("r:id", "")
        for node in package.nodes(main)
        if node.kind == "begin" and node.name == "sldId"
    ]
    slides = [related[key][1] for key in ids if key in related]
    text = Text()
    for number, slide in enumerate(slides, 1):
        text.add(f"--- slide {number} ---")
        _add(text, flow(package.nodes(slide), _WORD, _word_look(package, slide)))
        for kind, target in package.related(slide).values():
            if kind == "diagramData":
                _add(text, flow(package.nodes(target), _WORD))
            elif kind == "notesSlide":
                _add(text, _notes(package, target), "Notes")
    return text


def read_libre(package: Package) -> Text:
    """An OpenDocument text or presentation."""
    text = Text()
    _add(text, flow(_pages(package.nodes("content.xml")), _LIBRE, _libre_look))
    _add(text, flow(package.nodes("styles.xml"), _LIBRE, _libre_look), "Header and footer")
    return text


def _libre_look(node: Node) -> Effect | None:
    match node.name:
        case "s":
            return Effect(insert=" " * min(_count(node.attributes.get("c", "1")), 200))
        case "a":
            return _link(node.attributes.get("href", ""))
        case _:
            return None


def _pages(nodes: Iterator[Node]) -> Iterator[Node]:
    """Slides with their numbers, and comments without their dates."""
    number = 0
    in_comment = in_date = False
    for node in nodes:
        kind, name = node.kind, node.name
        if kind != "text" and name == "annotation":
            in_comment = kind == "begin"
        if in_comment and kind != "text" and name == "date":
            in_date = kind == "begin"
        elif not in_date:
            yield node
        if kind == "begin" and name == "page":
            number += 1
            yield Node("begin", "p", {})
            yield Node("text", f"--- slide {number} ---", {})
            yield Node("end", "p", {})


def _word_look(package: Package, part: str) -> Callable[[Node], Effect | None]:
    related = package.related(part)
    note = ""

    def look(node: Node) -> Effect | None:
        nonlocal note
        name, attributes = node.name, node.attributes
        match name:
            case "hyperlink" | "hlinkClick":
                return _link(related.get(attributes.get("r:id", ""), ("", ""))[1])
            case "vanish":
                return Effect(hide=attributes.get("val", "1") not in ("0", "false", "off"))
            case "numPr":
                return Effect(insert="- ")
            case "footnoteReference" | "endnoteReference":
                return Effect(insert=f"[{attributes.get('id', '')}]")
            case "footnote" | "endnote":
                note = attributes.get("id", "")
            case "comment":
                note = attributes.get("author", "")
            case "footnoteRef" | "endnoteRef" | "annotationRef":
                return Effect(insert=f"[{note}] ")
        return None

    return look


def _notes(package: Package, part: str) -> Iterator[str]:
    def without_fields(nodes: Iterator[Node]) -> Iterator[Node]:
        inside = False
        for node in nodes:  # the number of the slide is a field
            if node.name == "fld" and node.kind != "text":
                inside = node.kind == "begin"
            elif not inside:
                yield node

    return flow(without_fields(package.nodes(part)), _WORD)


def _main_part(package: Package, usual: str) -> str:
    for kind, target in package.related("").values():
        if kind == "officeDocument" and target in package:
            return target
    if usual not in package:
        raise UnreadableError("the file is damaged")
    return usual


def _link(target: str) -> Effect | None:
    return Effect(suffix=f" <{target}>") if _WEB.fullmatch(target) else None


def _count(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 1


def _add(text: Text, lines: Iterator[str], title: str = "") -> None:
    """Add lines, at most one empty one in a row, below a title if there are any."""
    empty = True
    for line in lines:
        if not line.strip():
            if not empty:
                text.add()
            empty = True
            continue
        if title:
            text.add(f"{title}:")
            title = ""
        text.add(line)
        empty = False
