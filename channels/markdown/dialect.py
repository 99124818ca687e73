"""The Markdown of answers: CommonMark with tables and strike-through, less eager. Pure.

What only looks like Markdown stays as it was typed: a*b*c, __init__, C:\\temp\\_new, > 5 %, HTML.
Nothing typed gets lost: a link reference that no link uses stays in the text.
"""

from __future__ import annotations

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, lheading, table
from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_inline import StateInline, escape, link
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

NESTING = 24
"""Levels of lists, quotations and emphasis. The parser drops what is nested more deeply."""

_SCHEME = re.compile(r"https?://[^\s/]|mailto:[^\s@]|tel:[+\d]", re.IGNORECASE)
_UNFIT = re.compile(
    '[\\s\x00-\x20\x7f-\x9f"<>\\\\^`{|}\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e'
    "\u2060-\u206f\ufeff\ud800-\udfff]"
)
_DUNDER = re.compile(r"__([a-z0-9][a-z0-9_]{0,60})__(?![A-Za-z0-9_])")
# Names that Python and others write so. A word that is none of them is bold.
_DUNDER_NAMES = frozenset(
    "abs add aenter aexit aiter all and anext annotations author await bases bool builtins bytes "
    "cached call cause class class_getitem closure code complex contains context copy debug "
    "deepcopy del delattr delete delitem dict dir dirname doc enter eq exit file filename float "
    "format fspath func future ge get getattr getattribute getitem getstate globals gt hash iadd "
    "import index init init_subclass int invert isinstance iter kwdefaults le len loader lt main "
    "match_args matmul metaclass missing mocks mod module mro mul name ne neg new next or package "
    "path pos post_init pow prepare proto pycache qualname radd reduce repr reversed round self "
    "set set_name setattr setitem setstate sizeof slots spec str sub subclasses subclasshook "
    "suppress_context test tests traceback truediv typename version warningregistry weakref "
    "wrapped xor".split()
)
_URL = re.compile(
    # A host in brackets is an IPv6 address. Chinese and Japanese text follows without a blank.
    r"://(?:\[[0-9A-Fa-f:.]{2,45}\])?"
    r"(?:[^\s\x00-\x20\x7f-\x9f\"<>`*\\^{|}\[\]\u3000-\u9fff\uf900-\ufaff\uff00-\uffef]"
    # These may also end it: **https://a.test**, <https://a.test>.
    r"|[*|>](?=~?[A-Za-z0-9%/=&#_-])){1,2000}"
)
_UNSURE, _OPENS = re.compile(r"[|>]"), ("<", '"', "'", "=")
"""An address behind one of these opening marks ends at the first of those."""
# An address of a link that has something of a path in it.
_NO_LINK = re.compile(
    r"\[(?P<label>[^\[\]\n]{0,300}[^\[\]\s])[ \t]*\]\("
    r"(?:<(?P<href>[^<>\n]{1,500})>|(?P<bare>(?=[^\s()]{0,500}[./#:])[^\s()<>]{1,500}"
    r"(?:\([^\s()<>]{0,100}\))?))"
    r"(?:[ \t]{1,9}\"[^\"\n]{0,200}\")?\)"
)
_GLOB = re.compile(r"\*\.\w[\w.-]{0,60}(?![\w.*-])")
_UNDERSCORED = re.compile(r"[/=#]_[^/?&=#]{0,200}[^/?&=#_]_{1,3}[^\w/?&=#]{0,20}$")
_PATH = re.compile(r"[(\"'<\[]?(?:[A-Za-z]:\\|\\\\\w)")
_REST_OF_PATH = re.compile(r"\\[^\s*`]*")
_COMPARISON = re.compile(r">=?[ \t]*[-+~$€£]?\d")


class _Markdown(MarkdownIt):
    """Links lead to web pages, mailboxes and telephones. All others stay text, as typed."""

    def validateLink(self, url: str) -> bool:
        return _SCHEME.match(url) is not None

    def normalizeLink(self, url: str) -> str:
        url = f"https://{url}" if url[:4].lower() == "www." else url
        return _UNFIT.sub(lambda found: _percent(found[0]), url)

    def normalizeLinkText(self, url: str) -> str:
        return self.normalizeLink(url) if _UNFIT.search(url) else url


def parse(source: str) -> list[Token] | None:
    """The tokens of `source`. None if it is nested so deeply that the parser would drop some."""
    try:
        tokens = _with_definitions(_PARSER.parse(source), source)
    except RecursionError:
        return None
    deep = any(token.nesting > 0 and token.level >= NESTING - 1 for token in tokens)
    return None if deep else tokens


