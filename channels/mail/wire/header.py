"""The header of a mail, or of one of its parts, as mail programs write it. Pure.

Everything that is read here is valid Unicode without controls, whatever bytes arrive.
"""

from __future__ import annotations

import codecs
import email.utils
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from ponderd.channels.charset import decode
from ponderd.channels.errors import Malformed
from ponderd.channels.mail.wire.addresses import Mailbox, parse_list, sender_of
from ponderd.channels.mail.wire.encoded_words import decode_words
from ponderd.channels.mail.wire.message_ids import read_ids
from ponderd.channels.mail.wire.parameters import read_value
from ponderd.channels.text import one_line

HEADER_LIMIT = 128 * 1024
"""Bytes of all headers of a mail together."""
SUBJECT_LIMIT = 1_000
TEXT_LIMIT = 10_000
NAME_LIMIT = 200
"""Characters that are kept of a subject, of any other field, and of a file name."""
FIELD_LIMIT = 20_000
LIST_LIMIT = 12_000
SENDER_LIMIT = 5_000
"""Characters that are read of a field, of a list of addresses or ids, and of From: a header is read
before anything is known of its writer, so it must cost little."""
RAW_LIMIT = 100
"""Fields with raw bytes whose charset is looked for. More have only a stranger's header."""

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]?")
# Fields by which a line is surely one of a header, and not "Note: …" in a body.
_USUAL = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|message-id|in-reply-to|references|reply-to|sender|received|"
    rb"return-path|delivered-to|mime-version|user-agent|precedence|auto-submitted|importance|"
    rb"thread-[a-z]+|content-[a-z-]+|list-[a-z-]+|resent-[a-z-]+|dkim-signature|arc-[a-z-]+|"
    rb"authentication-results|received-spf|x-[a-z0-9-]+)[ \t]*:",
    re.IGNORECASE,
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDIRECTIONAL = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ENCODINGS = {
    "8-bit": "8bit", "7-bit": "7bit", "qp": "quoted-printable", "quotedprintable":
    "quoted-printable", "quoted_printable": "quoted-printable", "base-64": "base64",
    "uuencode": "x-uuencode", "x-uue": "x-uuencode", "uue": "x-uuencode",
}  # fmt: skip
_ENCODING = re.compile(r"[\w-]+(?: (?=bit|printable|64))?[\w-]*", re.IGNORECASE)


