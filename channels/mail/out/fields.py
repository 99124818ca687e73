"""Header fields as RFC 5322 and RFC 2047 want them, whatever text they carry. Pure.

The standard library writes encoded words longer than the 75 characters that are allowed, and fails
on some texts. So each `Field` is written here, and `AS_WRITTEN` leaves it as it is.
"""

from __future__ import annotations

import base64
import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from email.policy import EmailPolicy
from typing import Any

import idna

from ponderd.channels.text import one_line

LINE = 78
"""Columns of a header line. RFC 5322 recommends it; the limit is 998."""
WORD = 75
"""Characters of an encoded word, the limit of RFC 2047."""
NAME_LIMIT = 100
"""Characters of a display name that are kept."""

# What goes into a header as it is. "=?" begins an encoded word, so a reader would decode it.
_PLAIN = re.compile(r"(?!.*=\?)[!-~]+")
# A longer word is encoded, since only then it can be folded.
_PLAIN_LIMIT = 64
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
# The characters that an encoded word may hold unencoded in every place, also in a name.
_Q_SAFE = frozenset((string.ascii_letters + string.digits + "!*+-/").encode())
_JOINED = re.compile("[\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
# Code points that are kept together, so that a hostile text is no endless one.
_CLUSTER = 10

_DOMAIN = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|\[[A-Za-z0-9:.]{1,60}\]")
_LOCAL = re.compile(r"""[^\s\x00-\x20\x7f-\x9f"(),:;<>@\[\\\]]+|"(?:[^"\\\x00-\x1f]|\\[!-~ ])*\"""")
_DOT_ATOM = re.compile(r"[^.]+(?:\.[^.]+)*|\".*")


class Field(str):
    """What a header field says (the text itself) and how it is written."""

    name: str
    lines: tuple[str, ...]
    """The folded lines. The first one stands behind the field's name."""
    addresses: tuple[str, ...] = ()
    """Of a field of mailboxes."""

    @classmethod
    def of(cls, name: str, says: str, tokens: Iterable[str]) -> Field:
        """Fold `tokens`, which are written with a space between them."""
        field = cls(says)
        field.name = name
        field.lines = tuple(_folded(len(name) + 2, tokens))
        return field


class _AsWritten(EmailPolicy):
    """Keeps every `Field` as it is. Others (Content-Type, for one) are the library's business."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return (
            (name, value) if isinstance(value, Field) else super().header_store_parse(name, value)
        )

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        return value if isinstance(value, Field) else super().header_fetch_parse(name, value)

    def fold(self, name: str, value: Any) -> str:
        if not isinstance(value, Field):
            folded: str = super().fold(name, value)
            return folded
        end: str = self.linesep
        return f"{name}: " + f"{end} ".join(value.lines) + end

    def fold_binary(self, name: str, value: Any) -> bytes:
        if not isinstance(value, Field):
            folded: bytes = super().fold_binary(name, value)
            return folded
        return self.fold(name, value).encode()


AS_WRITTEN = _AsWritten(linesep="\r\n")


def text_field(name: str, text: str, limit: int = 2_000) -> Field:
    """Free text, such as a subject, on one line and cut to `limit` characters."""
    says = one_line(text, limit)
    return Field.of(name, says, _text_tokens(len(name) + 2, says))


def mailbox_field(name: str, mailboxes: Iterable[tuple[str, str]]) -> Field:
    """Mailboxes, each a display name (or "") and an address as `deliverable` gives it."""
    known = [(one_line(person, NAME_LIMIT), address) for person, address in mailboxes]
    tokens: list[str] = []
    for person, address in known:
        if tokens:
            tokens[-1] += ","
        tokens += [*_phrase(len(name) + 2, person), f"<{address}>"] if person else [address]
    says = ", ".join(f"{person} <{address}>" if person else address for person, address in known)
    field = Field.of(name, says, tokens)
    field.addresses = tuple(address for _, address in known)
    return field


def id_field(name: str, ids: Iterable[str]) -> Field:
    """Message-IDs, which are never encoded: mail programs could not match them then."""
    tokens = tuple(ids)
    return Field.of(name, " ".join(tokens), tokens)


def deliverable(address: str) -> str | None:
    """`address` as header and envelope want it. None if it is no address.

    The domain becomes ASCII. The part before the @ may stay in other letters; then only a relay
    that offers SMTPUTF8 can take it.
    """
    local, at, domain = address.rpartition("@")
    if not at or len(address) > 500 or len(local.encode("utf-8", "replace")) > 64:
        return None
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    try:
        local.encode()
    except UnicodeEncodeError:
        return None
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain) or not _LOCAL.fullmatch(local):
        return None
    # Some providers have given out addresses such as a..b@, which RFC 5322 wants to be quoted.
    return f"{local}@{domain}" if _DOT_ATOM.fullmatch(local) else f'"{local}"@{domain}'


def _folded(column: int, tokens: Iterable[str]) -> Iterator[str]:
    line = ""
    for token in tokens:
        if line and column + len(line) + 1 + len(token) > LINE:
            yield line
            line, column = token, 1
        else:
            line = f"{line} {token}" if line else token
    yield line


def _text_tokens(column: int, text: str) -> Iterator[str]:
    words = text.split(" ") if text else []
    plain = 0
    while plain < len(words) and _is_plain(words[plain]):
        plain += 1
    yield from words[:plain]
    for line in _folded(column, words[:plain]):
        last = line
    if plain < len(words):
        used = column + len(last) + 1 if plain else column
        yield from _encoded(" ".join(words[plain:]), LINE - used)


def _is_plain(word: str) -> bool:
    return len(word) <= _PLAIN_LIMIT and bool(_PLAIN.fullmatch(word))


def _phrase(column: int, name: str) -> list[str]:
    """A display name: as atoms, quoted or encoded."""
    if not all(map(_is_plain, name.split())):
        return list(_encoded(name, LINE - column))
    if not _ATOMS.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return name.split()


def _encoded(text: str, first: int) -> Iterator[str]:
    """`text` as encoded words. The first fits into `first` columns, unless these are too few."""
    data = text.encode("utf-8", "replace")
    quoted = sum(1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in data)
    shape = _q if quoted <= 2 * len(data) else _b  # mostly ASCII stays readable
    limit = min(first, WORD) if first >= 30 else WORD
    word = b""
    for cluster in _clusters(text):
        more = cluster.encode("utf-8", "replace")
        if word and len(shape(word + more)) > limit:
            yield shape(word)
            word, limit = b"", WORD
        word += more
    if word:
        yield shape(word)


def _q(data: bytes) -> str:
    shown = (
        chr(byte) if byte in _Q_SAFE else "_" if byte == 0x20 else f"={byte:02X}" for byte in data
    )
    return f"=?utf-8?q?{''.join(shown)}?="


def _b(data: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(data).decode()}?="


def _clusters(text: str) -> Iterator[str]:
    """What a reader takes for one character stays together: accents, joined emoji."""
    cluster = ""
    for char in text:
        joins = cluster.endswith("\u200d") or _JOINED.match(char) or _is_accent(char)
        long = len(cluster) >= _CLUSTER or len((cluster + char).encode("utf-8", "replace")) > 20
        if cluster and (long or not joins):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _is_accent(char: str) -> bool:
    return unicodedata.category(char).startswith("M")
