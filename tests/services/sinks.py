"""Where answers arrive: a callback receiver and a mail relay, both real servers on loopback."""

from __future__ import annotations

import asyncio
import email
import email.policy
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook

from tests.services.ports import free_port


@dataclass
class CallbackSink:
    """Keeps what was posted, by webhook-id; checks the signature of every post."""

    secret: str
    statuses: list[int] = field(default_factory=list)
    """What to answer, one per post; then 200."""
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/answers"

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in dict(self.posts).values()]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = Webhook(self.secret).verify(body, dict(request.headers.items()))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.posts.append((request.headers["webhook-id"], verified))
        return web.Response(status=status)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/answers", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


@dataclass
class MailSink:
    """A relay that keeps every mail."""

    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", self.port
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
