"""Reports that mail of ours did not arrive (RFC 3464, and how older servers write). Pure.

Anybody can write such a report. One counts only if it holds a mark of ours: then it is from
somebody who has our mail.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ponderd.channels.charset import decode
from ponderd.channels.errors import Refused, Unauthenticated
from ponderd.channels.event_ref import EventRef
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.sender.machines import says_undelivered
from ponderd.channels.mail.wire.addresses import parse_list
from ponderd.channels.mail.wire.header import Header, read_header
from ponderd.channels.mail.wire.mime import Part, read_mime
from ponderd.channels.message import Bounce
from ponderd.channels.text import one_line

LIMIT = 256 * 1024
"""Bytes that are looked at: the report and the header that it returns stand at the beginning."""
RECIPIENTS = 5
"""Most recipients that one report tells of."""

_STATUS = ("message/delivery-status", "message/global-delivery-status")
_HEADERS = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
_OTHER_IDS = ("In-Reply-To", "X-Original-Message-ID", "X-Google-Original-Message-ID")

_ID_LINE = re.compile(r"^[> \t]{0,10}Message-ID:\s{0,5}(<[^<>\s]{1,300}>)", re.I | re.M)
_ANY_ID = re.compile(r"<[^<>\s]{1,300}>")
_APPROVE = re.compile(r"approve\+[0-9a-z.-]{1,80}", re.IGNORECASE)
_TAG = re.compile(r"\+([0-9a-z-]{1,40}\.[0-9]{1,9}\.[0-9a-f]{1,40})@", re.IGNORECASE)
_SOFT_BREAK = re.compile(r"=\r?\n")
_SMTP_REPLY = re.compile(
    r"^.{0,200}?\b(?:[45]\.\d{1,3}\.\d{1,3}\b|[45][0-5]\d[ -]).{0,300}",
    re.MULTILINE,
)
_DELAYED = re.compile(r"delay|warning|will (?:be )?retr|still trying|verzöger|temporar", re.I)
_ARRIVED = frozenset(("delivered", "relayed", "expanded"))


class _Failure(NamedTuple):
    recipient: str
    reason: str
    permanent: bool


def read_bounces(
    content: bytes, mail_from: str, mailboxes: Sequence[str], names: MailNames
) -> tuple[Bounce, ...]:
    """What a mail to `mailboxes` (local parts) reports of mail of ours, one for each recipient.
    Empty for any other mail."""
    content = content[:LIMIT]
    try:
        return tuple(_bounces(read_mime(content), content, mail_from, mailboxes, names))
    except Refused:  # nobody needs to hear that a report is malformed
        return ()


def _bounces(
    tree: Part, content: bytes, mail_from: str, mailboxes: Sequence[str], names: MailNames
) -> Iterator[Bounce]:
    parts = list(_parts(tree))
    if not _is_report(tree.header, parts, mail_from):
        return
    source = _SOFT_BREAK.sub("", content.decode("latin-1"))
    source = "\n".join((*(f"{local}@{names.domain}" for local in mailboxes), source))
    notice = "\n".join(_texts(parts))
    reply = _reply(tree.header, parts, source, names)
    failures = _failures(tree.header, parts, notice, names.domain)
    for failure in itertools.islice(failures, RECIPIENTS):
        if about := reply or _inquiry(source, failure.recipient, names):
            yield Bounce(key=str(about), **failure._asdict())


def _is_report(header: Header, parts: Sequence[Part], mail_from: str) -> bool:
    """Whether it is one about delivery. One about reading is none, nor is an autoreply."""
    if any(part.header.content_type in _STATUS for part in parts):
        return True
    if header.content_type == "multipart/report":
        return header.params.get("report-type", "delivery-status").lower() == "delivery-status"
    return says_undelivered(header, mail_from)


# -- what it is about --------------------------------------------------------------------------


def _reply(header: Header, parts: Sequence[Part], source: str, names: MailNames) -> EventRef | None:
    """The reply that came back: the one whose header is returned, before others of its thread."""
    for message_id in _named_ids(header, parts, source):
        if ref := names.reply_of(message_id):
            return ref
    others = [names.reply_of(found) for found in _ids(source, names)]
    # Where a relay gave our mail another Message-ID, the address for answers is still ours.
    others += [names.run_of_tag(found) for found in _TAG.findall(source)[:50]]
    return max(filter(None, others), key=lambda ref: ref.version, default=None)


def _named_ids(header: Header, parts: Sequence[Part], source: str) -> Iterator[str]:
    for returned in _returned(parts):
        yield returned.own_id or ""
    for name in _OTHER_IDS:
        yield from _ANY_ID.findall(header.text(name))
    yield from (found[1] for found in _ID_LINE.finditer(source))


def _ids(source: str, names: MailNames) -> list[str]:
    end = f"@{names.domain}>".lower()
    return [found for found in _ANY_ID.findall(source) if found.lower().endswith(end)][:50]


def _inquiry(source: str, recipient: str, names: MailNames) -> EventRef | None:
    """The approval that `recipient` was asked, by the address that was made for the answer."""
    for mailbox in list(dict.fromkeys(_APPROVE.findall(source)))[:10]:
        try:
            return names.inquiry(mailbox.lower(), recipient)
        except Unauthenticated:
            continue
    return None


def _returned(parts: Sequence[Part]) -> Iterator[Header]:
    """The header of the mail that came back, as far as the report holds it."""
    for part in parts:
        kind = part.header.content_type
        if kind in _HEADERS:
            yield read_header(part.content.lstrip())
        elif kind in ("message/rfc822", "message/global"):
            for inner in part.parts[:1]:
                yield inner.header
            if not part.parts and part.content:
                yield read_header(part.content.lstrip().partition(b"\r\n\r\n")[0])


# -- whom it did not reach, and why ------------------------------------------------------------


# An address in the words of a report, which may stand beside anything.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


def _failures(
    header: Header, parts: Sequence[Part], notice: str, domain: str
) -> Iterator[_Failure]:
    statuses = [part for part in parts if part.header.content_type in _STATUS]
    groups = [group for part in statuses for group in _groups(part)]
    for group in groups:
        if (failure := _standard(group, notice)) is not None:
            yield failure
    if groups:
        return
    recipients = [box.address for box in parse_list(header.text("X-Failed-Recipients"))]
    recipients += [box.address for returned in _returned(parts) for box in returned.to]
    recipients += [found.lower() for found in _ADDRESS.findall(notice[:4_000])]
    ours = f"@{domain}".lower()
    told = [found for found in recipients if not found.endswith(ours) and "daemon@" not in found]
    if told:
        permanent = not _DELAYED.search(header.subject)
        yield _Failure(one_line(told[0]), _in_words(notice) or header.subject, permanent)


def _groups(status: Part) -> Iterator[Header]:
    """The fields of each recipient in a delivery status (RFC 3464)."""
    fields = status.content or b"\n\n".join(part.content for part in status.parts)
    for group in re.split(rb"\r?\n[ \t]*\r?\n", fields)[:50]:
        try:
            found = read_header(group.strip() + b"\r\n\r\n")
        except Refused:
            continue
        if found.has("Final-Recipient") or found.has("Original-Recipient"):
            yield found


def _standard(group: Header, notice: str) -> _Failure | None:
    action = group.text("Action").strip().lower()
    if action in _ARRIVED:
        return None
    status = group.text("Status").strip()[:20]
    given = group.text("Original-Recipient") or group.text("Final-Recipient")
    recipient = given.rpartition(";")[2].strip(" \t<>").lower()
    diagnostic = one_line(group.text("Diagnostic-Code").partition(";")[2], 300)
    reason = diagnostic or one_line(f"{status} {_in_words(notice)}", 300)
    if diagnostic and status and status not in diagnostic:
        reason = f"{diagnostic} ({one_line(status)})"
    permanent = action == "failed" or (action != "delayed" and not status.startswith("4"))
    return _Failure(one_line(recipient), reason or "no reason given", permanent)


def _in_words(notice: str) -> str:
    """What a server said, or else the beginning of the notice."""
    found = _SMTP_REPLY.search(notice[:20_000])
    return one_line(found[0] if found else notice[:2_000], 300)


def _texts(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if part.header.content_type == "text/plain":
            yield decode(part.content, part.header.params.get("charset", ""))


def _parts(part: Part) -> Iterator[Part]:
    """The parts of the report, but for those of the mail that came back."""
    yield part
    if not part.header.content_type.startswith("message/"):
        for child in part.parts:
            yield from _parts(child)
