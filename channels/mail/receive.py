"""Incoming mail. Every agent has a mailbox, and so has every approval that is asked for by mail.

`judge` decides by the header alone, which costs nothing, whether and for whom a mail is read.
`verdict_of` and `trigger_of` then make of its content what the daemon stores. Our marks alone prove
what a mail answers; authentication.py checks who wrote it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ponderd.channels.errors import Forbidden
from ponderd.channels.event_ref import EventRef
from ponderd.channels.mail.content import Content
from ponderd.channels.mail.names import MailNames, is_approve_mailbox
from ponderd.channels.mail.sender.machines import automatic
from ponderd.channels.mail.text.quotation import Thread
from ponderd.channels.mail.text.subjects import is_forward
from ponderd.channels.mail.wire.addresses import Mailbox, allowed, split_tag
from ponderd.channels.mail.wire.envelope import may_carry
from ponderd.channels.mail.wire.header import Header
from ponderd.channels.message import Address, Attachment, Ignored, Trigger, Verdict, principal
from ponderd.channels.text import one_line
from ponderd.channels.yes_no import read_verdict

PEOPLE = 50
"""Other recipients that the agent is told of."""
QUOTE_LIMIT = 5_000
"""Characters of a mail that its answer quotes."""
_FORWARDED = ("List-Id", "Resent-From", "X-Forwarded-To", "X-Forwarded-For")
REMARK_LIMIT = 2_000
"""Characters that are kept of the text below a yes or no."""


@dataclass(frozen=True, slots=True)
class OurAddresses:
    """Tells whether mail to an address comes to an agent or an approval of ours. It holds no
    secret, for it goes along to the process that reads what strangers wrote."""

    domain: str
    agents: Collection[str]

    def __call__(self, address: str) -> bool:
        local = self.local_part(address)
        return local is not None and (
            split_tag(local)[0] in self.agents or is_approve_mailbox(local)
        )

    def local_part(self, address: str) -> str | None:
        """The part before the @, in lower case. None for an address in another domain."""
        local, _, domain = address.lower().rpartition("@")
        return local if domain == self.domain.lower() else None


@dataclass(frozen=True, slots=True)
class MailRules:
    """Whose mail is answered, and by whom."""

    names: MailNames
    allow: tuple[str, ...]
    """Senders who may write: addresses and @domains."""
    agents: Collection[str]
    """Names of the mailboxes that exist."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The agents of the mailboxes that do not have the name of their agent."""
    reply_all: bool = False
    """The answer goes to the other recipients, too."""
    quote: bool = False
    """The answer quotes what it answers."""

    def allows(self, address: str) -> bool:
        return allowed(address, self.allow)

    @property
    def is_ours(self) -> OurAddresses:
        return OurAddresses(self.names.domain, self.agents)

    def agent_of(self, local: str) -> str:
        """The agent of the mailbox `local`, which may have a tag."""
        mailbox = split_tag(local)[0]
        return self.aliases.get(mailbox, mailbox)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one of our mailboxes that is to be read: who wrote it, and where it belongs."""

    header: Header
    sender: Mailbox
    local: str
    """The mailbox that it is for, with its tag: the part before the @."""
    recipient: str
    """The agent, or the mailbox of the approval, that it is for. Whatever else the mail is
    addressed to, it has one effect there."""
    thread: Thread
    ancestors: tuple[str, ...]
    """The Message-IDs of the mails above it in the thread, oldest first."""
    root: str
    """The Message-ID at the top of the thread."""
    fingerprint: str
    """By what the same mail is known when it comes again, if it has no Message-ID. "": by nothing.
    """
    run_id: str | None
    """The run that it answers, as a mark of ours proves."""
    authentic: bool
    """It names a mail of ours, so its writer can read the mailbox that we wrote to."""
    inquiry: EventRef | None
    """The approval that mail to this mailbox answers. None for the mailbox of an agent."""

    @property
    def keys(self) -> tuple[str, ...]:
        name = self.header.own_id or self.fingerprint
        return (f"email:{name}:{self.recipient}",) if name else ()


def judge(
    header: Header,
    *,
    mail_from: str,
    mailboxes: Sequence[str],
    rules: MailRules,
    new_id: Callable[[], str],
    fingerprint: str = "",
) -> tuple[Letter, ...] | Ignored:
    """Decide by the header alone what a mail to these mailboxes (local parts) is. Raises Refused.

    One mail has one effect, even if its writer answered to all. So a mail to an approval is for
    nobody else, also where each mailbox gets a copy of its own, and an agent gets one of those to
    its several mailboxes. The mark in the address of an approval proves that we asked this sender,
    so `rules.allow` is not consulted. From proves nothing, since SMTP lets anybody write anything
    there.
    """
    reason = automatic(header, mail_from)
    if reason:
        return Ignored(reason=reason)
    sender = header.sender
    own_id, ancestors = header.own_id, header.ancestors
    if rules.is_ours(sender.address) or (own_id and rules.names.run_of(own_id)):
        return Ignored(reason="it comes from one of our own agents")
    approvals = [local for local in mailboxes if is_approve_mailbox(local)]
    approvals = approvals or _approvals_named(header, rules)
    letters = []
    for local in approvals or _one_for_each_agent(mailboxes, rules):
        inquiry = rules.names.inquiry(local, sender.address) if approvals else None
        if inquiry is None:
            _check_allowed(header, sender.address, mail_from, rules)
        run_id = next(filter(None, map(rules.names.run_of, reversed(ancestors))), None)
        # Some mail programs drop References. The address that we asked to be answered at is left.
        tagged = rules.names.run_of_tag(split_tag(local)[1])
        letters.append(
            Letter(
                header=header,
                sender=sender,
                local=local,
                recipient=local if approvals else rules.agent_of(local),
                thread=_thread(header, rules, answers_us=bool(inquiry or tagged)),
                ancestors=ancestors,
                # A thread whose first mail has no id gets a root from us. Every answer carries it
                # along.
                root=(*ancestors, own_id or f"<{fingerprint or new_id()}@{rules.names.domain}>")[0],
                fingerprint=fingerprint,
                run_id=inquiry.run_id if inquiry else run_id or (tagged and tagged.run_id),
                authentic=bool(inquiry or run_id),
                inquiry=inquiry,
            )
        )
    return tuple(letters)


def _approvals_named(header: Header, rules: MailRules) -> list[str]:
    """The mailboxes of approvals among the recipients in the header that this sender was asked at.
    Some servers hand over one copy for each mailbox, so another copy may be on its way to them."""
    if not any("approve+" in value.lower() for value in (*header.all("to"), *header.all("cc"))):
        return []  # without reading long lists of recipients
    named = islice((*header.to, *header.cc), PEOPLE)
    locals_ = dict.fromkeys(rules.is_ours.local_part(entry.address) or "" for entry in named)
    return [local for local in locals_ if rules.names.is_inquiry(local, header.sender.address)]


def _one_for_each_agent(mailboxes: Iterable[str], rules: MailRules) -> list[str]:
    """Of the mailboxes of one agent, the one that tells most: that of an answer to us, else one
    with a tag."""
    chosen: dict[str, str] = {}
    for local in mailboxes:
        before = chosen.setdefault(rules.agent_of(local), local)
        if _tells(local, rules) > _tells(before, rules):
            chosen[rules.agent_of(local)] = local
    return list(chosen.values())


def _tells(local: str, rules: MailRules) -> int:
    tag = split_tag(local)[1]
    return 2 if rules.names.run_of_tag(tag) else 1 if tag else 0


def _check_allowed(header: Header, sender: str, mail_from: str, rules: MailRules) -> None:
    """Raise Forbidden unless the person in From may write here.

    The envelope may differ: forwarders, lists and mail services rewrite it. Only the plain address
    of a stranger shows that the mail is not from who it says.
    """
    if not rules.allows(sender):
        raise Forbidden(f"{sender} may not write here (it is the address in From)")
    if not _is_forwarded(header) and not may_carry(mail_from, sender, rules.allow):
        raise Forbidden(f"{one_line(mail_from)} may not send mail from {sender}")


def _is_forwarded(header: Header) -> bool:
    return any(map(header.has, _FORWARDED))


def _thread(header: Header, rules: MailRules, *, answers_us: bool) -> Thread:
    """`answers_us`: the address says so, whatever the header says."""
    ours = [ancestor for ancestor in header.ancestors if rules.names.run_of(ancestor)]
    return Thread(
        is_ours=rules.is_ours,
        subject=header.subject,
        answers_us=answers_us or (bool(ours) and header.ancestors[-1] in ours),
        knows_us=answers_us or bool(ours),
        is_forward=is_forward(header.subject),
    )


def verdict_of(letter: Letter, content: Content) -> Verdict | None:
    """The yes or no in a mail to an approval. None: it is a message."""
    if letter.inquiry is None:
        return None
    sender = f"{letter.sender.name} <{letter.sender.address}>"
    approved, remark = read_verdict(content.own, sender)
    if approved is None:
        return None
    return Verdict(
        inquiry=str(letter.inquiry),
        choice="approve" if approved else "deny",
        by=principal("email", letter.sender.address),
        remark=remark[:REMARK_LIMIT],
    )


def trigger_of(
    letter: Letter, content: Content, attachments: tuple[Attachment, ...], rules: MailRules
) -> Trigger:
    """The message in a mail, with its files as they are kept."""
    mailbox, tag = ("", "") if letter.inquiry else split_tag(letter.local)
    text = content.text
    if not letter.thread.knows_us and not letter.inquiry and letter.header.subject:
        text = f"Subject: {letter.header.subject}\n\n{text}"
    return Trigger(
        channel="email",
        keys=letter.keys,
        conversation=letter.root,
        run_id=letter.run_id,
        text=text.strip() or "(no text)",
        sender=letter.sender.address,
        agent=mailbox or None,
        authentic=letter.authentic,
        reply_to=_reply_to(letter, mailbox, content.own, attachments, rules),
        attachments=attachments,
        cut=content.cut,
        people=_others(letter, rules),
        tag="" if rules.names.run_of_tag(tag) else tag,
        # What a list or a forwarder does to a mail makes no other mail of it.
        digest=content.digest if letter.keys and not _is_forwarded(letter.header) else "",
    )


def _others(letter: Letter, rules: MailRules) -> tuple[str, ...]:
    """The other recipients: neither we nor the writer."""
    named = (entry.address for entry in (*letter.header.to, *letter.header.cc))
    others = (entry for entry in dict.fromkeys(named) if entry != letter.sender.address)
    return tuple(islice((entry for entry in others if not rules.is_ours(entry)), PEOPLE))


def _reply_to(
    letter: Letter,
    mailbox: str,
    own: str,
    attachments: Sequence[Attachment],
    rules: MailRules,
) -> Address:
    header = letter.header
    asked = next((entry.address for entry in header.reply_to), None)
    to = asked if asked and not letter.inquiry and rules.allows(asked) else letter.sender.address
    # RFC 5322 lets References grow without end. The root and the newest ids are what mail
    # programs, and `judge`, find the thread by.
    ids = (letter.root, *letter.ancestors[-20:], header.own_id)
    headers = {
        "subject": header.subject,
        "references": " ".join(dict.fromkeys(filter(None, ids))),
        "answers": "yes",
    }
    if mailbox:
        headers["from"] = f"{mailbox}@{rules.names.domain}"
    if rules.reply_all and not letter.inquiry:
        headers["cc"] = ", ".join(entry for entry in _others(letter, rules) if entry != to)
    if rules.quote:
        headers["quote"] = own[:QUOTE_LIMIT]
        headers["quote_from"] = letter.sender.name or letter.sender.address
        headers["quote_date"] = one_line(header.text("Date"), 50)
    if unread := [f"{file.name}: {file.unread}" for file in attachments if file.unread]:
        headers["unread"] = "\n".join(unread)
    return Address(channel="email", to=to, thread=header.own_id or "", headers=headers)
