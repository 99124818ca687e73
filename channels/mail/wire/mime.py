"""A mail as the tree of its parts. Pure.

Reads what mail programs read: boundaries that are missing, wrong or never closed, parts without a
header, multiparts in a transfer encoding. The work grows with the size of the mail alone: each
level is searched once for its own boundary, and the number of levels is limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ponderd.channels.errors import Malformed, TooLarge
from ponderd.channels.mail.wire.header import HEADER_LIMIT, Header, read_header, split
from ponderd.channels.mail.wire.transfer import decoded, uudecoded

DEPTH_LIMIT = 20
"""How deep parts may be nested, mails in the mail counted along."""
PART_LIMIT = 200
"""Parts of one mail, those of the mails in it counted along."""
MAIL_LIMIT = 5
"""How deep a mail may lie in mails. One that lies deeper is a file that nobody looks into."""
PART_HEADER_LIMIT = 32 * 1024
"""Bytes of the header of one part."""
_LINE_LIMIT = 2_000
"""Lines of one mail that begin like a boundary of it."""
_GUESSES = 20
"""Lines that are tried as the boundary of a multipart that does not say its own."""

_MAILS = ("message/rfc822", "message/global")

# What may follow a boundary on its line.
_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\r?\Z)")
_FIELDS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\n]*+\n?(?:[ \t]++[^\s][^\n]*+\n?)*+)*+")
_BLANK = re.compile(rb"[ \t]*+\r?(?:\n|\Z)")
_MIME_FIELD = re.compile(rb"(?im)^content-[a-z-]++[ \t]*+:")
_LIKE_BOUNDARY = re.compile(
    rb"(?m)^--(?=[^\r\n]{0,200}[0-9A-Za-z])([0-9A-Za-z'()+_,./:=?-]{1,200})[ \t]*+\r?\n"
)
_UUENCODED = re.compile(
    rb"(?m)^begin [0-7]{3,4} ([^\r\n]{1,200}+)\r?\n"
    rb"((?:[!-`][ -`]{1,90}\r?\n)++)(?:(?:`|[ \t]*+)\r?\n)?end\r?$\n?"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part: a leaf with its content, or a container with its parts."""

    header: Header
    content: bytes = b""
    """The content of a leaf, decoded from its transfer encoding; all of a mail in the mail."""
    parts: tuple[Part, ...] = ()
    """The parts of a multipart; of a message/rfc822 the one mail inside."""