def _with_definitions(tokens: list[Token], source: str) -> list[Token]:
    """The tokens, with a paragraph for each link reference that no link uses."""
    if not any(token.type == "definition" for token in tokens):
        return tokens
    used = {
        child.attrs.get("href")
        for token in tokens
        for child in token.children or ()
        if child.type == "link_open" and child.markup != "linkify"
    }
    lines = source.split("\n")
    kept: list[Token] = []
    for token in tokens:
        if token.type != "definition":
            kept.append(token)
        elif token.map and token.meta["url"] not in used:
            text = "\n".join(lines[slice(*token.map)]).strip(" \t>")
            opening = Token("paragraph_open", "p", 1, level=token.level, map=token.map)
            closing = Token("paragraph_close", "p", -1, level=token.level)
            kept += [opening, *_PARSER.parseInline(text), closing]
    return kept


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def _url(state: StateInline, silent: bool) -> bool:
    """A web address in the text, before emphasis can take its underscores."""
    start = state.pos
    if not state.src.startswith("://", start):
        return False
    before = state.src[max(0, start - 6) : start].lower()
    scheme = next((name for name in ("https", "http") if before.endswith(name)), "")
    if not scheme or _is_ascii_word(before[: -len(scheme)][-1:]):
        return False
    found = _URL.match(state.src, start, state.posMax)
    if found is None:
        return False
    whole = found[0]
    if before[: -len(scheme)][-1:] in _OPENS:
        whole = _UNSURE.split(whole, maxsplit=1)[0]
    rest = _trimmed(whole)
    if len(rest) <= len("://"):
        return False
    if not silent:
        url = state.src[start - len(scheme) : start] + rest
        if state.linkLevel or not state.pending.endswith(url[: len(scheme)]):
            state.append_pending(rest)
        else:
            state.pending = state.pending[: -len(scheme)]
            opening = state.push("link_open", "a", 1)
            opening.attrs = {"href": state.md.normalizeLink(url)}
            opening.markup = "linkify"
            state.push("text", "", 0).content = url
            state.push("link_close", "a", -1)
    state.pos = start + len(rest)
    return True


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _trimmed(url: str) -> str:
    """Without the marks at its end that belong to the sentence."""
    surplus = url.count(")") - url.count("(")
    end = len(url)
    is_name = _UNDERSCORED.search(url) is not None  # as in /__init__
    while end:
        last = url[end - 1]
        if last == ")" and surplus > 0:
            surplus -= 1
        elif (last == "_" and is_name) or last not in ".,;:!?'_~”’»…":
            break
        end -= 1
    return url[:end]


def _escape(state: StateInline, silent: bool) -> bool:
    """A backslash in the path of a file is no escape, and the rest of the path is no emphasis."""
    start = state.pos
    if state.src[start] != "\\":
        return False
    before = state.src[max(0, start - 250) : start]
    if not _PATH.match(_last_word(before) + state.src[start : start + 3]):
        return escape(state, silent)
    rest = _REST_OF_PATH.match(state.src, start, state.posMax)
    assert rest is not None
    if not silent:
        state.append_pending(rest[0])
    state.pos = rest.end()
    return True


def _last_word(text: str) -> str:
    """What stands behind the last blank."""
    words = text.split()
    return words[-1] if words and not text[-1].isspace() else ""


def _emphasis(state: StateInline, silent: bool) -> bool:
    start, marker = state.pos, state.src[state.pos]
    if silent or marker not in "_*":
        return False
    name = _DUNDER.match(state.src, start) if marker == "_" else None
    if name and _is_name(
        name[1], state.src[max(0, start - 1) : start], state.src[name.end() : name.end() + 1]
    ):
        state.append_pending(name[0])
        state.pos += len(name[0])
        return True
    scanned = state.scanDelims(start, marker == "*")
    opens, closes = scanned.can_open, scanned.can_close
    last = state.src[start - 1] if start else " "
    end = start + scanned.length
    following = state.src[end] if end < state.posMax else " "
    if _GLOB.match(state.src, start, state.posMax) or (
        last in "/\\" and not following.isalnum() and not following.isspace()
    ):
        opens = closes = False  # in the path of files: *.py, src/**/x
    elif marker == "*":
        opens, closes = _flanks(scanned.length, last, following, opens, closes)
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        token = len(state.tokens) - 1
        state.delimiters.append(
            Delimiter(ord(marker), scanned.length, token, end=-1, open=opens, close=closes)
        )
    state.pos += scanned.length
    return True


