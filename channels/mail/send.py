"""Outgoing mail: `compose` writes it, `EmailChannel` hands it to the relay or to the outbox."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import textwrap
from datetime import datetime
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from pathlib import Path

import aiosmtplib

from ponderd.channels.errors import DeliveryError
from ponderd.channels.links import approval_link
from ponderd.channels.mail.names import ADDRESS, MESSAGE_ID, MailNames
from ponderd.channels.message import Inquiry, Reply, principal
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import clean, one_line

TIMEOUT = 30.0
"""Seconds that the relay may take for each step of the SMTP dialogue."""

_REPLY_SUBJECT = re.compile(r"(?:re|aw|sv|antw|ref|rif)\s*:", re.IGNORECASE)
# Bytes. RFC 5322 allows 998 in a line; longer ones must be encoded.
_LONG_LINE = 990


def compose(
    reply: Reply,
    *,
    names: MailNames,
    date: datetime,
    public_url: str | None = None,
    readable: bool = False,
) -> EmailMessage:
    """Write the mail that carries `reply`.

    `readable` leaves the text unencoded (8bit), which not every relay accepts.
    A mail that asks for approval says how to answer, provided that the answer can prove who gave
    it: by mail to an address made for this recipient or, with `public_url`, by a link made for
    them. Raises DeliveryError for an address to which mail cannot be sent.
    """
    to, headers = reply.to.to, reply.to.headers
    sender = headers.get("from", f"{reply.agent}@{names.domain}")
    for address in (sender, to):
        if not ADDRESS.fullmatch(address):
            raise DeliveryError(f"not a mail address: {one_line(address)!r}", permanent=True)
    text = _text(reply, names, public_url)
    as_it_is = readable and all(len(line.encode()) <= _LONG_LINE for line in text.splitlines())
    message = EmailMessage(policy=SMTP)
    message.set_content(text, cte="8bit" if as_it_is else "quoted-printable")
    # Folding at 78 columns would encode long Message-IDs. Mail programs could not match them then.
    message.policy = SMTP.clone(max_line_length=998)
    message["From"] = Mailbox(reply.agent, addr_spec=sender)
    message["To"] = to
    message["Subject"] = _subject(reply)
    message["Date"] = date
    message["Message-ID"] = names.message_id(reply.key)
    if answered := MESSAGE_ID.match(reply.resolves or reply.to.thread):
        message["In-Reply-To"] = answered[0]
    references = MESSAGE_ID.findall(f"{headers.get('references', '')} {reply.resolves}")
    if references:
        message["References"] = " ".join(dict.fromkeys(references))
    message["Auto-Submitted"] = "auto-replied" if reply.to.thread else "auto-generated"
    if reply.inquiry is not None:
        _add_inquiry(message, reply.inquiry, to, names)
    return message


def _add_inquiry(message: EmailMessage, inquiry: Inquiry, to: str, names: MailNames) -> None:
    if inquiry.kind == "approval" and names.secret:
        message["Reply-To"] = names.approve_address(inquiry.id, to)
    if inquiry.urgency != "normal":
        # Importance is the standard (RFC 2156); X-Priority is what most mail programs show.
        message["Importance"] = inquiry.urgency
        message["X-Priority"] = "1" if inquiry.urgency == "high" else "5"


def _text(reply: Reply, names: MailNames, public_url: str | None) -> str:
    lines = [clean(reply.text).rstrip("\n")]
    inquiry = reply.inquiry
    if inquiry and inquiry.choices:
        lines += ["", "The choices:", *(f"- {clean(choice)}" for choice in inquiry.choices)]
    if inquiry and inquiry.kind == "approval" and names.secret:
        lines += ["", "Answer this mail with yes or no in its first line."]
        if public_url:
            by = principal("email", reply.to.to)
            link = approval_link(public_url, names.secret, inquiry.id, by)
            lines += [f"Or decide here: {link}"]
    return "\n".join(lines) + "\n"


def _subject(reply: Reply) -> str:
    given = one_line(reply.to.headers.get("subject", ""))
    if not given and not reply.to.thread:
        kind = reply.inquiry.kind if reply.inquiry else ""
        about = "Approval needed" if kind == "approval" else reply.agent
        return f"{about}: {textwrap.shorten(one_line(reply.text, 1000), 80, placeholder='…')}"
    subject = given or "your message"
    is_first = not reply.to.thread and not reply.resolves
    return subject if is_first or _REPLY_SUBJECT.match(subject) else f"Re: {subject}"


class EmailChannel:
    """Hands replies to the relay, or writes them to the outbox folder if there is no relay.

    A reply that is sent again has the same Message-ID, so mail programs recognise it. In the outbox
    it replaces the same file.
    """

    name = "email"

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings

    async def send(self, reply: Reply, *, resend: bool) -> str:
        relay = self._settings.smtp_relay
        message = compose(
            reply,
            names=MailNames(self._settings.mail_domain, self._settings.signing_key),
            date=localtime(),
            public_url=self._settings.public_url,
            readable=relay is None,
        )
        if relay:
            await _hand_over(message, relay, self._settings.mail_domain)
        else:
            await asyncio.to_thread(_put, message, self._settings.outbox)
        return str(message["Message-ID"])

    async def close(self) -> None:
        pass


async def _hand_over(message: EmailMessage, relay: str, domain: str) -> None:
    host, _, port = relay.rpartition(":")
    try:
        await aiosmtplib.send(
            message,
            hostname=host,
            port=int(port),
            local_hostname=domain,
            timeout=TIMEOUT,
            # Use TLS if the relay offers it, whatever its certificate: that still keeps out those
            # who only listen, and plain text would be the alternative.
            validate_certs=False,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        refusal = error.recipients[0]
        raise _failed(refusal.code, refusal.message) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _failed(error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise DeliveryError(f"relay {relay}: {error}") from error


def _failed(code: int, answer: str) -> DeliveryError:
    # SMTP: a 4xx reply means try again later, a 5xx reply means never.
    return DeliveryError(f"relay answered {code} {one_line(answer)}", permanent=code >= 500)


def _put(message: EmailMessage, outbox: Path) -> None:
    name = str(message["Message-ID"]).strip("<>").replace("/", "_") + ".eml"
    try:
        outbox.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=outbox, prefix=".", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes(policy=message.policy.clone(linesep="\n")))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(outbox / name)
    except OSError as error:
        raise DeliveryError(f"cannot write to {outbox}: {error}") from error
