"""What a sender compressed on the way (Content-Encoding), undone within bounds. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from ponderd.channels.errors import Malformed, TooLarge, Unsupported

LIMIT = 1024 * 1024
"""Most bytes of a body, however it was compressed."""
TAKEN = "gzip, deflate, identity"
"""What a sender may use, as an Accept-Encoding header says it."""
_MOST = 3
"""Encodings on top of each other."""

_GZIP = ("gzip", "x-gzip")


def encodings(headers: Mapping[str, str]) -> list[str]:
    """The encodings in the order in which they were applied, without those that change nothing."""
    given = headers.get("content-encoding", "").lower().split(",")
    return [name for name in map(str.strip, given) if name not in ("", "identity")]


def decoded(headers: Mapping[str, str], body: bytes, limit: int = LIMIT) -> bytes:
    """The body as it was before it was compressed. Raises Unsupported, Malformed or TooLarge."""
    names = encodings(headers)
    unknown = [name for name in names if name not in (*_GZIP, "deflate")]
    if unknown or len(names) > _MOST:
        sent = unknown[0] if unknown else f"{len(names)} encodings"
        raise Unsupported(
            f"Content-Encoding: {sent[:40]!r} is not read; send the body as it is, or one of: "
            f"{TAKEN}"
        )
    for name in reversed(names):
        body = gunzip(body, limit) if name in _GZIP else _inflate(body, limit)
    return body


def gunzip(body: bytes, limit: int = LIMIT) -> bytes:
    """Undo gzip, of one member or several. Raises Malformed or TooLarge."""
    out = bytearray()
    members = 0
    while body and (members == 0 or body.strip(b"\0")):  # padding with zeros is usual
        members += 1
        if members > 100:
            raise Malformed("the gzip body has too many members")
        piece, body = _unpack(body, zlib.MAX_WBITS | 16, "gzip", limit - len(out))
        out += piece
    if not members:
        raise Malformed("the body is empty, and not gzip as Content-Encoding says")
    return bytes(out)


def _inflate(body: bytes, limit: int) -> bytes:
    # "deflate" means zlib's format; some senders leave out its header and its checksum.
    is_zlib = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    window = zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
    out, rest = _unpack(body, window, "deflate", limit)
    if rest:
        raise Malformed(f"{len(rest)} bytes follow the end of the deflate body")
    return out


def _unpack(body: bytes, window: int, name: str, limit: int) -> tuple[bytes, bytes]:
    """What the first stream in `body` holds, and what follows it."""
    stream = zlib.decompressobj(window)
    try:
        out = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Malformed(f"the body is not {name}, or is damaged: {error}") from None
    if len(out) > limit:
        raise TooLarge(f"the body is larger than {LIMIT} bytes when it is unpacked")
    if not stream.eof:
        raise Malformed(f"the {name} body ends too early")
    return out, stream.unused_data
