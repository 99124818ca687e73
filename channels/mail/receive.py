"""Incoming mail. Every agent has a mailbox, and so has every approval that is asked for by mail.

`parse` and `parse_answer` each read one mail. Our marks alone prove what it answers;
authentication.py checks who wrote it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parseaddr

from ponderd.channels.errors import Forbidden, Malformed
from ponderd.channels.mail.names import ADDRESS, MESSAGE_ID, MailNames
from ponderd.channels.mail.text import latest_reply, text_of_html
from ponderd.channels.message import Address, Attachment, Ignored, Trigger, Verdict, principal
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import clean, one_line
from ponderd.channels.yes_no import read_first_line

HEADER_LIMIT = 128 * 1024
"""Bytes of all headers of a mail together."""
PARAMETER_LIMIT = 4_000
"""Bytes of one Content-Type or Content-Disposition: parsing the parameters takes quadratic time."""
REMARK_LIMIT = 2_000
"""Characters that are kept of the text below a yes or no."""

_FORWARD_SUBJECT = re.compile(r"(?:fwd?|wg|tr|rv|i)\s*:", re.IGNORECASE)
_PARAMETRIC = re.compile(
    rb"(?:\A|[\r\n])Content-(?:Type|Disposition):.*(?:\r?\n[ \t].*)*", re.IGNORECASE
)
# MIME parts that are read. A mail of 1 MB could hold a hundred thousand.
_PARTS = 100


@dataclass(frozen=True, slots=True)
class MailRules:
    """Whose mail is answered, and by whom."""

    names: MailNames
    allow: tuple[str, ...]
    """Senders who may write: addresses and @domains."""
    agents: Collection[str]
    """Names of the mailboxes that exist."""

    @classmethod
    def of(cls, settings: ChannelSettings, agents: Collection[str]) -> MailRules:
        allow = settings.mail_allow or (f"@{settings.mail_domain}",)
        return cls(MailNames(settings.mail_domain, settings.signing_key), allow, agents)

    def allows(self, address: str) -> bool:
        address = address.lower()
        domain = address[address.rfind("@") :]
        return any(entry.lower() in (address, domain) for entry in self.allow)

    def is_own_address(self, address: str) -> bool:
        return self.mailbox(address) in self.agents

    def mailbox(self, address: str) -> str | None:
        """The part before the @, in lower case. None for an address in another domain."""
        local, _, domain = address.lower().rpartition("@")
        return local if domain == self.names.domain.lower() else None


def parse(
    content: bytes, *, mail_from: str, agent: str, rules: MailRules, new_id: Callable[[], str]
) -> Trigger | Ignored:
    """Read one mail to the mailbox of one agent. Raises Malformed or Forbidden.

    The conversation is the Message-ID at the root of the thread. A mail is authentic if it answers
    a mail of ours: its writer can read the mailbox that we wrote to. From proves nothing, since
    SMTP lets anybody write anything there.
    """
    mail = _open(content, mail_from, rules, new_id)
    if isinstance(mail, Ignored):
        return mail
    for address in (mail_from, mail.sender):
        if not rules.allows(address):
            raise Forbidden(f"{address} may not write to {agent}")
    answer_to = _address(_header(mail.message, "Reply-To"))
    text, attachments = _content(mail.message)
    return Trigger(
        channel="email",
        keys=mail.keys(agent),
        conversation=mail.root,
        run_id=next(filter(None, map(rules.names.run_of, reversed(mail.ancestors))), None),
        text=_said(text, mail.subject, is_reply=bool(mail.ancestors)) or "(no text)",
        sender=mail.sender,
        agent=agent,
        authentic=any(rules.names.run_of(ancestor) for ancestor in mail.ancestors),
        reply_to=mail.reply_to(
            answer_to if answer_to and rules.allows(answer_to) else mail.sender,
            {"from": f"{agent}@{rules.names.domain}"},
        ),
        attachments=attachments,
    )


def parse_answer(
    content: bytes, *, mail_from: str, mailbox: str, rules: MailRules, new_id: Callable[[], str]
) -> Verdict | Trigger | Ignored:
    """Read one mail to the address that we made for one person to answer one approval.

    Its first line holds the verdict. Without a clear one the mail goes to the run as a message.
    The mark in the address proves that we asked this sender, so `rules.allow` is not consulted.
    Raises Malformed or Unauthenticated.
    """
    mail = _open(content, mail_from, rules, new_id)
    if isinstance(mail, Ignored):
        return mail
    inquiry = rules.names.inquiry(mailbox, mail.sender)
    text, attachments = _content(mail.message)
    text = latest_reply(clean(text).strip())
    approved, remark = read_first_line(text)
    if approved is not None:
        return Verdict(
            inquiry=str(inquiry),
            choice="approve" if approved else "deny",
            by=principal("email", mail.sender),
            remark=remark[:REMARK_LIMIT],
        )
    return Trigger(
        channel="email",
        keys=mail.keys(mailbox),
        conversation=mail.root,
        run_id=inquiry.run_id,
        text=text or "(no text)",
        sender=mail.sender,
        authentic=True,
        reply_to=mail.reply_to(mail.sender, {}),
        attachments=attachments,
    )


@dataclass(frozen=True, slots=True)
class _Mail:
    """What both kinds of mail have: a writer, and a place in a thread."""

    message: Message
    sender: str
    subject: str
    own_id: str | None
    """Its Message-ID, if it has one."""
    ancestors: tuple[str, ...]
    """The Message-IDs of the mails above it in the thread, oldest first."""
    root: str
    """The Message-ID at the top of the thread."""

    def keys(self, mailbox: str) -> tuple[str, ...]:
        return (f"email:{self.own_id}:{mailbox}",) if self.own_id else ()

    def reply_to(self, to: str, headers: dict[str, str]) -> Address:
        # RFC 5322 lets References grow without end. The root and the newest ids are what mail
        # programs, and `_open`, find the thread by.
        ids = (self.root, *self.ancestors[-20:], self.own_id)
        references = " ".join(dict.fromkeys(filter(None, ids)))
        return Address(
            channel="email",
            to=to,
            thread=self.own_id or "",
            headers={"subject": self.subject, "references": references, **headers},
        )


def _open(
    content: bytes, mail_from: str, rules: MailRules, new_id: Callable[[], str]
) -> _Mail | Ignored:
    message = _read(content)
    own_id = next(iter(_ids(message, "Message-ID")), None)
    ancestors = tuple(dict.fromkeys(_ids(message, "References") + _ids(message, "In-Reply-To")))
    reason = _automatic(message, mail_from)
    if reason:
        return Ignored(reason=reason)
    sender = _sender(message)
    if rules.is_own_address(sender) or (own_id and rules.names.run_of(own_id)):
        return Ignored(reason="it comes from one of our own agents")
    return _Mail(
        message=message,
        sender=sender,
        subject=one_line(_header(message, "Subject")),
        own_id=own_id,
        ancestors=ancestors,
        # A thread whose first mail has no id gets a root from us. Every answer carries it along.
        root=(*ancestors, own_id or f"<{new_id()}@{rules.names.domain}>")[0],
    )


def _read(content: bytes) -> Message:
    header, _, _ = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    if len(header) > HEADER_LIMIT:
        raise Malformed(f"the header of the mail is larger than {HEADER_LIMIT // 1024} KiB")
    if any(len(found[0]) > PARAMETER_LIMIT for found in _PARAMETRIC.finditer(content)):
        raise Malformed("a Content-Type or Content-Disposition of the mail is too long")
    try:
        # compat32 keeps headers as they came. The newer policies crash on many broken ones.
        return BytesParser(policy=compat32).parsebytes(content)
    except RecursionError:
        raise Malformed("the parts of the mail are nested too deeply") from None


def _header(message: Message, name: str) -> str:
    """A header, decoded if possible. "" if it is missing."""
    raw = str(message.get(name, ""))[:10_000]
    try:
        return str(make_header(decode_header(raw)))
    except (MessageError, LookupError, ValueError):
        return raw


def _ids(message: Message, name: str) -> list[str]:
    return [clean(entry) for entry in MESSAGE_ID.findall(str(message.get(name, "")))]


def _automatic(message: Message, mail_from: str) -> str | None:
    """Why this mail wants no answer (RFC 3834), or None if a person may wait for one.

    Answering automatic mail would start a loop with another program that answers mail.
    """
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
    # From is read undecoded, and only if it names one person: an encoded display name may spell
    # another address, and the domain may have vouched for the second of two addresses.
    given = [str(value)[:1_000] for value in message.get_all("From", [])]
    address = _address(given[0]) if len(given) == 1 else None
    if address is None or len(getaddresses(given)) != 1:
        raise Malformed("the mail has no usable From header")
    return address


def _address(header: str) -> str | None:
    """The first address in a header. None if mail cannot be sent to it."""
    try:
        address = parseaddr(header[:1_000])[1]
    except (RecursionError, IndexError):
        return None
    # parseaddr may join parts of a broken header into an address that nobody wrote.
    return address.lower() if ADDRESS.fullmatch(address) and address in header else None


def _said(text: str, subject: str, *, is_reply: bool) -> str:
    """The new text in a mail. A reply loses its quotations; anything else gets its subject."""
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
    """The parts that are not containers, in order. A mail inside the mail counts as one part."""
    waiting = [message]
    for _ in range(_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        # On a part that is not a container, get_payload looks up the charset and may crash.
        children = part.get_payload() if part.is_multipart() else None
        if part.get_content_maintype() == "multipart" and isinstance(children, list):
            waiting.extend(child for child in reversed(children) if isinstance(child, Message))
        else:
            yield part


def _kind_and_name(part: Message) -> tuple[str, str | None]:
    """The content type, and a file name if the part is an attachment, otherwise None."""
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
        # Decoding punycode and idna takes quadratic time, and no mail is written in them. Text
        # labelled ASCII is often UTF-8.
        if codecs.lookup(charset).name not in ("punycode", "idna", "ascii"):
            return content.decode(charset, "replace")
    except (LookupError, ValueError, TypeError):
        pass
    return content.decode("utf-8", "replace")
