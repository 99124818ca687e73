"""A mail as the tree of its parts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from ponderd.channels.errors import Malformed
from ponderd.channels.mail.header import Header


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part: a leaf with its content, or a container with its parts."""

    header: Header
    content: bytes = b""
    """The content of a leaf, decoded from its transfer encoding."""
    parts: tuple[Part, ...] = ()
    """The parts of a multipart; of a message/rfc822 the one mail inside."""


def read_mime(content: bytes) -> Part:
    """Read the parts of a mail. Raises Malformed for a mail that goes over a limit."""
    try:
        return _part(BytesParser(policy=compat32).parsebytes(content))
    except RecursionError:
        raise Malformed("the parts of the mail are nested too deeply") from None


def _part(message: Message) -> Part:
    children = message.get_payload() if message.is_multipart() else None
    if isinstance(children, list):
        parts = tuple(_part(child) for child in children if isinstance(child, Message))
        return Part(Header(message), parts=parts)
    data = message.get_payload(decode=True)
    return Part(Header(message), data if isinstance(data, bytes) else b"")
