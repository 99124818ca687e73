"""The mail server: takes mail for agents and approvals, and says 250 only when it is stored.

It runs on the caller's event loop. TLS and spam filtering are left to the relay in front of it.
"""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Callable, Collection

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from ponderd.channels.channel import Accept, AnswerInquiry
from ponderd.channels.errors import Refused, Unauthenticated, Unavailable
from ponderd.channels.mail.authentication import Lookup, is_authenticated, txt_records
from ponderd.channels.mail.names import is_approve_mailbox
from ponderd.channels.mail.receive import MailRules, parse, parse_answer
from ponderd.channels.message import Ignored, Trigger, Verdict
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import one_line

SIZE_LIMIT = 1024 * 1024
"""Bytes of one mail. SMTP announces it as SIZE."""

log = structlog.get_logger(__name__)


class MailServer:
    """`accept` and `answer` store what comes in. `agents` returns the mailboxes that exist now.
    `lookup` asks DNS for the keys of senders."""

    def __init__(
        self,
        settings: ChannelSettings,
        accept: Accept,
        *,
        answer: AnswerInquiry,
        agents: Callable[[], Collection[str]],
        lookup: Lookup = txt_records,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._answer = answer
        self._lookup = lookup
        self._agents = agents
        self._new_id = new_id
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (0 chooses a free one). Raises OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._session, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and hang up. Senders send a mail again that was not acknowledged."""
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
        self._server = None

    def _session(self) -> SMTP:
        session = SMTP(
            self,
            data_size_limit=SIZE_LIMIT,
            hostname=self._settings.mail_domain,
            ident="ponderd",
            loop=asyncio.get_running_loop(),
        )
        self._sessions.add(session)
        return session

    def _rules(self) -> MailRules:
        return MailRules.of(self._settings, self._agents())

    # aiosmtpd calls the hooks below by their names.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        rules = self._rules()
        mailbox = rules.mailbox(address)
        if mailbox is None:
            domain = rules.names.domain
            return _ascii(f"550 5.7.1 relay denied: this server receives for {domain} only")
        if mailbox not in rules.agents and not is_approve_mailbox(mailbox):
            known = ", ".join(sorted(rules.agents))
            return _ascii(f"550 5.1.1 no agent {mailbox}; the agents are: {known}")
        if mailbox not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(mailbox)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)  # decode_data is off
        mail_from = envelope.mail_from or ""
        rules = self._rules()
        try:
            # One mail may go to several mailboxes, but DATA has only one reply. So all are read
            # before the first is stored: a refusal then means that nothing was stored.
            parsed = [
                await self._read(content, mail_from, mailbox, rules)
                for mailbox in envelope.rcpt_tos
            ]
            # Verdicts first: one may come too late, and then the whole mail is refused.
            for entry in sorted(parsed, key=lambda entry: not isinstance(entry, Verdict)):
                match entry:
                    case Verdict():
                        outcome = await self._answer(entry)
                        log.info("mail decided", sender=mail_from, outcome=outcome)
                    case Trigger():
                        await self._accept(entry)
                    case Ignored():
                        log.info("mail ignored", sender=mail_from, reason=entry.reason)
        except (Refused, Unavailable) as error:
            log.info("mail refused", sender=mail_from, error=str(error))
            return _ascii(f"{error.smtp_status} {error}")
        return "250 2.0.0 OK"

    async def _read(
        self, content: bytes, mail_from: str, mailbox: str, rules: MailRules
    ) -> Verdict | Trigger | Ignored:
        """Parse one mail for one mailbox, and check who wrote it if that can make a difference."""
        if not is_approve_mailbox(mailbox):
            trigger = parse(
                content, mail_from=mail_from, agent=mailbox, rules=rules, new_id=self._new_id
            )
            if isinstance(trigger, Ignored) or not trigger.authentic:
                return trigger
            proven = await self._is_authenticated(content, trigger.sender)
            return trigger.model_copy(update={"authentic": proven})
        answer = parse_answer(
            content, mail_from=mail_from, mailbox=mailbox, rules=rules, new_id=self._new_id
        )
        match answer:
            case Ignored():
                return answer
            case Verdict(by=by):
                sender = by.removeprefix("email:")
            case Trigger(sender=sender):
                pass
        if not await self._is_authenticated(content, sender):
            raise Unauthenticated(
                f"nothing proves that this is from {sender} (DKIM, DMARC), so it decides nothing"
            )
        return answer

    async def _is_authenticated(self, content: bytes, sender: str) -> bool:
        how = self._settings.mail_authentication
        return await is_authenticated(content, sender, how, self._lookup)

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail session failed", exc_info=error)
        return "451 4.3.0 internal error, try again later"


def _ascii(answer: str) -> str:
    return one_line(answer, 500).encode("ascii", "replace").decode()