def _is_name(word: str, before: str, after: str) -> bool:
    """Whether a word between two underscores on each side is a name, as in Python."""
    if before.isalnum():
        return False
    return (
        word in _DUNDER_NAMES
        or not word.isalpha()
        or before in tuple("/.\\")
        or after in tuple("(/[=")
    )


def _flanks(length: int, last: str, following: str, opens: bool, closes: bool) -> tuple[bool, bool]:
    """Whether asterisks between these two characters open and close emphasis."""
    if last.isspace() or following.isspace():
        return opens, closes
    if _is_wide(last) or _is_wide(following):  # no blanks between words, marks stand anywhere
        return True, True
    if length == 1:
        is_product = (last.isalnum() or last in ")]}_") and (
            following.isalnum() or following in "([{_"
        )
        return (False, False) if is_product else (opens, closes)
    if last.isalnum() and following.isalnum():  # 2**3, but un**believ**able
        return (last.isalpha() and following.isalpha(),) * 2
    return opens, closes or last == ":"  # **Total:**500


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"


def _link(state: StateInline, silent: bool) -> bool:
    """A link. One that leads nowhere from here, as to a file beside, is told: its label, and the
    address as it was typed."""
    if link(state, silent):
        return True
    start, end = state.pos, state.posMax
    found = _NO_LINK.match(state.src, start, end)
    before = state.src[max(0, start - 1) : start]
    if found is None or before.isalnum() or before in tuple(")]"):  # handlers[name](a.b)
        return False
    if not silent:
        state.pos, state.posMax = found.span("label")
        state.linkLevel += 1
        state.md.inline.tokenize(state)
        state.linkLevel -= 1
        state.posMax = end
        href = found["href"] or found["bare"]
        state.append_pending("" if href == found["label"] else f" ({href})")
    state.pos = found.end()
    return True


def _image(state: StateInline, silent: bool) -> bool:
    """A picture is a link: nothing is fetched by showing a mail."""
    if not state.src.startswith("![", state.pos):
        return False
    state.pos += 1
    if _link(state, silent):
        return True
    state.pos -= 1
    return False


def _blockquote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`> 5 %` compares."""
    at = state.bMarks[start] + state.tShift[start]
    if _COMPARISON.match(state.src, at):
        return False
    return blockquote(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A row with more cells than the head keeps them: they stand in its last one."""
    first = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    columns = sum(token.type == "th_open" for token in state.tokens[first:])
    for token in state.tokens[first:]:
        if token.type == "tr_open" and token.map:
            line, cell = token.map[0], 0
        elif token.type == "inline":
            cell += 1
            if cell == columns:
                surplus = _cells(state, line)[columns:]
                token.content = " | ".join([token.content, *surplus])
    return True


def _table_end(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A line without a bar is no row: the sentence below a table stands below it."""
    at = state.bMarks[start] + state.tShift[start]
    return silent and state.parentType == "table" and "|" not in state.src[at : state.eMarks[start]]


def _underlined(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A line of = makes a heading of the line above it. One of dashes is a rule there."""
    below = start + 1
    if below >= end:
        return False
    line = state.src[state.bMarks[below] + state.tShift[below] : state.eMarks[below]].rstrip()
    return len(line) > 2 and not line.strip("=") and lheading(state, start, end, silent)


def _cells(state: StateBlock, line: int) -> list[str]:
    at = state.bMarks[line] + state.tShift[line]
    cells = [cell.strip() for cell in escapedSplit(state.src[at : state.eMarks[line]].strip())]
    return cells[not cells[0] : len(cells) - (len(cells) > 1 and not cells[-1])]


def _parser() -> MarkdownIt:
    options = {"html": False, "maxNesting": NESTING, "inline_definitions": True}
    parser = _Markdown("commonmark", options)
    parser.enable(["table", "strikethrough", "linkify"])
    parser.disable(["html_block", "html_inline"])
    inline, block = parser.inline.ruler, parser.block.ruler
    inline.at("linkify", _url)
    inline.at("escape", _escape)
    inline.at("emphasis", _emphasis)
    inline.at("link", _link)
    inline.at("image", _image)
    block.at("lheading", _underlined)
    block.at("table", _table, {"alt": ["paragraph"]})
    block.before("paragraph", "table_end", _table_end, {"alt": ["blockquote"]})
    block.at("blockquote", _blockquote, {"alt": ["paragraph", "blockquote", "list"]})
    return parser


_PARSER = _parser()
