"""Write the mail that carries a reply: `compose`. Pure.

No text of an incoming mail, however odd, may keep an answer from being written: what a header
cannot hold is encoded or left out, and Markdown that cannot be read is shown as it was typed.
"""

from __future__ import annotations

import hashlib
import html
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime

from ponderd.channels.errors import DeliveryError
from ponderd.channels.links import approval_link
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.out.fields import (
    AS_WRITTEN,
    Field,
    deliverable,
    id_field,
    mailbox_field,
    text_field,
)
from ponderd.channels.mail.out.markdown import Rendered, preformatted, render
from ponderd.channels.mail.text.subjects import bare, is_reply
from ponderd.channels.message import Inquiry, Reply, principal
from ponderd.channels.text import clean, one_line

CC_LIMIT = 50
"""Most other recipients of one answer."""
QUOTE_LIMIT = 20_000
"""Characters of the original that are quoted."""
REASON_LIMIT = 300
"""Characters of what somebody asked for, in a mail that asks for approval of it."""

# Bytes. RFC 5322 allows 998 in a line; longer ones must be encoded.
_LONG_LINE = 990
_ID = re.compile(r"<[!-;=?-~]{1,900}>")
# Ids of References beside the root, and characters of all of them together.
_ANCESTORS, _REFERENCES = 30, 8_000

