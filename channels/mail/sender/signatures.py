"""DKIM signatures (RFC 6376): what they say they cover, and whether that is true.

dkimpy checks the signature itself. The body is hashed here, in pieces, because what dkimpy does to
it takes time that grows with the square of its length for some bodies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from ponderd.channels.errors import Unavailable
from ponderd.channels.mail.sender.domains import as_ascii, is_aligned, organization
from ponderd.channels.mail.sender.results import Field

Lookup = Callable[[str], Sequence[bytes]]
"""Returns the TXT records of a name, perhaps none. Raises Unavailable if DNS does not answer."""

# Limits, because a stranger chooses all this, and it costs DNS lookups and computing time.
SIGNATURES = 3
"""So many signatures of a mail are verified."""
FIELDS = 1_000
"""A mail with more header fields is not verified."""
_SIGNATURE_LIMIT = 4_000
_KEY_LIMIT = 4_000
_WIDE = re.compile(r"\s{100}")
_CHUNK = 64 * 1024

_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=([^;]*)")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a DKIM-Signature header says of itself."""

    domain: str
    headers: frozenset[str]
    """The names of the headers that it covers, in lower case."""
    signed_at: float | None
    """When it was made, Unix seconds. None: it does not say."""
    whole: bool
    """It covers the whole body and From, so nobody can add to what was written."""


def read_signature(value: str) -> Signature | None:
    """Read a DKIM-Signature header. None for one that cannot count, whatever it signs."""
    if len(value) > _SIGNATURE_LIMIT or _WIDE.search(value):
        return None
    tags: dict[str, str] = {}
    for part in value.split(";"):
        found = _TAG.fullmatch(part)
        if found is None:
            if part.strip():
                return None
        elif found[1] in tags:
            return None
        else:
            tags[found[1]] = found[2].strip()
    headers = frozenset(name.strip().lower() for name in tags.get("h", "").split(":"))
    made = tags.get("t", "")
    return Signature(
        domain=as_ascii(tags.get("d", "")),
        headers=headers,
        signed_at=float(made) if re.fullmatch("[0-9]{1,12}", made) else None,
        whole="from" in headers and "l" not in tags,
    )


def verified(
    head: bytes, body: bytes, fields: Sequence[Field], domain: str, lookup: Lookup
) -> list[Signature]:
    """The signatures that are valid, cover From and the whole body, and may speak for `domain`.

    `head` and `body` have CRLF line ends; `fields` are those of `head`. It computes, and waits for
    DNS, so call it in a thread. Raises Unavailable if there is none only because DNS is away.
    """
    import dkim

    if len(fields) > FIELDS:
        return []
    verifier = dkim.DKIM()
    try:
        verifier.headers, _ = dkim.rfc822_parse(head)
    except (dkim.DKIMException, LookupError):
        return []
    body_hash = cache(lambda relaxed: _body_hash(body, relaxed=relaxed))
    values = [field.value for field in fields if field.name == "dkim-signature"]
    found: list[Signature] = []
    away: Unavailable | None = None
    for index, value in enumerate(values[:SIGNATURES]):
        signature = read_signature(value)
        if signature is None or not signature.whole or not is_aligned(signature.domain, domain):
            continue
        try:
            if _is_valid(verifier, index, domain, lookup, body_hash):
                found.append(signature)
        except Unavailable as error:
            away = error
    if away and not found:
        raise away
    return found


def _is_valid(
    verifier: object,
    index: int,
    domain: str,
    lookup: Lookup,
    body_hash: Callable[[bool], bytes],
) -> bool:
    import dkim

    def key(name: bytes, timeout: float = 0) -> bytes | None:
        return _key(name.decode("ascii").lower().rstrip("."), domain, lookup)

    assert isinstance(verifier, dkim.DKIM)
    try:
        tags, covered, signatures = verifier.verify_headerprep(index)
        if tags[b"a"] != b"rsa-sha256":  # SHA-1 is broken, RFC 8301 forbids it
            return False
        claimed = base64.b64decode(re.sub(rb"\s+", b"", tags[b"bh"]))
        # Without bh= dkimpy leaves the body alone.
        rest = {name: value for name, value in tags.items() if name != b"bh"}
        if not verifier.verify_sig(rest, covered, signatures[index], key):
            return False
    except (dkim.DKIMException, binascii.Error, ValueError, TypeError, LookupError):
        return False
    _, _, body_form = tags.get(b"c", b"").partition(b"/")
    return claimed == body_hash(body_form == b"relaxed")


def _body_hash(body: bytes, *, relaxed: bool) -> bytes:
    """The SHA-256 of the body in the form that c= names (RFC 6376, 3.4), in linear time."""
    digest = hashlib.sha256()
    if not relaxed:
        digest.update(memoryview(body)[: len(body.rstrip(b"\r\n"))])
        digest.update(b"\r\n")
        return digest.digest()
    line_ends, rest, empty = 0, b"", True
    for start in range(0, len(body), _CHUNK):
        piece = rest + body[start : start + _CHUNK]
        piece = re.sub(rb"[\t ]+", b" ", piece).replace(b" \r\n", b"\r\n")
        text = piece.rstrip(b" \r\n")
        after = piece[len(text) :]
        if text:
            digest.update(b"\r\n" * line_ends + text)
            line_ends, empty = 0, False
        line_ends += after.count(b"\r\n")
        rest = after[after.rfind(b"\n") + 1 :]  # a line's end may be in two pieces
    if not empty:
        digest.update(b"\r\n")
    return digest.digest()


def _key(name: str, domain: str, lookup: Lookup) -> bytes | None:
    """The public key record of a signature. None if its signer cannot vouch for `domain`."""
    signer = name.rpartition("._domainkey.")[2]
    if as_ascii(signer) != domain and _is_strict(domain, lookup):
        return None
    records = [record for record in lookup(name) if b"p=" in record]
    # t=y: the signer is only testing, so the mail counts as unsigned (RFC 6376, 3.6.1).
    if len(records) != 1 or re.search(rb"(?:^|;)\s*t\s*=[^;]*\by\b", records[0]):
        return None
    return records[0] if len(records[0]) <= _KEY_LIMIT else None


def _is_strict(domain: str, lookup: Lookup) -> bool:
    """Whether DMARC asks for strict alignment (adkim=s), in the domain's own policy or else in that
    of its organisation."""
    for name in dict.fromkeys((domain, organization(domain) or domain)):
        for record in lookup(f"_dmarc.{name}"):
            if record.lower().startswith(b"v=dmarc1"):
                return re.search(rb"(?i);\s*adkim\s*=\s*s\s*(?:;|$)", record) is not None
    return False
