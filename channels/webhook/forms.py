"""Forms as programs send them: URL-encoded, and multipart/form-data. Pure and linear."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from ponderd.channels.charset import decode
from ponderd.channels.errors import Malformed
from ponderd.channels.text import one_line

MOST_FIELDS = 1_000

_PARAMETER = re.compile(r';\s{0,9}([\w*-]{1,40})=(?:"((?:[^"\\]|\\.){0,500})"|([^;\s"]{0,500}))')


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file in a form."""

    name: str
    content_type: str
    content: bytes
    charset: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    fields: dict[str, Any]
    """A field that comes several times is a list."""
    files: tuple[FormFile, ...] = ()


def split_value(value: str) -> tuple[str, dict[str, str]]:
    """A header's value in lower case, and the parameters behind it (`type; charset=utf-8`)."""
    token, _, _ = value.partition(";")
    found: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value[:4_000]):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or bare)
    return token.strip().lower(), found


def read_urlencoded(body: bytes, charset: str) -> Form:
    """Raises Malformed."""
    if body.count(b"&") >= MOST_FIELDS:
        raise Malformed(f"the form has more than {MOST_FIELDS} fields")
    pairs = []
    for pair in body.strip().split(b"&"):
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        pairs.append((_unquoted(name, charset), _unquoted(value, charset)))
    return Form(_gathered(pairs))


def read_multipart(body: bytes, boundary: str, charset: str) -> Form:
    """Raises Malformed."""
    if not 0 < len(boundary) <= 200:
        raise Malformed("multipart/form-data without its boundary")
    mark = b"--" + boundary.encode("utf-8", "replace")
    # One more CRLF: the first boundary may be the first bytes.
    pieces = (b"\r\n" + body).split(b"\r\n" + mark, MOST_FIELDS + 2)
    if len(pieces) > MOST_FIELDS + 1:
        raise Malformed(f"the form has more than {MOST_FIELDS} fields")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Malformed("the form ends too early, or its boundary is another one")
    pairs: list[tuple[str, Any]] = []
    files: list[FormFile] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, found, content = piece.partition(b"\r\n\r\n")
        if not found or len(head) > 8_000:
            raise Malformed("a part of the form has no header")
        _part(head, content, charset, pairs, files)
    return Form(_gathered(pairs), tuple(files))


def _part(
    head: bytes,
    content: bytes,
    charset: str,
    pairs: list[tuple[str, Any]],
    files: list[FormFile],
) -> None:
    headers = {}
    for line in decode(head).split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    _, where = split_value(headers.get("content-disposition", ""))
    kind, about = split_value(headers.get("content-type", ""))
    name = one_line(where.get("name", ""))
    label = about.get("charset", charset)
    file_name = _file_name(where)
    if file_name is not None:
        if file_name or content:  # a browser sends a part for a file that nobody chose
            shown = one_line(file_name) or name or "file"
            kind = kind or "application/octet-stream"
            files.append(FormFile(shown, kind, content, about.get("charset", "")))
    elif kind == "application/json":
        pairs.append((name, _json_or_text(content, label)))
    else:
        pairs.append((name, decode(content, label)))


def _file_name(where: dict[str, str]) -> str | None:
    extended = where.get("filename*")
    if extended is not None:
        charset, _, name = extended.rpartition("''")
        return decode(unquote_to_bytes(name), charset)
    return where.get("filename")


def _json_or_text(content: bytes, charset: str) -> Any:
    text = decode(content, charset)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unquoted(text: bytes, charset: str) -> str:
    return decode(unquote_to_bytes(text.replace(b"+", b" ")), charset)


def _gathered(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}
