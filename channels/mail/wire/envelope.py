"""The envelope sender (MAIL FROM) as forwarders, lists and mail services rewrite it. Pure.

The allow-list means the person in From. The envelope is no second allow-list: `may_carry` tells
whether an envelope can belong to a mail of this person, so that only what is surely somebody else's
is refused. With the authentication `off` neither of them proves anything; with `dkim` or a relay,
From is what was proven.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ponderd.channels.mail.wire.addresses import allowed, read_address, split_tag

# SRS0=hash=time=domain=local; of a second forwarder SRS1=hash=forwarder==hash=time=domain=local;
# of Microsoft 365 mailbox+SRS=hash=time=domain=local.
_SRS = re.compile(
    r"(?:.{1,100}\+)?srs(?:0[=+-]|1[=+-][^=]*=[^=]*=[=+-]|=)[^=]*=[^=]*=(?P<domain>[^=]+)="
    r"(?P<local>.+)",
    re.IGNORECASE,
)
# BATV and what Barracuda makes of it.
_BATV = re.compile(r"(?:prvs=[0-9a-z]{4,20}|btv1==[^=]*=)=?(?P<local>[^=].*)", re.IGNORECASE)
_BATV_OLD = re.compile(r"prvs=(?P<local>[^/=]+)/[0-9a-z]{4,20}", re.IGNORECASE)
# Gmail's own forwarding: the person's mailbox, then where it forwards to.
_GMAIL = re.compile(r"(?P<local>.+)\+caf_=.+", re.IGNORECASE)
# VERP: list+ann=team.test@lists.test.
_VERP = re.compile(r"(?:.*[+-])?(?P<local>[^=+]+)=(?P<domain>[^=@]+\.[^=@]+)")

_SERVICE = re.compile(
    r"(?:.*[-+._=])?(?:bounces?|bnc|bounced|return|returns|returnpath|rp|owner|errors?|request|"
    r"sender|verp|fbl|admin|msprvs1|listserv|mailman|noreply|no-reply|sympa|majordomo|postmaster)"
    r"(?:[-+._=0-9].*)?",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?=.*[0-9].*[0-9].*[0-9].*[0-9])[0-9a-z._=+-]{20,}", re.IGNORECASE)


def person_of(mail_from: str) -> str:
    """The person behind an envelope sender, through every usual rewriting of it.

    The address itself if it is not rewritten; "" if there is none (a bounce, or a form that names
    nobody).
    """
    address = read_address(mail_from.strip().removeprefix("<").removesuffix(">"))
    if address is None:
        return ""
    local, _, domain = address.rpartition("@")
    local = local.strip('"')[:200]
    for form in (_SRS, _BATV_OLD, _BATV, _GMAIL, _VERP):
        found = form.fullmatch(local)
        if found:
            parts = found.groupdict()
            return read_address(f"{parts['local']}@{parts.get('domain') or domain}") or ""
    return address


def may_carry(mail_from: str, sender: str, allow: Sequence[str]) -> bool:
    """Whether this envelope can belong to a mail whose From names `sender`.

    Yes for the person themselves, for somebody who is allowed (an assistant who sends for another),
    and for what lists, forwarders and mail services write there, in whatever domain. No for the
    plain address of a stranger.
    """
    person = person_of(mail_from)
    if not person or _is_rewritten(mail_from) or allowed(person, allow):
        return True
    local, _, domain = person.rpartition("@")
    return f"{split_tag(local)[0]}@{domain}" in (sender, _untagged(sender))


def _untagged(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{split_tag(local)[0]}@{domain}"


def _is_rewritten(mail_from: str) -> bool:
    """Whether a program made this address for one mail, or for what comes back."""
    local = mail_from.strip().strip("<>").rpartition("@")[0][:200]
    return "=" in local or bool(_SERVICE.fullmatch(local) or _TOKEN.fullmatch(local))
