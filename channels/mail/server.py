"""The mail server: takes mail for agents and approvals, and says 250 only when it is stored.

It runs on the caller's event loop. TLS and spam filtering are left to the relay in front of it.
"""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Callable, Collection, Sequence

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from ponderd.channels.channel import Accept, AnswerInquiry
from ponderd.channels.errors import Refused, Unauthenticated, Unavailable
from ponderd.channels.mail.authentication import Lookup, is_authenticated, txt_records
from ponderd.channels.mail.content import File
from ponderd.channels.mail.header import read_header, split
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.reading import Reader
from ponderd.channels.mail.receive import Letter, MailRules, judge, understood
from ponderd.channels.message import Attachment, Ignored, Trigger, Verdict
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
        self._reader = Reader()
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
        await self._reader.close()
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
        domain = self._settings.mail_domain
        return MailRules(
            MailNames(domain, self._settings.signing_key),
            allow=self._settings.mail_allow or (f"@{domain}",),
            agents=frozenset(self._agents()),
        )

    # aiosmtpd calls the hooks below by their names.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        rules = self._rules()
        local = rules.local_part(address)
        if local is None:
            domain = rules.names.domain
            return _ascii(f"550 5.7.1 relay denied: this server receives for {domain} only")
        if not rules.is_ours(address):
            known = ", ".join(sorted(rules.agents))
            return _ascii(f"550 5.1.1 no agent {local}; the agents are: {known}")
        if local not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(local)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)  # decode_data is off
        mail_from = envelope.mail_from or ""
        try:
            await self._take(content, mail_from, envelope.rcpt_tos)
        except (Refused, Unavailable) as error:
            log.info("mail refused", sender=mail_from, error=str(error))
            return _ascii(f"{error.smtp_status} {error}")
        return "250 2.0.0 OK"

    async def _take(self, content: bytes, mail_from: str, mailboxes: Sequence[str]) -> None:
        """Store what a mail says. Raises Refused, Unavailable.

        One mail may go to several mailboxes, but DATA has only one reply. So all is decided before
        the first part is stored: a refusal then means that nothing was stored.
        """
        rules = self._rules()
        header = read_header(split(content)[0])
        judged = judge(
            header, mail_from=mail_from, mailboxes=mailboxes, rules=rules, new_id=self._new_id
        )
        if isinstance(judged, Ignored):
            log.info("mail ignored", sender=mail_from, reason=judged.reason)
            return
        letters = judged
        proven = await self._is_proven(content, letters)
        read = await self._reader.read(content, letters[0].thread)
        if read.automatic:
            log.info("mail ignored", sender=mail_from, reason=read.automatic)
            return
        attachments = tuple(map(_described, read.files))
        for letter in letters:
            match understood(letter, read, attachments, rules):
                case Verdict() as verdict:
                    outcome = await self._answer(verdict)
                    log.info("mail decided", sender=mail_from, outcome=outcome)
                case Trigger() as trigger:
                    authentic = trigger.authentic and proven
                    await self._accept(trigger.model_copy(update={"authentic": authentic}))

    async def _is_proven(self, content: bytes, letters: Sequence[Letter]) -> bool:
        """Whether the writer is who From says, if that can make a difference.

        Raises Unauthenticated for a mail to an approval of which nothing proves that.
        """
        if not any(letter.run_id for letter in letters):
            return False
        sender = letters[0].sender.address
        how = self._settings.mail_authentication
        proven = await is_authenticated(content, sender, how, self._lookup)
        if not proven and any(letter.inquiry for letter in letters):
            raise Unauthenticated(
                f"nothing proves that this is from {sender} (DKIM, DMARC), so it decides nothing"
            )
        return proven

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail session failed", exc_info=error)
        return "451 4.3.0 internal error, try again later"


def _described(file: File) -> Attachment:
    return Attachment(name=file.name, content_type=file.content_type, size=len(file.content))


def _ascii(answer: str) -> str:
    return one_line(answer, 500).encode("ascii", "replace").decode()
