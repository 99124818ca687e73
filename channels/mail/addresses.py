"""Mail addresses as headers hold them. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Mailbox(NamedTuple):
    """One person or program: the display name ("" if there is none) and the address."""

    name: str
    address: str


def split_tag(local: str) -> tuple[str, str]:
    """Mailbox and tag of a subaddress: "assistant+invoices" is ("assistant", "invoices")."""
    mailbox, _, tag = local.partition("+")
    return mailbox, tag
