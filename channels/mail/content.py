"""Which parts of a mail are its text, and which are files. Pure.

Parts beside each other are read in order. Of alternatives the richest is read that has any words,
because that is the one a mail program shows. Parts that only serve the display (a logo in a
signature) or the transport (a signature over the mail) are neither text nor files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ponderd.channels.charset import declared, decode
from ponderd.channels.documents import File
from ponderd.channels.errors import Refused
from ponderd.channels.mail.sender.machines import automatic_content
from ponderd.channels.mail.text.html import read_html
from ponderd.channels.mail.text.quotation import Reading, Thread, read_plain
from ponderd.channels.mail.wire.flowed import unflow
from ponderd.channels.mail.wire.header import Header
from ponderd.channels.mail.wire.mime import Part, read_mime
from ponderd.channels.text import clean, one_line

TEXT_LIMIT = 40_000
"""Characters of a mail's text that reach the agent directly. A longer one comes as a file, too."""
CUT_LIMIT = 100_000
"""Characters that are kept of what was left out."""
LOGO_LIMIT = 8 * 1024
"""Bytes. A smaller picture that the text only displays is decoration, not a file."""

# Of alternatives, those further right are preferred, whatever their order in the mail.
_RICHNESS = ("text/enriched", "text/plain", "text/html")
_SIGNATURES = frozenset(
    "application/pgp-signature application/pkcs7-signature application/x-pkcs7-signature"
    " application/pgp-keys application/pgp-encrypted text/x-amp-html text/watch-html"
    " message/delivery-status message/disposition-notification text/rfc822-headers".split()
)
_SCREENSHOT = re.compile(
    r"screen|snap|paste|clip|bildschirm|captur|photo|img_|dsc|截|屏|image\.png", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail says, and the files that came with it."""

    text: str
    own: str
    cut: str
    files: tuple[File, ...] = ()
    automatic: str = ""
    """Why its parts show it to be a machine's. Empty: they do not."""

    @property
    def digest(self) -> str:
        """Tells another mail from the same one, below or beside whose words a list or a relay may
        have written something."""
        words = " ".join((self.own if self.own.strip() else self.text).split())
        whole = hashlib.sha256(words.encode("utf-8", "replace"))
        for file in self.files:
            whole.update(hashlib.sha256(file.content).digest())
        return whole.hexdigest()[:32]


def read_content(content: bytes, thread: Thread) -> Content:
    """Read a whole mail. Raises Malformed, TooLarge for one with too many parts, or Forbidden for
    what `automatic_content` refuses."""
    tree = read_mime(content)
    found = _read(tree, thread)
    if reason := automatic_content(tree, found.own):
        return replace(found, automatic=reason)
    if len(found.text) <= TEXT_LIMIT:
        return replace(found, cut=found.cut[:CUT_LIMIT])
    whole = File("mail.txt", "text/plain", found.text.encode(), text=found.text)
    beginning = found.text[:TEXT_LIMIT].rsplit("\n", 1)[0]
    text = f"{beginning}\n[the mail goes on in the attached mail.txt]"
    return replace(found, text=text, cut=found.cut[:CUT_LIMIT], files=(whole, *found.files))


def _read(part: Part, thread: Thread) -> Content:
    return _joined(list(_pieces(part, thread, first=True)))


def _joined(pieces: Sequence[Content]) -> Content:
    def together(texts: Iterator[str]) -> str:
        return "\n\n".join(text.strip("\n") for text in texts if text.strip())

    return Content(
        text=together(piece.text for piece in pieces),
        own=together(piece.own for piece in pieces),
        cut=together(piece.cut for piece in pieces),
        files=tuple(file for piece in pieces for file in piece.files),
    )


def _pieces(part: Part, thread: Thread, *, first: bool) -> Iterator[Content]:
    """The texts and files of a part, in order. `first`: no text came before it."""
    kind = part.header.content_type
    match kind:
        case "multipart/alternative":
            yield _meant(part.parts, thread)
        case "multipart/related":
            yield from _related(part, thread, first=first)
        case "multipart/signed":
            for child in part.parts[:1]:
                yield from _pieces(child, thread, first=first)
        case "message/rfc822" | "message/global" if part.parts:
            yield _forwarded(part, thread)
        case _ if part.parts:
            for child in part.parts:
                for piece in _pieces(child, thread, first=first):
                    first = first and not piece.text
                    yield piece
        case _ if kind in _SIGNATURES or not _has_content(part):
            pass
        case _ if _is_text(part, first):
            yield _text(part, thread)
        case _ if part.header.filename.lower().endswith(".eml"):
            yield _mail_file(part, thread)
        case _:
            yield Content("", "", "", (_file(part),))


def _meant(alternatives: Sequence[Part], thread: Thread) -> Content:
    """The richest alternative with words in it. Files inside any of them are kept."""
    read = [
        (part, _joined(list(_pieces(part, thread, first=True))))
        for part in alternatives
        if part.header.content_type != "text/calendar"
    ]
    chosen = Content("", "", "")
    for _, content in sorted(read, key=lambda entry: _richness(entry[0])):
        if content.text.strip() or content.cut.strip():
            chosen = content
    files = dict.fromkeys(file for _, content in read for file in content.files)
    if not (chosen.text or chosen.cut or files):
        calendars = [part for part in alternatives if part.header.content_type == "text/calendar"]
        return _joined([Content("", "", "", (_file(part),)) for part in calendars if part.content])
    return replace(chosen, files=tuple(files))


def _richness(part: Part) -> int:
    kind = part.header.content_type
    if part.parts:  # a multipart/related or mixed holds the HTML with its pictures
        return len(_RICHNESS)
    return _RICHNESS.index(kind) if kind in _RICHNESS else -1


def _related(part: Part, thread: Thread, *, first: bool) -> Iterator[Content]:
    """The text that a multipart/related displays, and those of its other parts that are files."""
    start = part.header.params.get("start", "")
    root = next(
        (p for p in part.parts if start and p.header.text("Content-ID").strip() == start), None
    )
    root = root or next(iter(part.parts), None)
    if root is None:
        return
    yield from _pieces(root, thread, first=first)
    source = "".join(_html_sources(root))
    for child in part.parts:
        if child is root or (child.header.content_type in _SIGNATURES):
            continue
        content_id = _content_id(child).strip("<>")
        if not (content_id and f"cid:{content_id}" in source and _is_decoration(child)):
            yield from _pieces(child, thread, first=False)


def _content_id(part: Part) -> str:
    return part.header.text("Content-ID").strip()


def _html_sources(part: Part) -> Iterator[str]:
    if part.header.content_type == "text/html":
        yield _decoded(part)
    for child in part.parts:
        yield from _html_sources(child)


def _is_decoration(part: Part) -> bool:
    if not part.header.content_type.startswith("image/"):
        return False
    return len(part.content) < LOGO_LIMIT and not _SCREENSHOT.search(part.header.filename)


def _has_content(part: Part) -> bool:
    return bool(part.content) or bool(part.header.filename)


def _is_text(part: Part, first: bool) -> bool:
    """Whether a part is text of the mail: unless it is surely a file, it is."""
    header = part.header
    if header.content_type not in ("text/plain", "text/html", "text/enriched"):
        return False
    if header.disposition == "attachment":
        return first and not header.filename
    return not header.filename or (first and header.disposition != "inline")


def _text(part: Part, thread: Thread) -> Content:
    text = clean(_decoded(part))
    if part.header.content_type == "text/html":
        return _content(read_html(text, thread))
    if part.header.params.get("format", "").lower() == "flowed":
        text = unflow(text, delsp=part.header.params.get("delsp", "").lower() == "yes")
    return _content(read_plain(text, thread))


def _content(reading: Reading) -> Content:
    return Content(clean(reading.text), clean(reading.own), clean(reading.cut))


def _decoded(part: Part) -> str:
    label = part.header.params.get("charset", "")
    if not label and part.header.content_type == "text/html":
        label = declared(part.content)
    return decode(part.content, label)


def _forwarded(part: Part, thread: Thread) -> Content:
    """A mail inside the mail: forwarded as an attachment. All of it is news to the agent."""
    [inner] = part.parts[:1]
    whole = replace(thread, answers_us=False, knows_us=False, is_forward=True)
    said = _read(inner, whole)
    header = inner.header
    lines = [f"{name}: {value}" for name, value in _described(header) if value]
    text = "\n".join(lines) + f"\n\n{said.text}"
    name = part.header.filename or f"{one_line(header.subject, 80) or 'mail'}.eml"
    return Content("", "", "", (File(name, "message/rfc822", part.content, text=text), *said.files))


def _mail_file(part: Part, thread: Thread) -> Content:
    """A mail that was saved to a file first. One that goes over a limit stays a file."""
    try:
        return _forwarded(replace(part, parts=(read_mime(part.content),)), thread)
    except Refused as error:
        return Content("", "", "", (replace(_file(part), unread=str(error)),))


def _described(header: Header) -> Iterator[tuple[str, str]]:
    for name in ("From", "To", "Cc", "Date", "Subject"):
        yield name, one_line(header.text(name), 300)


def _file(part: Part) -> File:
    header = part.header
    charset = header.params.get("charset", "")
    return File(header.filename or _name(header), header.content_type, part.content, charset)


def _name(header: Header) -> str:
    """A name for a file without one, so that people know which is meant."""
    main, _, sub = header.content_type.partition("/")
    if header.content_type == "text/calendar":
        return "invitation.ics"
    return f"{main}.{sub.removeprefix('x-')}" if sub.isalnum() else main
