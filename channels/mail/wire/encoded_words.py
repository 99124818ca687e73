"""Encoded words (RFC 2047) in the text of a header, read as mail programs write them. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from ponderd.channels.charset import decode

_START = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_QUOTED = re.compile(rb"=([0-9A-Fa-f]{2})")


@dataclass(slots=True)
class _Word:
    charset: str
    encoding: str
    content: str


def decode_words(text: str) -> str:
    """`text` with its encoded words decoded, as far as they can be. The time is linear.

    Blanks between two words are dropped. Words of one charset are decoded together, since programs
    cut characters in two.
    """
    starts = list(_START.finditer(text))
    pieces: list[str | _Word] = []
    position = 0
    for index, start in enumerate(starts):
        literal = text[position : start.start()]
        between_words = literal.isspace() and pieces and isinstance(pieces[-1], _Word)
        if literal and not between_words:
            pieces.append(literal)
        limit = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        end = text.find("?=", start.end(), limit + 1)
        # Without its end, the word is taken for cut off: it goes up to the next.
        content = text[start.end() : limit if end < 0 else end]
        position = limit if end < 0 else min(end + 2, limit)
        word = _Word(start[1].partition("*")[0], start[2].upper(), content)
        pieces.append(word)
    pieces.append(text[position:])
    return "".join(_joined(pieces))


def _joined(pieces: list[str | _Word]) -> list[str]:
    texts: list[str] = []
    data, charset = bytearray(), ""
    unfinished = ""  # base64 that was cut between two words
    for piece in [*pieces, ""]:
        if isinstance(piece, _Word):
            same = piece.charset.lower() == charset.lower()
            if not same:
                data += _base64(unfinished)
                unfinished = ""
                texts.append(decode(bytes(data), charset))
                data, charset = bytearray(), piece.charset
            if piece.encoding == "B":
                content = _of_base64(unfinished + piece.content)
                cut = len(content) % 4 and "=" not in content
                unfinished = content if cut else ""
                data += b"" if cut else _base64(content)
            else:
                data += _base64(unfinished) + _quoted(piece.content)
                unfinished = ""
        elif piece or data or unfinished:
            data += _base64(unfinished)
            unfinished = ""
            texts += [decode(bytes(data), charset), piece]
            data, charset = bytearray(), ""
    return texts


def _of_base64(content: str) -> str:
    return _NOT_BASE64.sub("", content.replace("-", "+").replace("_", "/"))


def _base64(content: str) -> bytes:
    """What can be read of it: padding may be missing, or stand in the middle."""
    data = b""
    for piece in filter(None, content.split("=")):
        whole = piece[:-1] if len(piece) % 4 == 1 else piece
        data += base64.b64decode(whole + "=" * (-len(whole) % 4))
    return data


def _quoted(content: str) -> bytes:
    data = content.replace("_", " ").encode("utf-8", "replace")
    return _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()), data)
