"""Whether the domain in a mail's From vouches for it: DKIM (RFC 6376), DMARC (RFC 7489).

Either the relay in front of us checked that and says so in Authentication-Results (RFC 8601), or
we check the DKIM signatures ourselves. Whatever is doubtful does not pass.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from ponderd.channels.errors import Unavailable

Lookup = Callable[[str], Sequence[bytes]]
"""The TXT records of a name, none if it has none. Raises Unavailable when nobody knows now."""

LOOKUP_SECONDS = 5.0

_SIGNATURES = 3
_SIGNATURE_LIMIT = 4_000
# Two of one of these, and we may read another one than was signed.
_SINGLE = (
    "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To",
    "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
)  # fmt: skip
# Others may take a lone CR or LF for a line end, and have seen other headers than we do.
_LONE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s;"])+'
_RESULT = re.compile(
    r"\s*([A-Za-z0-9-]+)(?:\s*/\s*\d+)?\s*=\s*([A-Za-z0-9-]+)"
    rf"((?:\s+[A-Za-z][A-Za-z0-9._-]*\s*=\s*{_VALUE})*)\s*",
    re.DOTALL,
)
_PROPERTY = re.compile(rf"([A-Za-z][A-Za-z0-9._-]*)\s*=\s*({_VALUE})", re.DOTALL)


async def is_authenticated(content: bytes, sender: str, how: str, lookup: Lookup) -> bool:
    """Whether the domain of `sender`, the address in From, vouches for the mail.

    `how` is PONDERD_MAIL_AUTHENTICATION: `off` passes everything, `relay:<authserv-id>` believes
    that relay's Authentication-Results, `dkim` verifies the signatures with keys from `lookup`.
    Raises Unavailable when a key is not to be had now.
    """
    if how == "off":
        return True
    if _LONE_LINE_END.search(content):
        return False
    domain = sender.rpartition("@")[2].lower()
    header = BytesParser(policy=compat32).parsebytes(content, headersonly=True)
    if how == "dkim":
        return await asyncio.to_thread(_is_signed, content, header, domain, lookup)
    return _relay_vouches(header, domain, how.removeprefix("relay:"))


def is_aligned(signer: str, domain: str) -> bool:
    """DMARC's relaxed alignment, but without its list of public suffixes: of two domains one must
    contain the other, so cousins do not count."""
    shorter, longer = sorted((signer.lower().rstrip("."), domain.lower()), key=len)
    return shorter == longer or ("." in shorter and longer.endswith(f".{shorter}"))


# -- what the relay says ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's result, all in lower case but the values of the properties."""

    method: str
    result: str
    properties: dict[str, str]


def _relay_vouches(header: Message, domain: str, authserv_id: str) -> bool:
    # Only the topmost counts: those below may have come with the mail.
    for field in header.get_all("Authentication-Results", []):
        said_by, results = read_results(str(field))
        if said_by == authserv_id.lower():
            return _vouch(results, domain)
    return False


def _vouch(results: Sequence[MethodResult], domain: str) -> bool:
    for found in results:
        if found.method == "dmarc" and found.result == "fail":
            return False
    return any(
        _about(found) == domain if found.method == "dmarc" else is_aligned(_about(found), domain)
        for found in results
        if found.method in ("dmarc", "dkim") and found.result == "pass"
    )


def _about(found: MethodResult) -> str:
    """The domain that a DMARC or DKIM result is about."""
    if found.method == "dmarc":
        return found.properties.get("header.from", "").lower()
    signer = found.properties.get("header.d") or found.properties.get("header.i", "")
    return signer.rpartition("@")[2].lower()


def read_results(field: str) -> tuple[str, tuple[MethodResult, ...]]:
    """The authserv-id, in lower case, and the results of one Authentication-Results header.

    A result that does not follow RFC 8601 is left out, a header that does not gives ("", ()).
    """
    first, *others = _sections(field) or [""]
    said_by = [*first.split(), ""][0].strip('"').lower()
    return said_by, tuple(_results(others))


def _results(sections: Sequence[str]) -> Iterator[MethodResult]:
    for section in sections:
        found = _RESULT.fullmatch(section)
        if found is None:
            continue
        pairs = [(name.lower(), value.strip('"')) for name, value in _PROPERTY.findall(found[3])]
        properties = dict(pairs)
        if len(properties) == len(pairs):
            yield MethodResult(found[1].lower(), found[2].lower(), properties)


def _sections(field: str) -> list[str]:
    """What stands between the semicolons, without comments; nothing if a quotation stays open."""
    sections: list[list[str]] = [[]]
    depth, quoted, escaped = 0, False, False
    for char in field:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            char = " "
        elif char == ";" and not quoted and not depth:
            sections.append([])
            continue
        if not depth:
            sections[-1].append(char)
    return [] if depth or quoted else ["".join(section) for section in sections]


# -- what we verify ---------------------------------------------------------------------------


def _is_signed(content: bytes, header: Message, domain: str, lookup: Lookup) -> bool:
    """Whether an aligned, valid signature covers the whole body and From."""
    import dkim

    signatures = header.get_all("DKIM-Signature", [])
    if any(len(str(signature)) > _SIGNATURE_LIMIT for signature in signatures):
        return False
    if any(len(header.get_all(name, [])) > 1 for name in _SINGLE):
        return False

    def key(name: bytes, timeout: float = 0) -> bytes | None:
        return _key(name.decode("ascii").lower().rstrip("."), domain, lookup)

    for index in range(min(len(signatures), _SIGNATURES)):
        try:
            verifier = dkim.DKIM(content)
            valid = verifier.verify(index, key)
        except (dkim.DKIMException, ValueError, TypeError, LookupError):
            continue
        fields = verifier.signature_fields
        if (
            valid
            and fields[b"a"] != b"rsa-sha1"  # RFC 8301
            and b"l" not in fields  # what is appended to such a mail stays valid
            and b"from" in verifier.include_headers
        ):
            return True
    return False


def _key(name: str, domain: str, lookup: Lookup) -> bytes | None:
    """The public key for a signature, if one of this signer could vouch for `domain`."""
    signer = name.rpartition("._domainkey.")[2]
    if not is_aligned(signer, domain) or (signer != domain and _is_strict(domain, lookup)):
        return None
    records = [record for record in lookup(name) if b"p=" in record]
    # t=y: the signer is only testing, and the mail counts as unsigned (RFC 6376, 3.6.1).
    if len(records) != 1 or re.search(rb"(?:^|;)\s*t\s*=[^;]*\by\b", records[0]):
        return None
    return records[0]


def _is_strict(domain: str, lookup: Lookup) -> bool:
    """Whether the DMARC policy of `domain`, or else of a domain above it, wants adkim=s."""
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        for record in lookup("_dmarc." + ".".join(labels[start:])):
            if record.lower().startswith(b"v=dmarc1"):
                return re.search(rb"(?i);\s*adkim\s*=\s*s\s*(?:;|$)", record) is not None
    return False


def txt_records(name: str) -> list[bytes]:
    """Asks the DNS servers that this machine is set up with. Implements `Lookup`."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unavailable(f"DNS has no answer for {name} now: {error}") from error
    return [b"".join(record.strings) for record in answer]
