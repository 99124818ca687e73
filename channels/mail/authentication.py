"""Check whether the domain in a mail's From vouches for it: DKIM (RFC 6376), DMARC (RFC 7489).

Either the relay in front of us made that check and reports it in Authentication-Results (RFC 8601),
or we verify the DKIM signatures ourselves. Anything doubtful does not pass.
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
"""Returns the TXT records of a name, perhaps none. Raises Unavailable if DNS does not answer."""

LOOKUP_SECONDS = 5.0
"""How long one DNS lookup may take, with all its retries."""

# Limits, because a stranger chooses the signatures, and each costs DNS lookups and computing time.
_SIGNATURES = 3
_SIGNATURE_LIMIT = 4_000
# If one of these headers comes twice, we may read another copy than the one that was signed.
_SINGLE = (
    "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To",
    "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
)  # fmt: skip
# Some servers take a lone CR or LF for a line end. They would have checked other headers than we
# see (compare "SMTP smuggling"), so such a mail never passes.
_LONE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s;"])+'
_RESULT = re.compile(
    r"\s*([A-Za-z0-9-]+)(?:\s*/\s*\d+)?\s*=\s*([A-Za-z0-9-]+)"
    rf"((?:\s+[A-Za-z][A-Za-z0-9._-]*\s*=\s*{_VALUE})*)\s*",
    re.DOTALL,
)
_PROPERTY = re.compile(rf"([A-Za-z][A-Za-z0-9._-]*)\s*=\s*({_VALUE})", re.DOTALL)


async def is_authenticated(content: bytes, sender: str, how: str, lookup: Lookup) -> bool:
    """Whether the domain of `sender` (the address in From) vouches for the mail.

    `how` is PONDERD_MAIL_AUTHENTICATION: `off` passes everything, `relay:<authserv-id>` believes
    that relay's Authentication-Results, `dkim` verifies signatures with keys from `lookup`.
    Raises Unavailable if DNS does not answer now.
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
    """Whether two domains are aligned as DMARC's relaxed mode wants it, only stricter.

    We have no list of public suffixes. So one domain must contain the other: two subdomains of the
    same domain (a.example.com and b.example.com) are not aligned.
    """
    shorter, longer = sorted((signer.lower().rstrip("."), domain.lower()), key=len)
    return shorter == longer or ("." in shorter and longer.endswith(f".{shorter}"))


# -- what the relay reports -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The result of one method. Everything is in lower case except the values of properties."""

    method: str
    result: str
    properties: dict[str, str]


def _relay_vouches(header: Message, domain: str, authserv_id: str) -> bool:
    # Servers add their header on top. Only the topmost one of our relay counts: the sender may have
    # written those below.
    for field in header.get_all("Authentication-Results", []):
        said_by, results = read_results(str(field))
        if said_by == authserv_id.lower():
            return _vouch(results, domain)
    return False


def _vouch(results: Sequence[MethodResult], domain: str) -> bool:
    for result in results:
        if result.method == "dmarc" and result.result == "fail":
            return False
    return any(
        _about(result) == domain if result.method == "dmarc" else is_aligned(_about(result), domain)
        for result in results
        if result.method in ("dmarc", "dkim") and result.result == "pass"
    )


def _about(found: MethodResult) -> str:
    """The domain for which a DMARC or DKIM result speaks."""
    if found.method == "dmarc":
        return found.properties.get("header.from", "").lower()
    signer = found.properties.get("header.d") or found.properties.get("header.i", "")
    return signer.rpartition("@")[2].lower()


def read_results(field: str) -> tuple[str, tuple[MethodResult, ...]]:
    """The authserv-id (in lower case) and the results of one Authentication-Results header.

    A result that does not follow RFC 8601 is left out. A header that does not gives ("", ()).
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
        if len(properties) == len(pairs):  # a property that comes twice is ambiguous
            yield MethodResult(found[1].lower(), found[2].lower(), properties)


def _sections(field: str) -> list[str]:
    """Split at the semicolons and drop comments. Empty if a quotation or comment stays open.

    Comments nest, and both comments and quotations may contain semicolons, so a regular expression
    cannot do this.
    """
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


# -- what we verify ourselves -----------------------------------------------------------------


def _is_signed(content: bytes, header: Message, domain: str, lookup: Lookup) -> bool:
    """Whether a valid signature of an aligned domain covers From and the whole body."""
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
            and fields[b"a"] != b"rsa-sha1"  # SHA-1 is broken, RFC 8301 forbids it
            and b"l" not in fields  # l= signs only the first bytes: anybody may append to the mail
            and b"from" in verifier.include_headers
        ):
            return True
    return False


def _key(name: str, domain: str, lookup: Lookup) -> bytes | None:
    """The public key record of a signature. None if its signer cannot vouch for `domain`."""
    signer = name.rpartition("._domainkey.")[2]
    if not is_aligned(signer, domain) or (signer != domain and _is_strict(domain, lookup)):
        return None
    records = [record for record in lookup(name) if b"p=" in record]
    # t=y: the signer is only testing, so the mail counts as unsigned (RFC 6376, 3.6.1).
    if len(records) != 1 or re.search(rb"(?:^|;)\s*t\s*=[^;]*\by\b", records[0]):
        return None
    return records[0]


def _is_strict(domain: str, lookup: Lookup) -> bool:
    """Whether DMARC asks for strict alignment (adkim=s). The nearest policy upwards counts."""
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        for record in lookup("_dmarc." + ".".join(labels[start:])):
            if record.lower().startswith(b"v=dmarc1"):
                return re.search(rb"(?i);\s*adkim\s*=\s*s\s*(?:;|$)", record) is not None
    return False


def txt_records(name: str) -> list[bytes]:
    """Ask the DNS servers that this machine is configured with. Implements `Lookup`."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unavailable(f"DNS has no answer for {name} now: {error}") from error
    return [b"".join(record.strings) for record in answer]
