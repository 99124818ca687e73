"""E-mail: every agent is a mailbox, and its answers go back into the same thread.

`parse` reads one mail, `compose` writes one; the server that receives is in mailserver.py.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP, compat32
from email.utils import localtime, parseaddr
from pathlib import Path

import aiosmtplib

from channels.errors import DeliveryFailed, Forbidden, Malformed
from channels.message import Address, Attachment, Ignored, Reply, Trigger
from channels.settings import ChannelSettings
from channels.signature import is_reply_mark, reply_mark
from channels.text import clean, latest_reply, one_line, text_of_html

HEADER_LIMIT = 128 * 1024
"""Bytes that all headers of a mail may have together."""
PARAMETER_LIMIT = 4_000
"""Bytes of one Content-Type or Content-Disposition: reading its parameters takes quadratic time."""
TIMEOUT = 30.0
"""Seconds that the relay may take for each step."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_OWN_ID = re.compile(r"<(?P<run>.+)\.(?P<version>\d+)\.(?P<mark>[0-9a-f]{24})@(?P<domain>.+)>")
_REPLY_SUBJECT = re.compile(r"(?:re|aw|sv|antw|ref|rif)\s*:", re.IGNORECASE)
_FORWARD_SUBJECT = re.compile(r"(?:fwd?|wg|tr|rv|i)\s*:", re.IGNORECASE)
_PARAMETRIC = re.compile(
    rb"(?:\A|[\r\n])Content-(?:Type|Disposition):.*(?:\r?\n[ \t].*)*", re.IGNORECASE
)
_PARTS = 100


@dataclass(frozen=True, slots=True)
class MailRules:
    """Whose mail is answered. `allow` holds addresses and @domains, `agents` the mailboxes at
    `domain`; `secret` marks the Message-IDs of our own mails, and proves nothing if empty.
    """

    domain: str
    allow: tuple[str, ...]
    agents: Collection[str]
    secret: bytes

    @classmethod
    def of(cls, settings: ChannelSettings, agents: Collection[str]) -> MailRules:
        allow = settings.mail_allow or (f"@{settings.mail_domain}",)
        return cls(settings.mail_domain, allow, agents, reply_secret(settings))

    def allows(self, address: str) -> bool:
        address = address.lower()
        domain = address[address.rfind("@") :]
        return any(entry.lower() in (address, domain) for entry in self.allow)

    def is_own_address(self, address: str) -> bool:
        return self.agent(address) in self.agents

    def agent(self, address: str) -> str | None:
        """The agent whose mailbox this would be; None for another domain."""
        local, _, domain = address.lower().rpartition("@")
        return local if domain == self.domain.lower() else None

    def run_of(self, message_id: str) -> str | None:
        """The run that wrote this Message-ID; None for an id that others can have made."""
        found = _OWN_ID.fullmatch(message_id)
        if not found or not self.secret or found["domain"].lower() != self.domain.lower():
            return None
        key = f"{found['run']}:{found['version']}"
        return found["run"] if is_reply_mark(self.secret, key, found["mark"]) else None


def reply_secret(settings: ChannelSettings) -> bytes:
    """What marks our Message-IDs: the same in every process of an installation."""
    secret = settings.webhook_secret
    return secret.get_secret_value().encode() if secret else b""


def message_id(key: str, *, domain: str, secret: bytes) -> str:
    """The Message-ID of the reply `key` ("run:version"): always the same one."""
    run, _, version = key.rpartition(":")
    return f"<{run}.{version}.{reply_mark(secret, key)}@{domain}>"


