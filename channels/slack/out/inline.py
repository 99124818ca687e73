"""Lines of words, code and links in Slack's markup. Pure.

Slack has no escapes for * _ ~ and `, it only takes them for markup at the edges of words. So marks
of ours that stand inside a word get a zero-width space beside them, and a typed character that
Slack would take for markup is followed by a soft hyphen, which nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ponderd.channels.markdown.tree import BREAK, Node, other_host, words
from ponderd.channels.text import clean

CHUNK = 1_000
"""Characters of one line that never need to be parted. A longer one may be, best at a blank."""
LINK_LIMIT = 2_000
"""Characters of a link. A longer address is shown as text."""

_SPACE, _HYPHEN = "\u200b", "\u00ad"
_MARKS = {"strong": "*", "em": "_", "s": "~"}
_SPECIAL = re.compile(r"[*_~`]")
_EDGES = frozenset("([{<\"'.,;:!?/|-–—…)]}>&%#+=\u200b")
_BACKTICKS = re.compile("`(?=`)")


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of one kind. `marks` are those of its emphasis, the outermost first."""

    kind: str
    """"typed" (literal text), "code", "link" (in Slack's markup) or "break"."""
    text: str
    marks: str = ""


@dataclass(slots=True)
class _Cell:
    """A character or something indivisible, in a line."""

    shown: str
    """What Slack's parser sees there: its edges decide whether marks beside it count."""
    markup: str
    kind: str
    """"typed", "open", "close", "code" or "link"."""


def size(text: str) -> int:
    """Characters as Slack counts them at most: those beyond U+FFFF are two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


def escape(text: str) -> str:
    """`text` so that Slack shows every character of it as it is, but for its own marks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unfenced(text: str) -> str:
    """`text` without three backticks in a row, which would end or begin a block of code."""
    return _BACKTICKS.sub(f"`{_SPACE}", text) if "```" in text else text


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a line, well-formed by itself."""

    markup: str
    glue: str = ""
    """What joins it to the chunk before."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line in Slack's markup."""

    markup: str
    chunks: tuple[Chunk, ...] = ()
    """The same in chunks of at most `CHUNK` characters. Empty: it is short enough."""


def literal(text: str) -> list[Shown]:
    """The lines of a text that is no Markdown."""
    return [_line([_Run("typed", line)]) for line in clean(text).split("\n")]


def lines_of(nodes: Iterable[Node], marks: str = "") -> list[Shown]:
    """Inline nodes as lines. `marks` are around all of it."""
    lines: list[list[_Run]] = [[]]
    for run in _runs(nodes, marks):
        if run.kind == "break":
            lines.append([])
        else:
            lines[-1].append(run)
    return [_line(line) for line in lines]


def _runs(nodes: Iterable[Node], marks: str) -> Iterator[_Run]:
    for node in nodes:
        token = node.token
        match node.kind:
            case "softbreak" | "hardbreak":
                yield _Run("break", "")
            case "code_inline":
                yield from _code(clean(token.content), marks)
            case "strong" | "em" | "s":
                mark = _MARKS[node.kind]
                yield from _runs(node.children, marks if mark in marks else marks + mark)
            case "link":
                yield from _link(node, marks)
            case _:
                text = BREAK.sub("\n", clean(token.content))
                if text:
                    first, *others = text.split("\n")
                    yield _Run("typed", first, marks)
                    for other in others:
                        yield _Run("break", "")
                        yield _Run("typed", other, marks)