_PAGE = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
</head>
<body>
<div style="font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:1.5">
{content}</div>
</body>
</html>
"""
_BUTTON = (
    "display:inline-block;padding:8px 18px;border-radius:4px;background:#0b57d0;color:#ffffff;"
    "font-weight:bold;text-decoration:none"
)
_ASKS = ("May I run ", "? Please answer yes or no.")
"""What stands around the call in the text of an approval."""


def compose(
    reply: Reply,
    *,
    names: MailNames,
    date: datetime,
    public_url: str | None = None,
    readable: bool = False,
    from_name: str = "{agent}",
    signature: str = "",
    ascii_only: bool = False,
) -> EmailMessage:
    """Write the mail that carries `reply`: plain text, and HTML beside it.

    `readable` leaves the text unencoded (8bit), which not every relay accepts. `ascii_only` leaves
    out the other recipients whose address needs SMTPUTF8.
    A mail that asks for approval says how to answer, provided that the answer can prove who gave
    it: by mail to an address made for this recipient or, with `public_url`, by a link made for
    them. Raises DeliveryError for an address to which mail cannot be sent.
    """
    headers, inquiry = reply.to.headers, reply.inquiry
    sender = _address(headers.get("from") or f"{reply.agent}@{names.domain}")
    to = _address(reply.to.to)
    message = EmailMessage(policy=AS_WRITTEN)
    _put(message, mailbox_field("From", [(from_name.replace("{agent}", reply.agent), sender)]))
    _put(message, mailbox_field("To", [("", to)]))
    if others := _others(reply, {to.lower(), sender.lower()}, ascii_only):
        _put(message, mailbox_field("Cc", [("", address) for address in others]))
    if answer_to := _answer_to(reply, names):
        _put(message, mailbox_field("Reply-To", [("", answer_to)]))
    _put(message, text_field("Subject", _subject(reply)))
    _put(message, Field.of("Date", (written := format_datetime(date)), [written]))
    _put(message, id_field("Message-ID", [names.message_id(reply.key)]))
    _add_thread(message, reply, names)
    _put(message, text_field("Auto-Submitted", f"auto-{_submitted(reply)}"))
    # Exchange obeys this one: its out-of-office answers would only come back to an agent.
    _put(message, text_field("X-Auto-Response-Suppress", "OOF, AutoReply"))
    if inquiry is not None and inquiry.urgency != "normal":
        # Importance is the standard (RFC 2156); X-Priority is what most mail programs show.
        _put(message, text_field("Importance", inquiry.urgency))
        _put(message, text_field("X-Priority", "1" if inquiry.urgency == "high" else "5"))
    _add_body(message, _body(reply, names, public_url, signature), reply.key, readable)
    return message


def envelope(message: EmailMessage) -> tuple[str, tuple[str, ...]]:
    """Sender and recipients of a composed mail, the one who is answered first."""
    (sender,), others = _addresses(message, "From"), _addresses(message, "Cc")
    return sender, (*_addresses(message, "To"), *others)


def _addresses(message: EmailMessage, name: str) -> tuple[str, ...]:
    field = message[name]
    return field.addresses if isinstance(field, Field) else ()


def needs_utf8(message: EmailMessage) -> bool:
    """Whether an address holds letters that only SMTPUTF8 can carry."""
    names = ("From", "To", "Cc", "Reply-To")
    return not all(address.isascii() for name in names for address in _addresses(message, name))


# -- the header --------------------------------------------------------------------------------


def _put(message: EmailMessage, field: Field) -> None:
    message[field.name] = field


def _address(given: str) -> str:
    address = deliverable(given)
    if address is None:
        raise DeliveryError(f"not a mail address: {one_line(given)!r}", permanent=True)
    return address


def _others(reply: Reply, known: set[str], ascii_only: bool) -> list[str]:
    """Who else gets the answer. The question of an approval is for one person alone: it holds
    their address and their link."""
    if _asks_approval(reply):
        return []
    found: dict[str, str] = {}
    for given in reply.to.headers.get("cc", "").split(","):
        address = deliverable(given.strip())
        if address and address.lower() not in known and (address.isascii() or not ascii_only):
            found.setdefault(address.lower(), address)
    return list(found.values())[:CC_LIMIT]


def _answer_to(reply: Reply, names: MailNames) -> str | None:
    if not names.secret:
        return None
    if reply.inquiry and reply.inquiry.kind == "approval":
        return names.approve_address(reply.inquiry.id, reply.to.to)
    return names.reply_address(reply.key, reply.agent)


def _subject(reply: Reply) -> str:
    given = one_line(reply.to.headers.get("subject", ""), 2_000)
    if not given and not _answers(reply):
        about = "Approval needed" if _asks_approval(reply) else reply.agent
        return f"{about}: {textwrap.shorten(one_line(reply.text, 1000), 80, placeholder='…')}"
    if not _answers(reply) and not reply.resolves:
        return given
    if not any(map(_is_visible, bare(given))):
        return "Re: your message"
    return _once(given) if is_reply(given) else f"Re: {given}"


def _once(subject: str) -> str:
    """`subject` without repeats of its reply mark: "Re: RE: Re[2]: x" becomes "Re: x"."""
    first = _mark(subject)
    while is_reply(rest := subject[len(first) :].lstrip()):
        again = _mark(rest)
        if _letters(again) != _letters(first) or not first:
            break
        subject = f"{first} {rest[len(again) :].lstrip()}"
    return subject


def _mark(subject: str) -> str:
    found = re.match(r"[^:：\[\]]{1,20}(?:\[\d+\])?[:：]", subject)
    return found[0] if found else ""


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNPS"


def _letters(mark: str) -> str:
    return "".join(filter(str.isalpha, mark)).casefold()


def _answers(reply: Reply) -> bool:
    """Whether somebody wrote, and this answers them. Their mail may have had no Message-ID."""
    return bool(reply.to.thread) or reply.to.headers.get("answers") == "yes"


def _submitted(reply: Reply) -> str:
    return "replied" if _answers(reply) else "generated"


def _asks_approval(reply: Reply) -> bool:
    return reply.inquiry is not None and reply.inquiry.kind == "approval"


def _add_thread(message: EmailMessage, reply: Reply, names: MailNames) -> None:
    answered = _ID.match(reply.resolves or reply.to.thread)
    if answered:
        _put(message, id_field("In-Reply-To", [answered[0]]))
    given = _ID.findall(reply.to.headers.get("references", ""))
    if not reply.to.thread and len(given) == 1 and given[0].endswith(f"@{names.domain}>"):
        given = []  # ours, made for a mail without an id: nobody else has it
    ids = list(dict.fromkeys([*given, *_ID.findall(reply.resolves)]))
    if answered and answered[0] not in ids:
        ids.append(answered[0])
    if ids:
        _put(message, id_field("References", _bounded(ids)))


def _bounded(ids: list[str]) -> list[str]:
    """The root and the newest ids: what mail programs find the thread by."""
    root, *rest = ids
    kept: list[str] = []
    size = len(root)
    for newer in reversed(rest[-_ANCESTORS:]):
        size += len(newer) + 1
        if size > _REFERENCES:
            break
        kept.append(newer)
    return [root, *reversed(kept)]


# -- the body ----------------------------------------------------------------------------------


def _add_body(message: EmailMessage, body: Rendered, key: str, readable: bool) -> None:
    plain, page = f"{body.plain}\n", _PAGE.format(content=body.html)
    message.set_content(plain, cte=_encoding(plain, readable))
    message.add_alternative(page, subtype="html", cte=_encoding(page, readable))
    # The same reply gives the same mail, and no text can hold the digest of itself.
    digest = hashlib.sha256(f"{key}\n{plain}\n{page}".encode()).hexdigest()
    message.set_boundary(f"=_{digest[:32]}")


def _encoding(text: str, readable: bool) -> str:
    fits = readable and all(len(line.encode()) <= _LONG_LINE for line in text.splitlines())
    return "8bit" if fits else "quoted-printable"


def _body(reply: Reply, names: MailNames, public_url: str | None, signature: str) -> Rendered:
    parts = [_said(reply, asks_below=bool(names.secret))]
    if reply.inquiry:
        parts += _how_to_answer(reply, reply.inquiry, names, public_url)
    if reply.kind == "answer":
        parts += _unread(reply.to.headers.get("unread", ""))
    if text := clean(signature).strip():
        style = "margin:16px 0 0;font-size:12px;color:#7a7a7a"
        parts.append(
            Rendered(
                f'<div class="gmail_signature" dir="auto" style="{style}">-- <br>\n'
                f"{_as_lines(text)}</div>\n",
                f"-- \n{text}",
            )
        )
    if reply.kind != "notice" and not _asks_approval(reply):
        parts += _quoted(reply.to.headers)
    shown = [part for part in parts if part.plain.strip()]
    return Rendered("".join(part.html for part in shown), "\n\n".join(part.plain for part in shown))


def _said(reply: Reply, *, asks_below: bool) -> Rendered:
    """The text itself. Only an agent's own words are Markdown: a call is shown as it will run, and
    ponderd's notices may quote one."""
    text = clean(reply.text).strip("\n")
    if not _asks_approval(reply) and reply.kind in ("answer", "question"):
        return render(text)
    begin, end = _ASKS
    if _asks_approval(reply) and text.startswith(begin) and text.endswith(end):
        call = text.removeprefix(begin).removesuffix(end)
        please = "" if asks_below else _paragraph(end.removeprefix("? "))
        return Rendered(f"{_paragraph('May I run this?')}{preformatted(call)}{please}", text)
    if _asks_approval(reply):
        return Rendered(preformatted(text), text)
    return Rendered(_paragraph(_as_lines(text)), text)