def parse(
    content: bytes, *, mail_from: str, agent: str, rules: MailRules, new_id: Callable[[], str]
) -> Trigger | Ignored:
    """One mail to the mailbox of one agent. Raises Malformed or Forbidden.

    The conversation is the Message-ID at the root of the thread. A mail is authentic when it
    answers a mail of ours: its writer reads the mailbox we wrote to. From proves nothing.
    """
    message = _read(content)
    own_id = next(iter(_ids(message, "Message-ID")), None)
    ancestors = list(dict.fromkeys(_ids(message, "References") + _ids(message, "In-Reply-To")))
    reason = _automatic(message, mail_from)
    if reason:
        return Ignored(reason=reason)
    sender = _sender(message)
    if rules.is_own_address(sender) or (own_id and rules.run_of(own_id)):
        return Ignored(reason="it comes from one of our own agents")
    for address in (mail_from, sender):
        if not rules.allows(address):
            raise Forbidden(f"{address} may not write to {agent}")

    # Without an id of its own the thread gets a root that every answer will carry along.
    root = (ancestors or [own_id or f"<{new_id()}@{rules.domain}>"])[0]
    references = list(dict.fromkeys([root, *ancestors[-20:], *([own_id] if own_id else [])]))
    answer_to = _address(_header(message, "Reply-To"))
    subject = one_line(_header(message, "Subject"))
    text, attachments = _content(message)
    return Trigger(
        channel="email",
        keys=(f"email:{own_id}:{agent}",) if own_id else (),
        conversation=root,
        run_id=next(filter(None, map(rules.run_of, reversed(ancestors))), None),
        text=_said(text, subject, is_reply=bool(ancestors)) or "(no text)",
        sender=sender,
        agent=agent,
        authentic=any(rules.run_of(ancestor) for ancestor in ancestors),
        reply_to=Address(
            channel="email",
            to=answer_to if answer_to and rules.allows(answer_to) else sender,
            thread=own_id or "",
            headers={
                "subject": subject,
                "references": " ".join(references),
                "from": f"{agent}@{rules.domain}",
            },
        ),
        attachments=attachments,
    )


def _read(content: bytes) -> Message:
    header, _, _ = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    if len(header) > HEADER_LIMIT:
        raise Malformed(f"the header of the mail is larger than {HEADER_LIMIT // 1024} KiB")
    if any(len(found[0]) > PARAMETER_LIMIT for found in _PARAMETRIC.finditer(content)):
        raise Malformed("a Content-Type or Content-Disposition of the mail is too long")
    try:
        # compat32 keeps headers as they came; the newer policies crash on many broken ones.
        return BytesParser(policy=compat32).parsebytes(content)
    except RecursionError:
        raise Malformed("the parts of the mail are nested too deeply") from None


def _header(message: Message, name: str) -> str:
    """A header decoded, or as it is when it cannot be."""
    raw = str(message.get(name, ""))[:10_000]
    try:
        return str(make_header(decode_header(raw)))
    except (MessageError, LookupError, ValueError):
        return raw


def _ids(message: Message, name: str) -> list[str]:
    return [clean(entry) for entry in _MESSAGE_ID.findall(str(message.get(name, "")))]