def _code(text: str, marks: str) -> Iterator[_Run]:
    text = " ".join(text.split("\n"))
    if "`" in text or not text.strip():  # Slack's code cannot hold a backtick
        yield _Run("typed", text, marks)
        return
    for start in range(0, len(text), CHUNK // 5):  # each character may be an entity of five
        yield _Run("code", text[start : start + CHUNK // 5], marks)


def _link(node: Node, marks: str) -> Iterator[_Run]:
    children = _filled(node.children)
    while len(children) == 1 and children[0].kind in _MARKS:  # Slack knows none in a label
        mark = _MARKS[children[0].kind]
        marks += mark if mark not in marks else ""
        children = _filled(children[0].children)
    href = str(node.token.attrGet("href"))
    label = " ".join(clean(words(children)).split())
    # Most of what an address may not hold was encoded by the parser.
    target = escape(href.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E"))
    markup = f"<{target}>" if label in ("", href) else f"<{target}|{escape(label)}>"
    if len(markup) > LINK_LIMIT:
        yield _Run("typed", href if label in ("", href) else f"{label} ({href})", marks)
        return
    yield _Run("link", markup, marks)
    if host := other_host(label, href):
        yield _Run("typed", f" ({host})", marks)


def _filled(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.token.content or node.children]


# -- one line ----------------------------------------------------------------------------------


def _line(runs: list[_Run]) -> Shown:
    runs = _stripped(runs)
    [whole] = _parts(runs, None) or [Chunk("")]
    return Shown(whole.markup, tuple(_parts(runs, CHUNK)) if size(whole.markup) > CHUNK else ())


def _parts(runs: list[_Run], limit: int | None) -> list[Chunk]:
    parts: list[Chunk] = []
    for glue, cells in _chunks(runs, limit):
        markup = "".join(cell.markup for cell in _guarded(cells, is_first=not parts))
        if markup.strip():
            parts.append(Chunk(markup, glue if parts else ""))
    return parts


def _stripped(runs: list[_Run]) -> list[_Run]:
    """Without blanks at its ends, where no mark may stand beside one."""
    if runs and runs[0].kind == "typed":
        runs[0] = _Run("typed", runs[0].text.lstrip(" \t"), runs[0].marks)
    if runs and runs[-1].kind == "typed":
        runs[-1] = _Run("typed", runs[-1].text.rstrip(" \t"), runs[-1].marks)
    return [run for run in runs if run.text]


def _chunks(runs: list[_Run], limit: int | None) -> Iterator[tuple[str, list[_Cell]]]:
    """The cells of each chunk, with what joins it to the one before."""
    cells: list[_Cell] = []
    current, length, glue = "", 0, ""
    for run in runs:
        for shown, markup in _atoms(run):
            at_blank = limit is not None and shown.isspace() and length > limit * 3 // 4
            if at_blank or (limit is not None and length and length + size(markup) > limit):
                yield glue, [*cells, *_closing(current, "")]
                glue = shown if at_blank else _SPACE if current or run.marks else ""
                cells, current, length = [], "", 0
            if at_blank:
                continue
            marks = [*_closing(current, run.marks), *_opening(current, run.marks)]
            cells += [*marks, _Cell(shown, markup, run.kind)]
            current = run.marks
            # Each mark may get a character that nobody sees.
            length += size(markup) + 2 * len(marks) + (shown in _MARKS.values())
    yield glue, [*cells, *_closing(current, "")]


def _atoms(run: _Run) -> Iterator[tuple[str, str]]:
    if run.kind == "code":
        yield "`", f"`{escape(run.text)}`"
    elif run.kind == "link":
        yield "<", run.text
    else:
        # Words in one, but for the characters that may be markup, and where a line may be cut.
        for part in _PARTS.findall(run.text):
            yield part, escape(part)


_PARTS = re.compile(r"[*_~`]|\s|[^*_~`\s]{1,150}")


def _shared(before: str, after: str) -> int:
    length = 0
    while length < min(len(before), len(after)) and before[length] == after[length]:
        length += 1
    return length


def _closing(before: str, after: str) -> list[_Cell]:
    ended = before[_shared(before, after) :]
    return [_Cell(mark, mark, "close") for mark in reversed(ended)]


def _opening(before: str, after: str) -> list[_Cell]:
    begun = after[_shared(before, after) :]
    return [_Cell(mark, mark, "open") for mark in begun]


def _guarded(cells: list[_Cell], *, is_first: bool) -> list[_Cell]:
    """The cells with what keeps Slack from reading too much or too little into them."""
    cells = _settled(cells)
    last_end = dict.fromkeys("*_~`", -1)
    for index, cell in enumerate(cells):
        mark = cell.shown
        if mark in last_end and (
            cell.kind in ("close", "code")
            or (cell.kind == "typed" and (mark == "`" or _may_end(cells, index)))
        ):
            last_end[mark] = index
    within: set[str] = set()
    for index, cell in enumerate(cells):
        mark = cell.shown
        if cell.kind == "open":
            within.add(mark)
        elif cell.kind == "close":
            within.discard(mark)
        elif cell.kind == "typed" and mark in last_end:
            begins = mark == "`" or _may_begin(cells, index)
            ends = mark in within and _may_end(cells, index)
            if (begins and last_end[mark] > index) or ends:
                cell.markup += _SPACE if mark == "`" and _next(cells, index) == "`" else _HYPHEN
    for index, cell in enumerate(cells):
        before, after = _previous(cells, index), _next(cells, index)
        parted = index > 0 and cells[index - 1].markup.endswith(_SPACE)
        if cell.kind in ("open", "code") and not (
            parted or _is_edge(cells, index - 1, before, cell)
        ):
            cell.markup = _SPACE + cell.markup
        if cell.kind in ("close", "code") and not _is_edge(cells, index + 1, after, cell):
            cell.markup += _SPACE
        if cell.kind == "open" and after == cell.shown:
            cell.markup += _SPACE
        if cell.kind == "close" and before == cell.shown:
            cell.markup = _SPACE + cell.markup
    if is_first and cells and cells[0].kind == "typed" and cells[0].shown.startswith(">"):
        cells[0].markup = _HYPHEN + cells[0].markup  # else Slack makes a quotation of it
    return cells


def _settled(cells: list[_Cell]) -> list[_Cell]:
    """Without emphasis of nothing; blanks at its edges stand outside of it."""
    settled: list[_Cell] = []
    for cell in cells:
        if cell.kind == "close":
            blanks: list[_Cell] = []
            while settled and settled[-1].kind == "typed" and settled[-1].shown.isspace():
                blanks.append(settled.pop())
            if settled and settled[-1].kind == "open":
                settled.pop()
            else:
                settled.append(cell)
            settled += reversed(blanks)
        elif cell.kind == "typed" and cell.shown.isspace():
            opened = len(settled)
            while opened and settled[opened - 1].kind == "open":
                opened -= 1
            settled.insert(opened, cell)
        else:
            settled.append(cell)
    return settled


def _is_edge(cells: list[_Cell], index: int, char: str, own: _Cell) -> bool:
    """Whether Slack sees a word's edge between `own` and `char` at `index`."""
    if not char or char.isspace():
        return True
    if char == own.shown or char == "`":
        return False
    if char in _MARKS.values() and cells[index].kind != "typed":
        return cells[index].kind == own.kind or own.kind == "code"
    return char in _EDGES


def _may_begin(cells: list[_Cell], index: int) -> bool:
    before, after = _previous(cells, index), _next(cells, index)
    mark = cells[index].shown
    return (
        bool(after)
        and not after.isspace()
        and mark not in (before, after)
        and (not before.isalnum())
    )


def _may_end(cells: list[_Cell], index: int) -> bool:
    before, after = _previous(cells, index), _next(cells, index)
    mark = cells[index].shown
    return (
        bool(before)
        and not before.isspace()
        and mark not in (before, after)
        and (not after.isalnum())
    )


def _previous(cells: list[_Cell], index: int) -> str:
    return cells[index - 1].shown[-1] if index else ""


def _next(cells: list[_Cell], index: int) -> str:
    return cells[index + 1].shown[0] if index + 1 < len(cells) else ""
