"""The mail server: receives for the mailboxes of the agents, and says 250 only to what is stored.

It runs on the caller's loop. TLS and spam filtering are the business of the relay in front of it.
"""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Callable, Collection

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.channel import Accept
from channels.email import MailRules, parse
from channels.errors import Refused, Unavailable
from channels.message import Ignored, Trigger
from channels.settings import ChannelSettings
from channels.text import one_line

SIZE_LIMIT = 1024 * 1024
"""Bytes of one mail."""

log = structlog.get_logger(__name__)


class MailServer:
    """`agents` tells which mailboxes exist at the moment; `accept` stores what comes in."""

    def __init__(
        self,
        settings: ChannelSettings,
        accept: Accept,
        *,
        agents: Callable[[], Collection[str]],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._agents = agents
        self._new_id = new_id
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (of use with port 0). Raises OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._session, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and hang up; mails not yet acknowledged will come again."""
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

    # The hooks of aiosmtpd, called by these names.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        rules = self._rules()
        agent = rules.agent(address)
        if agent is None:
            return _ascii(f"550 5.7.1 relay denied: this server receives for {rules.domain} only")
        if agent not in rules.agents:
            known = ", ".join(sorted(rules.agents))
            return _ascii(f"550 5.1.1 no agent {agent}; the agents are: {known}")
        if agent not in envelope.rcpt_tos:
            envelope.rcpt_tos.append(agent)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)  # decode_data is off
        rules = self._rules()
        try:
            # All are read before one is stored, so that a refusal means that nothing was.
            parsed = [
                parse(
                    content,
                    mail_from=envelope.mail_from or "",
                    agent=agent,
                    rules=rules,
                    new_id=self._new_id,
                )
                for agent in envelope.rcpt_tos
            ]
            for trigger in parsed:
                match trigger:
                    case Ignored():
                        log.info("mail ignored", sender=envelope.mail_from, reason=trigger.reason)
                    case Trigger():
                        await self._accept(trigger)
        except (Refused, Unavailable) as error:
            log.info("mail refused", sender=envelope.mail_from, error=str(error))
            return _ascii(f"{error.smtp_status} {error}")
        return "250 2.0.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail session failed", exc_info=error)
        return "451 4.3.0 internal error, try again later"


def _ascii(answer: str) -> str:
    return one_line(answer, 500).encode("ascii", "replace").decode()
