"""Mail addresses and Message-IDs, among them ours, which carry a mark that nobody else can make.

A mark needs the signing secret. If the secret is empty, marks prove nothing. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import principal
from ponderd.channels.signature import (
    answer_mark,
    inquiry_mark,
    is_answer_mark,
    is_inquiry_mark,
    is_reply_mark,
    reply_mark,
)

_OWN_ID = re.compile(r"<(?P<run>.+)\.(?P<version>\d+)\.(?P<mark>[0-9a-f]{24})@(?P<domain>.+)>")
_APPROVE = re.compile(
    r"approve\+(?P<run>[0-9a-z-]{1,40})\.(?P<version>\d{1,9})\.(?P<mark>[0-9a-f]{20})"
)
_REPLY_TAG = re.compile(
    r"(?P<run>[0-9a-z-]{1,40})\.(?P<version>[0-9]{1,9})\.(?P<mark>[0-9a-f]{16})"
)


@dataclass(frozen=True, slots=True)
class MailNames:
    """The names that one installation gives, from its mail domain and its signing secret."""

    domain: str
    secret: bytes

    def message_id(self, key: str) -> str:
        """The Message-ID of the reply `key` (an `EventRef`). The same key gives the same id."""
        run, version = _parsed(key)
        return f"<{run}.{version}.{reply_mark(self.secret, key)}@{self.domain}>"

    def run_of(self, message_id: str) -> str | None:
        """The run that wrote this Message-ID. None for an id that somebody else may have made."""
        reply = self.reply_of(message_id)
        return reply.run_id if reply else None

    def reply_of(self, message_id: str) -> EventRef | None:
        """The reply that this is the Message-ID of, as `run_of`."""
        found = _OWN_ID.fullmatch(message_id)
        if not found or not self.secret or found["domain"].lower() != self.domain.lower():
            return None
        reply = EventRef.parse(f"{found['run']}:{found['version']}")
        if reply and is_reply_mark(self.secret, str(reply), found["mark"]):
            return reply
        return None

    def approve_address(self, inquiry: str, recipient: str) -> str:
        """The address at which only `recipient` can answer the approval `inquiry` (an `EventRef`).

        The part before the @ has at most 64 characters, the limit of RFC 5321.
        """
        run, version = _parsed(inquiry)
        mark = inquiry_mark(self.secret, inquiry, principal("email", recipient))
        return f"approve+{run}.{version}.{mark}@{self.domain}"

    def reply_address(self, key: str, agent: str) -> str | None:
        """The address of `agent` at which answers to the reply `key` find its run, even from mail
        programs that drop References. None without a secret, and if it were too long (RFC 5321).
        """
        run, version = _parsed(key)
        local = f"{agent}+{run}.{version}.{answer_mark(self.secret, key)}"
        found = _REPLY_TAG.fullmatch(local.partition("+")[2])
        return f"{local}@{self.domain}" if self.secret and found and len(local) <= 64 else None

    def run_of_tag(self, tag: str) -> EventRef | None:
        """The reply that is answered at an address with this tag, if `reply_address` made it.

        It tells where an answer belongs, not who wrote it: addresses get forwarded.
        """
        found = _REPLY_TAG.fullmatch(tag.lower())
        reply = EventRef.parse(f"{found['run']}:{found['version']}") if found else None
        if (
            found
            and reply
            and self.secret
            and is_answer_mark(self.secret, str(reply), found["mark"])
        ):
            return reply
        return None

    def is_inquiry(self, mailbox: str, sender: str) -> bool:
        """Whether mail from `sender` to this mailbox answers an approval."""
        try:
            self.inquiry(mailbox, sender)
        except Unauthenticated:
            return False
        return True

    def inquiry(self, mailbox: str, sender: str) -> EventRef:
        """The approval that mail from `sender` to this mailbox answers. Raises Unauthenticated."""
        found = _APPROVE.fullmatch(mailbox)
        inquiry = EventRef.parse(f"{found['run']}:{found['version']}") if found else None
        if found and inquiry and self.secret:
            person = principal("email", sender)
            if is_inquiry_mark(self.secret, str(inquiry), person, found["mark"]):
                return inquiry
        raise Unauthenticated(
            f"{sender} was not asked to answer here: answer from the address that was asked"
        )


def is_approve_mailbox(mailbox: str) -> bool:
    """Whether the part before the @ has the form that `approve_address` gives it."""
    return _APPROVE.fullmatch(mailbox) is not None


def _parsed(text: str) -> EventRef:
    """Parse a name that ponderd itself gave. Raises ValueError for any other text."""
    ref = EventRef.parse(text)
    if ref is None:
        raise ValueError(f"{text!r} names no event")
    return ref