def _automatic(message: Message, mail_from: str) -> str | None:
    """Why nobody waits for an answer to this mail (RFC 3834), if so."""
    if mail_from in ("", "<>"):
        return "it is a bounce (null sender)"
    submitted = _header(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return f"Auto-Submitted: {one_line(submitted, 50)}"
    precedence = _header(message, "Precedence").strip().lower()
    if precedence in ("bulk", "list", "junk"):
        return f"Precedence: {precedence}"
    for name in ("List-Id", "List-Unsubscribe", "X-Auto-Response-Suppress"):
        if message.get(name) is not None and _header(message, name).strip().lower() != "none":
            return f"it has a {name} header"
    return None


def _sender(message: Message) -> str:
    address = _address(_header(message, "From")) if len(message.get_all("From", [])) == 1 else None
    if address is None:
        raise Malformed("the mail has no usable From header")
    return address


def _address(header: str) -> str | None:
    """The first address in a header, if it is one that can be written to."""
    try:
        address = parseaddr(header[:1_000])[1]
    except (RecursionError, IndexError):
        return None
    # parseaddr may stitch an address together from parts that do not belong together.
    return address.lower() if _ADDRESS.fullmatch(address) and address in header else None


def _said(text: str, subject: str, *, is_reply: bool) -> str:
    """What is new in the mail: a reply loses its quotations, everything else gets its subject."""
    text = clean(text).strip()
    if is_reply and not _FORWARD_SUBJECT.match(subject):
        return latest_reply(text)
    return f"Subject: {subject}\n\n{text}".strip() if subject else text


def _content(message: Message) -> tuple[str, tuple[Attachment, ...]]:
    plain: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    for part in _leaves(message):
        kind, name = _kind_and_name(part)
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        if kind == "text/plain" and name is None:
            plain.append(_decode(part, content))
        elif kind == "text/html" and name is None:
            html.append(text_of_html(_decode(part, content)))
        else:
            attachments.append(
                Attachment(name=name or "unnamed", content_type=kind, size=len(content))
            )
    texts = [text for text in plain if text.strip()] or [text for text in html if text.strip()]
    return "\n\n".join(texts), tuple(attachments)


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that are not containers; a mail inside the mail stays one part."""
    waiting = [message]
    for _ in range(_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        # get_payload of anything but a container looks up the charset, and crashes on some.
        children = part.get_payload() if part.is_multipart() else None
        if part.get_content_maintype() == "multipart" and isinstance(children, list):
            waiting.extend(child for child in reversed(children) if isinstance(child, Message))
        else:
            yield part


def _kind_and_name(part: Message) -> tuple[str, str | None]:
    """Content type, and the file name if the part is an attachment."""
    try:
        name = part.get_filename()
        attached = part.get_content_disposition() == "attachment"
    except (LookupError, ValueError, TypeError):
        name, attached = None, True
    kind = one_line(part.get_content_type(), 100)
    return kind, (one_line(name or "") or "unnamed") if name or attached else None


def _decode(part: Message, content: bytes) -> str:
    try:
        charset = part.get_content_charset("utf-8")
        # These two take quadratic time, and no mail is written in them.
        if codecs.lookup(charset).name not in ("punycode", "idna", "ascii"):
            return content.decode(charset, "replace")
    except (LookupError, ValueError, TypeError):
        pass
    return content.decode("utf-8", "replace")


def compose(
    reply: Reply, *, domain: str, secret: bytes, date: datetime, encoding: str
) -> EmailMessage:
    """The mail that carries `reply`; `encoding` is its Content-Transfer-Encoding.

    Raises DeliveryFailed for an address that no mail can go to.
    """
    headers = reply.to.headers
    sender = headers.get("from", f"{reply.agent}@{domain}")
    for address in (sender, reply.to.to):
        if not _ADDRESS.fullmatch(address):
            raise DeliveryFailed(f"not a mail address: {one_line(address)!r}", permanent=True)
    subject = one_line(headers.get("subject", "")) or "your message"
    message = EmailMessage(policy=SMTP)
    message.set_content(clean(reply.text).rstrip("\n") + "\n", cte=encoding)
    # Folding at 78 columns would encode long Message-IDs, and no mail program finds those again.
    message.policy = SMTP.clone(max_line_length=998)
    message["From"] = Mailbox(reply.agent, addr_spec=sender)
    message["To"] = reply.to.to
    message["Subject"] = subject if _REPLY_SUBJECT.match(subject) else f"Re: {subject}"
    message["Date"] = date
    message["Message-ID"] = message_id(reply.key, domain=domain, secret=secret)
    if answered := _MESSAGE_ID.match(reply.to.thread):
        message["In-Reply-To"] = answered[0]
    if references := _MESSAGE_ID.findall(headers.get("references", "")):
        message["References"] = " ".join(references)
    message["Auto-Submitted"] = "auto-replied"
    return message


class EmailChannel:
    """Hands replies to the relay, or writes them into the outbox folder where there is none.

    A reply sent again carries the same Message-ID, by which mail programs recognise it; in the
    outbox it is the same file.
    """

    name = "email"

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings

    async def send(self, reply: Reply, *, resend: bool) -> str:
        relay = self._settings.smtp_relay
        long_lines = any(len(line.encode()) > 990 for line in clean(reply.text).splitlines())
        message = compose(
            reply,
            domain=self._settings.mail_domain,
            secret=reply_secret(self._settings),
            date=localtime(),
            # 8bit is readable in the outbox; a relay may not know it.
            encoding="quoted-printable" if relay or long_lines else "8bit",
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
            # TLS where the relay offers it, with whatever certificate: better than none at all.
            validate_certs=False,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        refusal = error.recipients[0]
        raise _failed(refusal.code, refusal.message) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _failed(error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise DeliveryFailed(f"relay {relay}: {error}") from error


def _failed(code: int, answer: str) -> DeliveryFailed:
    return DeliveryFailed(f"relay answered {code} {one_line(answer)}", permanent=code >= 500)


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
        raise DeliveryFailed(f"cannot write to {outbox}: {error}") from error