def split(content: bytes) -> tuple[bytes, bytes]:
    """The header block and the body of a mail, or of a part of one.

    They are parted by the first empty line; without one, the body begins at the first lines that
    can be no header. One stray line among the headers ends nothing.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    position = 0
    first = True
    while position < len(content) and position <= HEADER_LIMIT:
        line = _line(content, position)
        behind = position + len(line)
        if not line.strip(b"\r\n"):
            return content[:position], content[behind:]
        continues = line[:1] in (b" ", b"\t") and not first
        if not continues and not _FIELD.match(line) and not _goes_on(content, behind):
            return content[:position], content[position:]
        position, first = behind, False
    return content[:position], content[position:]


def _line(content: bytes, position: int) -> bytes:
    end = content.find(b"\n", position)
    return content[position : end + 1 if end >= 0 else len(content)]


def _goes_on(content: bytes, position: int) -> bool:
    """Whether the header goes on within the next lines."""
    for _ in range(3):
        line = _line(content, position)
        if not line.strip(b"\r\n"):
            return False
        if _USUAL.match(line):
            return True
        position += len(line)
    return False


@dataclass(frozen=True)
class Header:
    """The fields in their order, and what they mean."""

    fields: tuple[tuple[str, str], ...]
    """Name in lower case, and value: on one line and not yet decoded (RFC 2047)."""

    def all(self, name: str) -> tuple[str, ...]:
        """The values of every field of this name, as they are written."""
        wanted = name.lower()
        return tuple(value for field, value in self.fields if field == wanted)

    def raw(self, name: str) -> str:
        """The value of the first field of this name, as it is written. "" if there is none."""
        return next(iter(self.all(name)), "")

    def text(self, name: str) -> str:
        """The value of the first field of this name, as it reads. "" if there is none."""
        return one_line(decode_words(self.raw(name)[:FIELD_LIMIT]), TEXT_LIMIT)

    def has(self, name: str) -> bool:
        return bool(self.all(name))

    @cached_property
    def subject(self) -> str:
        return one_line(self.text("subject"), SUBJECT_LIMIT)

    @cached_property
    def sender(self) -> Mailbox:
        """Whom From names. Raises Malformed, which says why, unless it is exactly one person."""
        values = self.all("from")
        if sum(map(len, values)) > SENDER_LIMIT:
            raise Malformed(f"the From header is longer than {SENDER_LIMIT} characters")
        return sender_of(values)

    @cached_property
    def to(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("to")

    @cached_property
    def cc(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("cc")

    @cached_property
    def reply_to(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("reply-to")

    @cached_property
    def own_id(self) -> str | None:
        """The Message-ID, as `<…>`."""
        return next(iter(self._ids("message-id")), None)

    @cached_property
    def ancestors(self) -> tuple[str, ...]:
        """The Message-IDs of the mails above this one in its thread, oldest first."""
        own = self.own_id
        ids = dict.fromkeys((*self._ids("references"), *self._ids("in-reply-to")))
        return tuple(one for one in ids if one != own)

    @cached_property
    def date(self) -> datetime | None:
        """When it was written, by its own words."""
        text = self.text("date")[:200]
        for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
            try:
                date = read(text)
                return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
            except (ValueError, TypeError, IndexError, OverflowError):
                pass
        return None

    @cached_property
    def content_type(self) -> str:
        """Type and subtype in lower case: "text/plain" if there is none that can be read."""
        kind = self._type[0]
        main, _, sub = kind.partition("/")
        if sub and re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,100}", kind, re.ASCII):
            return kind
        usual = {"multipart": "multipart/mixed", "html": "text/html", "message": "message/rfc822"}
        binary = ("application", "image", "audio", "video", "font", "model")
        return usual.get(main, "application/octet-stream" if main in binary else "text/plain")

    @cached_property
    def params(self) -> dict[str, str]:
        """The parameters of Content-Type, names in lower case, values decoded."""
        return self._type[1]

    @cached_property
    def disposition(self) -> str:
        """Of Content-Disposition: "attachment", "inline" or another word; "" if there is none."""
        return one_line(self._disposition[0], 50)

    @cached_property
    def filename(self) -> str:
        """The name of the file that this part is, without its folders. "" if it has none."""
        given = self._disposition[1]
        for name in (given.get("filename"), given.get("name"), self.params.get("name")):
            plain = _file_name(name or "")
            if plain:
                return plain
        return ""

    @cached_property
    def encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case. "7bit" if there is none."""
        found = _ENCODING.search(re.sub(r"\([^()]*\)", "", self.raw("content-transfer-encoding")))
        encoding = found[0].lower().replace(" ", "-") if found else "7bit"
        return _ENCODINGS.get(encoding, encoding)

    @cached_property
    def _type(self) -> tuple[str, dict[str, str]]:
        return read_value(self.raw("content-type"))

    @cached_property
    def _disposition(self) -> tuple[str, dict[str, str]]:
        return read_value(self.raw("content-disposition"))

    def _mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        return parse_list(", ".join(self.all(name))[:LIST_LIMIT])

    @cached_property
    def _people(self) -> frozenset[str]:
        writers = (*self._mailboxes("from"), *self._mailboxes("sender"), *self.reply_to)
        return frozenset(box.address for box in (*writers, *self.to, *self.cc))

    def _ids(self, name: str) -> tuple[str, ...]:
        text = " ".join(self.all(name))
        if len(text) > LIST_LIMIT:  # the root of the thread, and the newest
            first, last = text[: LIST_LIMIT // 4], text[-LIST_LIMIT * 3 // 4 :]
            text = f"{first[: first.rfind('>') + 1]} {last[max(last.find('<'), 0) :]}"
        return read_ids(text, self._people)


def read_header(head: bytes) -> Header:
    """The header whose lines are `head`. Raises Malformed if it is too large.

    What is no field, and continues none, is left out.
    """
    if len(head) > HEADER_LIMIT:
        raise Malformed(f"the header of the mail is larger than {HEADER_LIMIT // 1024} KiB")
    fields = list(_fields(head.removeprefix(codecs.BOM_UTF8)))
    # Raw bytes in a header are most likely in the charset of the text.
    kinds = (value for name, value in fields if name == "content-type")
    label = read_value(next(kinds, b"").decode("ascii", "replace"))[1].get("charset", "")
    raw = itertools.count()
    return Header(tuple((name, _value(value, label, raw)) for name, value in fields))


def _fields(head: bytes) -> Iterator[tuple[str, bytes]]:
    name, lines = "", list[bytes]()
    for line in [*head.split(b"\n"), b"end:"]:
        if line[:1] in (b" ", b"\t"):
            lines.append(line)
            continue
        if name:
            yield name, b"".join(part.removesuffix(b"\r") for part in lines)
        field = _FIELD.match(line)
        name = field[1].decode("ascii").lower() if field else ""
        lines = [line[field.end() :]] if field else []


def _value(value: bytes, label: str, raw: Iterator[int]) -> str:
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    elif next(raw) < RAW_LIMIT:
        text = decode(value, label)
    else:
        text = value.decode("utf-8", "replace")
    return _CONTROLS.sub("\ufffd", text.replace("\r", " ").replace("\n", " ")).strip()


def _file_name(name: str) -> str:
    name = one_line(_BIDIRECTIONAL.sub("", re.split(r"[/\\]", name)[-1]), len(name))
    stem, dot, extension = name.rpartition(".")
    if len(name) > NAME_LIMIT and dot and len(extension) < 20:
        name = stem[: NAME_LIMIT - len(extension) - 1] + dot + extension
    return "" if name.strip(".") == "" else name[:NAME_LIMIT]