@dataclass(slots=True)
class _Budget:
    """What may still be read of this mail."""

    parts: int = PART_LIMIT
    lines: int = _LINE_LIMIT

    def part(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise TooLarge(f"the mail has more than {PART_LIMIT} parts")

    def line(self) -> None:
        self.lines -= 1
        if self.lines < 0:
            raise TooLarge(f"the mail has more than {_LINE_LIMIT} lines like its boundaries")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tree a part is."""

    budget: _Budget = field(default_factory=_Budget)
    depth: int = 0
    mails: int = 0

    def inside(self, *, mail: bool = False) -> _Place:
        if self.depth == DEPTH_LIMIT:
            raise Malformed(f"the parts of the mail are nested more than {DEPTH_LIMIT} deep")
        return _Place(self.budget, self.depth + 1, self.mails + mail)


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of bytes, so that no level of the tree copies what is below it."""

    data: bytes
    start: int
    end: int
    is_last: bool = False
    """The line below it closes its multipart."""

    def all(self) -> bytes:
        return self.data[self.start : self.end]


def read_mime(content: bytes) -> Part:
    """Read the parts of a mail. Raises Malformed or TooLarge, which name the limit."""
    return _mail(content, _Place())


def _mail(content: bytes, place: _Place) -> Part:
    # What is too large for a header must not be searched for its end.
    head, body = split(content[: HEADER_LIMIT + 1])
    body += content[HEADER_LIMIT + 1 :]
    return _part(read_header(head), _Span(body, 0, len(body)), place)


def _part(header: Header, span: _Span, place: _Place) -> Part:
    place.budget.part()
    kind = header.content_type
    if kind.startswith("multipart/"):
        return _multipart(header, span, place)
    content = span.all()
    if kind in _MAILS:
        return _mail_in_mail(header, content, place)
    content = decoded(content, header.encoding)
    if kind == "text/plain" and header.disposition != "attachment" and b"begin " in content:
        return Part(header, content, tuple(_uuencoded(header, content, place)))
    return Part(header, content)


# -- multiparts -------------------------------------------------------------------------------


def _multipart(header: Header, span: _Span, place: _Place) -> Part:
    boundary, spans = _divided(header, span, place.budget)
    if not spans and header.encoding not in ("", "7bit", "8bit", "binary"):
        whole = decoded(span.all(), header.encoding)
        span = _Span(whole, 0, len(whole))
        boundary, spans = _divided(header, span, place.budget)
    inside = place.inside()
    if not spans:
        text = Part(read_header(b""), span.all()) if span.all().strip() else None
        return Part(header, parts=(text,) if text else ())
    return Part(header, parts=tuple(_children(header, boundary, spans, inside)))


def _children(parent: Header, boundary: bytes, spans: list[_Span], place: _Place) -> Iterator[Part]:
    default = b"Content-Type: message/rfc822\n" if _is_digest(parent) else b""
    rest = iter(spans)
    for span in rest:
        header, body = _head_and_body(span, default)
        if header.content_type.startswith("multipart/") and _boundary(header) == boundary:
            # It uses the boundary of its parent, so what follows, up to its closing line, is its.
            own = [] if span.is_last else list(_up_to_last(rest))
            place.budget.part()
            yield Part(header, parts=tuple(_children(header, boundary, own, place.inside())))
        elif body.start < body.end or span.start < span.end:
            yield _part(header, body, place)


def _is_digest(header: Header) -> bool:
    return header.content_type == "multipart/digest"


def _up_to_last(spans: Iterator[_Span]) -> Iterator[_Span]:
    for span in spans:
        yield span
        if span.is_last:
            return


def _boundary(header: Header) -> bytes:
    return header.params.get("boundary", "").rstrip().encode("utf-8", "replace")


def _divided(header: Header, span: _Span, budget: _Budget) -> tuple[bytes, list[_Span]]:
    """The boundary of a multipart, and what it divides. Without parts: the mail lied about it."""
    boundary = _boundary(header)
    spans = list(_between(boundary, span, budget)) if boundary else []
    if spans:
        return boundary, spans
    guess = _guessed(span)
    return guess, list(_between(guess, span, budget)) if guess else []


def _between(boundary: bytes, span: _Span, budget: _Budget) -> Iterator[_Span]:
    """What lies between the lines of a boundary. Text above the first is not for people, nor is
    what follows a closing line up to the next one."""
    begun: int | None = None
    for line, below, closes in _delimiters(boundary, span, budget):
        if begun is not None:
            yield _Span(span.data, begun, _line_end(span.data, begun, line), closes)
        begun = None if closes else below
    if begun is not None:
        yield _Span(span.data, begun, span.end, True)


def _delimiters(boundary: bytes, span: _Span, budget: _Budget) -> Iterator[tuple[int, int, bool]]:
    """Each line of a boundary: where it begins, where the next one does, whether it closes."""
    mark = b"--" + boundary
    at = span.start
    line = at if span.data.startswith(mark, at, span.end) else _next(mark, span, at)
    while line is not None:
        budget.line()
        at = line + len(mark)
        tail = _TAIL.match(span.data, at, span.end)
        if tail:
            yield line, tail.end(), tail[1] is not None
        line = _next(mark, span, at)


def _next(mark: bytes, span: _Span, at: int) -> int | None:
    return span.data.find(b"\n" + mark, at, span.end) + 1 or None


def _line_end(data: bytes, start: int, line: int) -> int:
    """The end of what precedes a line of a boundary, to which the line end before it belongs."""
    end = line - 1
    if end > start and data[end - 1 : end] == b"\r":
        end -= 1
    return max(start, end)


def _guessed(span: _Span) -> bytes:
    """The boundary that the lines themselves show. Empty if there is none."""
    for tried, found in enumerate(_LIKE_BOUNDARY.finditer(span.data, span.start, span.end)):
        if tried == _GUESSES:
            break
        if _MIME_FIELD.match(span.data, found.end(), span.end):
            return found[1]
        again = span.data.find(b"\n--" + found[1], found.end() - 1, span.end)
        blank = _BLANK.match(span.data, found.end(), span.end)
        if blank and again >= 0 and _TAIL.match(span.data, again + 3 + len(found[1]), span.end):
            return found[1]
    return b""


def _head_and_body(span: _Span, default: bytes) -> tuple[Header, _Span]:
    """The header of a part, `default` if it does not say its type, and what is below it."""
    data, start, end = span.data, span.start, span.end
    limit = min(end, start + PART_HEADER_LIMIT + 1)
    found = _FIELDS.match(data, start, limit)
    below = found.end() if found else start
    if below - start > PART_HEADER_LIMIT:
        raise Malformed(
            f"the header of a part of the mail is larger than {PART_HEADER_LIMIT // 1024} KiB"
        )
    head = data[start:below]
    blank = _BLANK.match(data, below, end)
    if blank:
        below = blank.end()
    elif not _MIME_FIELD.search(head):
        head, below = b"", start  # the text of a part without a header
    header = read_header(head)
    if default and not header.has("Content-Type"):
        header = read_header(default + head)
    return header, _Span(data, below, end)


# -- leaves that hold more --------------------------------------------------------------------


def _mail_in_mail(header: Header, content: bytes, place: _Place) -> Part:
    # RFC 2046 forbids to encode a mail as a whole, and programs do it.
    beginning = content.lstrip()[:2_000]
    fields = _FIELDS.match(beginning)
    if not fields or not fields.end() or b"=3d" in fields[0].lower():
        content = decoded(content, header.encoding)
    if place.mails == MAIL_LIMIT or not content.strip():
        return Part(header, content)
    inside = place.inside(mail=True)
    return Part(header, content, (_mail(content.lstrip(b"\r\n"), inside),))


def _uuencoded(header: Header, content: bytes, place: _Place) -> Iterator[Part]:
    """The files that old programs put into the text, and the text between them."""
    at = 0
    for found in _UUENCODED.finditer(content):
        place.budget.part()
        if content[at : found.start()].strip():
            yield Part(header, content[at : found.start()])
        name = re.sub(rb'[\\"]', b"", found[1]).strip()
        head = b'Content-Disposition: attachment; filename="%s"' % name
        yield Part(
            read_header(b"Content-Type: application/octet-stream\n" + head), uudecoded(found[2])
        )
        at = found.end()
    if at and content[at:].strip():
        yield Part(header, content[at:])
