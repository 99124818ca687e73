"""Check whether the domain in a mail's From vouches for it, and for what in it: DKIM (RFC 6376),
DMARC (RFC 7489).

Either the relay in front of us made that check and reports it in Authentication-Results (RFC 8601),
or we verify the DKIM signatures ourselves. Anything doubtful does not pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ponderd.channels.errors import Unavailable
from ponderd.channels.mail.sender.domains import domain_of, is_aligned
from ponderd.channels.mail.sender.proof import Proof
from ponderd.channels.mail.sender.results import Field, reported, vouches
from ponderd.channels.mail.sender.signatures import (
    FIELDS,
    Lookup,
    Signature,
    read_signature,
    verified,
)
from ponderd.channels.mail.wire.header import read_header, split

LOOKUP_SECONDS = 5.0
"""How long one DNS lookup may take, with all its retries."""

# If one of these headers comes twice, we may read another copy than the one that was signed.
_SINGLE = frozenset({
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to",
    "references", "mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
})  # fmt: skip


async def authenticate(content: bytes, sender: str, how: str, lookup: Lookup) -> Proof | None:
    """What the domain of `sender` (the address in From) vouches for in the mail. None: for nothing.

    `how` is PONDERD_MAIL_AUTHENTICATION: `relay:<authserv-id>` believes that relay's
    Authentication-Results, `dkim` verifies signatures with keys from `lookup`.
    Raises Unavailable if DNS does not answer now.
    """
    return await asyncio.to_thread(_authenticate, content, domain_of(sender), how, lookup)


def _authenticate(content: bytes, domain: str, how: str, lookup: Lookup) -> Proof | None:
    # Some servers take a lone CR or LF for a line end. They would have checked other headers than
    # we see (compare "SMTP smuggling"), so such a mail never passes.
    if not domain or not content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n"):
        return None
    head, end, body = content.partition(b"\r\n\r\n")
    # Nor one of which we read another part as its header.
    if not end or split(content) != (head + b"\r\n", body):
        return None
    fields = [Field(*field) for field in read_header(head).fields]
    names = [field.name for field in fields if field.name in _SINGLE]
    if len(names) != len(set(names)):
        return None
    if how == "dkim":
        return _common(verified(head, body, fields, domain, lookup))
    return _relay_vouches(fields, domain, how.removeprefix("relay:"))


def _relay_vouches(fields: Sequence[Field], domain: str, authserv_id: str) -> Proof | None:
    results = reported(fields, authserv_id, domain)
    if not vouches(results, domain):
        return None
    signers = [result.domain for result in results if result.method == "dkim" and result.passed]
    # The relay does not say which signature it means, and the sender may have added one that is
    # invalid. So only what all of that domain cover is certain.
    values = [field.value for field in fields if field.name == "dkim-signature"]
    signatures = [read_signature(value) for value in values[:FIELDS]]
    ours = [found for found in signatures if found and is_aligned(found.domain, domain)]
    by_dkim = any(result.method == "dkim" for result in results)
    passed = any(
        signer == found.domain or signer.endswith(f".{found.domain}")
        for found in ours
        for signer in signers
    )
    if None in signatures or (by_dkim and not passed):
        return Proof()
    return _common(ours) or Proof()


def _common(signatures: Sequence[Signature]) -> Proof | None:
    """What each of these signatures covers. None if there is none."""
    if not signatures:
        return None
    covered = [found.headers if found.whole else frozenset[str]() for found in signatures]
    times = [found.signed_at for found in signatures]
    known = [time for time in times if time is not None]
    return Proof(
        signed=frozenset.intersection(*covered),
        signed_at=min(known) if len(known) == len(times) else None,
    )


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