def _how_to_answer(
    reply: Reply, inquiry: Inquiry, names: MailNames, public_url: str | None
) -> Iterator[Rendered]:
    if choices := [one_line(choice, 1_000) for choice in inquiry.choices]:
        items = "".join(f"<li>{_as_lines(choice)}</li>\n" for choice in choices)
        yield Rendered(
            f'{_paragraph("The choices:")}<ul style="margin:0 0 12px">\n{items}</ul>\n',
            "\n".join(["The choices:", *(f"- {choice}" for choice in choices)]),
        )
    if inquiry.kind == "approval" and inquiry.asked_by:
        yield _asked(inquiry)
    if inquiry.kind != "approval" or not names.secret:
        return
    hint = "Answer this mail with yes or no in its first line."
    link = ""
    if public_url:
        by = principal("email", reply.to.to)
        link = approval_link(public_url, names.secret, inquiry.id, by)
    button = f'<a href="{html.escape(link)}" style="{_BUTTON}">Decide here</a>'
    yield Rendered(
        _paragraph("Answer this mail with <b>yes</b> or <b>no</b> in its first line.")
        + (_paragraph(f"Or: {button}") if link else ""),
        f"{hint}\nOr decide here: {link}" if link else hint,
    )


def _asked(inquiry: Inquiry) -> Rendered:
    """Who wanted what. It is quoted: whoever wrote it may not speak for ponderd."""
    reason = one_line(inquiry.asked_for, REASON_LIMIT)
    cut = " …" if len(inquiry.asked_for) > REASON_LIMIT else ""
    line = f"Asked by {one_line(inquiry.asked_by)}" + (f": “{reason}{cut}”" if reason else "")
    return Rendered(_paragraph(_as_lines(line)), line)


def _unread(notes: str) -> Iterator[Rendered]:
    """What of the mail did not reach the agent: the person must know."""
    if lines := [line.strip() for line in clean(notes).split("\n") if line.strip()]:
        items = "".join(f'<li dir="auto">{_as_lines(line)}</li>\n' for line in lines)
        yield Rendered(
            f'{_paragraph("I could not read:")}<ul style="margin:0 0 12px">\n{items}</ul>\n',
            "\n".join(["I could not read:", *(f"- {line}" for line in lines)]),
        )


def _quoted(headers: dict[str, str]) -> Iterator[Rendered]:
    """The original below the answer, as mail programs put it there."""
    text = clean(headers.get("quote", "")).strip("\n")
    if not text.strip():
        return
    if len(text) > QUOTE_LIMIT:
        text = f"{text[:QUOTE_LIMIT].rstrip()}\n[…]"
    date, person = _when(headers.get("quote_date", "")), one_line(headers.get("quote_from", ""))
    wrote = f"{f'On {date}, ' if date else ''}{person or 'you'} wrote:"
    style = "margin:0 0 0 4px;padding:0 0 0 12px;border-left:1px solid #b4b4b4"
    yield Rendered(
        '<div class="gmail_quote" style="margin:16px 0 0">\n'
        f'<div class="gmail_attr" dir="auto">{_as_lines(wrote)}</div>\n'
        f'<blockquote class="gmail_quote" dir="auto" style="{style}">\n'
        f"{_as_lines(text)}</blockquote>\n</div>\n",
        "\n".join([wrote, *(f"> {line}".rstrip() for line in text.split("\n"))]),
    )


def _when(date: str) -> str:
    """A date as mail programs write it, by the writer's clock."""
    try:
        read = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return one_line(date)
    return f"{read:%a, %d %b %Y at %H:%M}"


def _paragraph(content: str) -> str:
    return f'<p dir="auto" style="margin:0 0 12px">{content}</p>\n'


def _as_lines(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>\n")
