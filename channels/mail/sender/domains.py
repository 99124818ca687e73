"""Domains in mail, and which of them may speak for which (RFC 7489, 3.1).

Organisations are told apart by the public suffix list that comes with the package publicsuffixlist,
so nothing is downloaded. A newer list comes with a newer package.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


def as_ascii(domain: str) -> str:
    """A domain in lower case, as DNS has it: bücher.example is xn--bcher-kva.example. "" if it
    cannot be one."""
    domain = domain.strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    try:
        return domain[:253].encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def domain_of(address: str) -> str:
    """The domain of a mail address, as `as_ascii` gives it."""
    return as_ascii(address.rpartition("@")[2])


def organization(domain: str) -> str:
    """The organisational domain: that below the public suffix. "" for a public suffix itself."""
    return _list().privatesuffix(as_ascii(domain)[:253]) or ""


def is_aligned(signer: str, domain: str, *, strict: bool = False) -> bool:
    """Whether DMARC lets `signer` speak for `domain`: it is the same one or, unless `strict`,
    belongs to the same organisation."""
    signer, domain = as_ascii(signer), as_ascii(domain)
    if not signer or signer == domain or strict:
        return bool(signer) and signer == domain
    return organization(signer) == organization(domain) != ""


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList()
