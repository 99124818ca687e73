"""Content as it was before its transfer encoding: base64, quoted-printable, uuencode. Pure.

Every decoding is lenient, as mail programs are: it gives what can be read and never fails.
"""

from __future__ import annotations

import binascii
import re

_CHUNK_LIMIT = 1_000
"""Padded pieces of one base64 text. More of them is no accident of a mail program."""

_BLANKS = b" \t\r\n\x0b\x0c"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PADDING = re.compile(rb"=+")
_LINE = re.compile(rb"[^\n]*\n?")
_CLEAN = re.compile(rb"\s*+[A-Za-z0-9+/]*+={0,3}\s*+")
_WORDS = re.compile(rb"\s*+(?:__|--|\S++[ \t]++\S)")
_LONG = 40
"""Characters. A line of the alphabet alone that is as long is data, not a word of a footer."""

_SOFT_BREAK = re.compile(rb"=(?:[ \t]++(?=\r?\n|\Z)|\r(?!\n))")

_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} [^\r\n]+\r?\n")


def decoded(data: bytes, encoding: str) -> bytes:
    """`data` decoded. `encoding` is a Content-Transfer-Encoding, spelt as leniently as it comes;
    what is under an unknown one stays as it is."""
    match re.sub(r"[^a-z0-9]", "", encoding.lower()[:100]):
        case "base64" | "b64":
            return _base64(data)
        case "quotedprintable" | "qp":
            return _quoted_printable(data)
        case "xuuencode" | "uuencode" | "xuue" | "uue":
            begin = _BEGIN.search(data)
            return uudecoded(data[begin.end() :]) if begin else data
        case _:
            return data


def _base64(data: bytes) -> bytes:
    text = data.translate(None, _BLANKS)
    others = text.translate(None, _ALPHABET)
    padded = len(others) <= 3 and text.endswith(others) and not others.strip(b"=")
    if padded and (len(text) % 4 == 0 or b" " not in data):
        return _piece(text.rstrip(b"="))
    text = _before_footer(data)
    if not text:
        return data  # it only says that it is encoded
    text = text.translate(None, bytes(set(range(256)) - set(_ALPHABET + b"=")))
    return b"".join(map(_piece, _PADDING.split(text, _CHUNK_LIMIT)))


def _piece(text: bytes) -> bytes:
    """Decode characters of the alphabet. A last one alone says nothing."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _before_footer(data: bytes) -> bytes:
    """The data without the clear text that a mailing list put below it, which no mail program
    shows. Empty if it begins with words."""
    footer: int | None = None
    begun = False
    for line in _LINE.finditer(data):
        text = line[0]
        if _CLEAN.fullmatch(text):
            begun = begun or bool(text.strip())
            if len(text) > _LONG:
                footer = None
        elif _WORDS.match(text):
            if not begun:
                return b""
            footer = line.start() if footer is None else footer
        else:
            begun = True  # noise in a line of data
    return data[:footer]


def _quoted_printable(data: bytes) -> bytes:
    # binascii takes neither blanks behind a soft line break nor a lone CR for its end, and makes
    # one "=" of two.
    data = _SOFT_BREAK.sub(lambda found: b"=\n" if found[0] == b"=\r" else b"=", data)
    data = data.replace(b"==", b"=3D=").replace(b"==", b"=3D=")
    return binascii.a2b_qp(data)


def uudecoded(data: bytes) -> bytes:
    """Decode the lines below `begin`, up to `end`."""
    lines = []
    for found in _LINE.finditer(data):
        line = found[0].rstrip(b"\r\n")
        if line == b"end":
            break
        if not line:
            continue
        try:
            lines.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders pad the last line with too much.
            size = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                lines.append(binascii.a2b_uu(line[:size]))
            except binascii.Error:
                continue
    return b"".join(lines)
