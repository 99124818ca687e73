"""The header of a mail, or of one of its MIME parts. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parseaddr

from ponderd.channels.errors import Malformed
from ponderd.channels.mail.addresses import Mailbox
from ponderd.channels.mail.names import ADDRESS, MESSAGE_ID
from ponderd.channels.text import clean, one_line

HEADER_LIMIT = 128 * 1024
"""Bytes of all headers of a mail together."""
PARAMETER_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class Header:
    message: Message

    def text(self, name: str) -> str:
        raw = str(self.message.get(name, ""))[:10_000]
        try:
            return str(make_header(decode_header(raw)))
        except (MessageError, LookupError, ValueError):
            return raw

    def has(self, name: str) -> bool:
        return self.message.get(name) is not None

    @property
    def subject(self) -> str:
        return one_line(self.text("Subject"))

    @property
    def sender(self) -> Mailbox:
        given = [str(value)[:1_000] for value in self.message.get_all("From", [])]
        address = _address(given[0]) if len(given) == 1 else None
        if address is None or len(getaddresses(given)) != 1:
            raise Malformed("the mail has no usable From header")
        return Mailbox(one_line(parseaddr(given[0])[0]), address)

    @property
    def to(self) -> tuple[Mailbox, ...]:
        return self._list("To")

    @property
    def cc(self) -> tuple[Mailbox, ...]:
        return self._list("Cc")

    @property
    def reply_to(self) -> tuple[Mailbox, ...]:
        return self._list("Reply-To")

    def _list(self, name: str) -> tuple[Mailbox, ...]:
        address = _address(self.text(name))
        return (Mailbox("", address),) if address else ()

    @property
    def own_id(self) -> str | None:
        return next(iter(self._ids("Message-ID")), None)

    @property
    def ancestors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._ids("References"), *self._ids("In-Reply-To"))))

    def _ids(self, name: str) -> list[str]:
        return [clean(entry) for entry in MESSAGE_ID.findall(str(self.message.get(name, "")))]

    @property
    def content_type(self) -> str:
        return one_line(self.message.get_content_type(), 100)

    @property
    def params(self) -> dict[str, str]:
        try:
            return {k: str(v) for k, v in (self.message.get_params() or [])[1:]}
        except (LookupError, ValueError, TypeError):
            return {}

    @property
    def filename(self) -> str:
        try:
            return one_line(self.message.get_filename() or "")
        except (LookupError, ValueError, TypeError):
            return ""

    @property
    def disposition(self) -> str:
        return self.message.get_content_disposition() or ""

    @property
    def encoding(self) -> str:
        return str(self.message.get("Content-Transfer-Encoding", "")).strip().lower()


def split(content: bytes) -> tuple[bytes, bytes]:
    found = re.search(rb"\r?\n\r?\n", content)
    return (content[: found.start()], content[found.end() :]) if found else (content, b"")


def read_header(head: bytes) -> Header:
    if len(head) > HEADER_LIMIT:
        raise Malformed(f"the header of the mail is larger than {HEADER_LIMIT // 1024} KiB")
    return Header(BytesParser(policy=compat32).parsebytes(head, headersonly=True))


def _address(header: str) -> str | None:
    try:
        address = parseaddr(header[:1_000])[1]
    except (RecursionError, IndexError):
        return None
    return address.lower() if ADDRESS.fullmatch(address) and address in header else None
