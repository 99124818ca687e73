"""The value of a MIME header: what stands before the first semicolon, and its parameters. Pure.

The time is linear; that of the standard library is quadratic.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from ponderd.channels.charset import decode
from ponderd.channels.mail.wire.encoded_words import decode_words
from ponderd.channels.text import clean

_LEADING = re.compile(r"[^\s;,=]++(?:\s*+/\s*+[^\s;,=]++)?+(?!\s*=)")
_NAME = re.compile(r"[\s;,]*([^\s=;,\"]{1,100})[ \t]*=[ \t]*")
_UNREAD = re.compile(r"[\s;,]*[^\s;,]*")
_QUOTE = re.compile(r"(?<!\\)\"")
_CLOSING = re.compile(r"(?<!\\)\"(?=\s*(?:;|\Z))")
_BEHIND_QUOTE = re.compile(r"\"(?:\s*(?:;|\Z)|\s+[\w*-]{1,40}=)")
# A parameter behind a value, with no semicolon between them.
_NEXT = re.compile(r"\s[\w-]{2,40}(?:\*\d{0,3}\*?)?=(?![=?])")
_SECTION = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*)?)?")
_MOST, _LONGEST = 200, 10_000
"""Parameters that are read of one header, and characters of each."""


def read_value(text: str) -> tuple[str, dict[str, str]]:
    """The first token of a header value in lower case, and the parameters behind it.

    Names are in lower case; of two parameters of one name the first counts. Values are decoded
    (RFC 2231, RFC 2047, and what programs write instead), valid Unicode without controls.
    """
    text = text.strip()
    first = _LEADING.match(text)
    token = first[0] if first else ""
    values = _decoded(_pairs(text, first.end() if first else 0))
    return "".join(token.split()).strip("\"'<>()").lower(), values


def _pairs(text: str, position: int) -> list[tuple[str, str]]:
    """Names and values as they are written, but for the quotation marks."""
    pairs: list[tuple[str, str]] = []
    # Once there is no quotation mark of a kind, none is looked for again.
    quotes, closings = True, True
    while position < len(text) and len(pairs) < _MOST:
        name = _NAME.match(text, position)
        if name is None:
            unread = _UNREAD.match(text, position)
            if unread is None or unread.end() == position:
                break
            position = unread.end()
            continue
        start = name.end()
        quote = None
        if text.startswith('"', start):
            start += 1
            quote = _QUOTE.search(text, start) if quotes else None
            quotes = quote is not None
            if quote and text[quote.start() - 1] == "=" and ";" in text[start : quote.start()]:
                quote = None  # it opens the value of the next parameter
            elif quote and not _BEHIND_QUOTE.match(text, quote.start()):
                closing = _CLOSING.search(text, quote.end()) if closings else None
                closings = closing is not None
                quote = closing or quote
        if quote:
            value, position = text[start : quote.start()], quote.end()
            value = value.replace('\\"', '"').replace("\\\\", "\\")
        else:
            semicolon = text.find(";", start)
            position = semicolon if semicolon >= 0 else len(text)
            value = text[start:position]
            following = _NEXT.search(value)
            if following:
                position = start + following.start()
                value = value[: following.start()]
            value = value.strip()
        pairs.append((name[1].lower(), value[:_LONGEST]))
    return pairs


def _decoded(pairs: list[tuple[str, str]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in pairs:
        section = _SECTION.fullmatch(name)
        if section is None:
            plain.setdefault(name, value)
        else:
            number = int(section[2] or 0)
            encoded = section[2] is None or section[3] is not None
            sections.setdefault(section[1], {}).setdefault(number, (value, encoded))
    values = {name: _whole(parts) for name, parts in sections.items()}
    for name, value in plain.items():
        values.setdefault(name, value if name == "boundary" else decode_words(value))
    return {name: clean(value).replace("\n", " ") for name, value in values.items()}


def _whole(sections: dict[int, tuple[str, bool]]) -> str:
    """One value from its sections (RFC 2231): those with percent signs first name the charset."""
    ordered = [sections[number] for number in sorted(sections)]
    if not any(encoded for _, encoded in ordered):
        return decode_words("".join(value for value, _ in ordered))
    charset, data = "", b""
    for index, (value, encoded) in enumerate(ordered):
        text = value
        if encoded and index == 0 and value.count("'") >= 2:
            charset, _, text = value.split("'", 2)
        raw = text.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if encoded else raw
    return decode(data, charset)
