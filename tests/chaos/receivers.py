"""Where outcomes become visible: Slack, a mail relay and callbacks. Some of their answers get
lost on the way."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook

from tests.services.sinks import MailSink
from tests.services.slack_api import SlackApi
from tests.services.stack import WEBHOOK_SECRET

HANG = 20.0
"""Seconds for which a receiver does not answer, before it goes away."""

Trouble = Callable[[str, str], str]
"""(channel, key of a reply) -> what to do to this delivery; empty: nothing."""


@dataclass(frozen=True)
class Visible:
    """One message that a person or program got to see. `key` is by what its receiver knows it."""

    channel: str
    address: str
    key: str
    text: str


@dataclass
class Received:
    """Everything that became visible, in order; by address, each key counted once."""

    all: list[Visible] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)
    by_address: dict[str, dict[str, Visible]] = field(default_factory=dict)

    def add(self, visible: Visible) -> None:
        self.all.append(visible)
        self.times[visible.key] += 1
        self.by_address.setdefault(visible.address, {}).setdefault(visible.key, visible)

    def at(self, addresses: list[str]) -> list[Visible]:
        """Each key once: a program that calls again may be told at its new address, with the same
        key, what perhaps did not arrive at the one before."""
        found: dict[str, Visible] = {}
        for address in addresses:
            for key, seen in self.by_address.get(address, {}).items():
                found.setdefault(key, seen)
        return list(found.values())


class Slack(SlackApi):
    def __init__(self, received: Received, trouble_of: Trouble) -> None:
        super().__init__()
        self._received = received
        self._trouble_of = trouble_of

    def _with_trouble(
        self,
        request: web.Request,
        fields: dict[str, Any],
        act: Callable[[dict[str, Any]], web.Response],
    ) -> web.StreamResponse:
        if trouble := self._trouble_of("slack", _slack_key(fields)):
            self.trouble.append(trouble)
        return super()._with_trouble(request, fields, act)

    def _post(self, fields: dict[str, Any]) -> web.Response:
        address = f"slack:{fields['channel']}:{fields.get('thread_ts', '')}"
        self._received.add(Visible("slack", address, _slack_key(fields), fields["text"]))
        return super()._post(fields)


def _slack_key(fields: dict[str, Any]) -> str:
    """Of a post, its reply's; of a change, which message it changes."""
    match fields:
        case {"metadata": {"event_payload": {"key": str(key)}}}:
            return key
        case _:
            return f"change of {fields.get('ts')}"


class Relay(MailSink):
    def __init__(self, received: Received, trouble_of: Trouble) -> None:
        super().__init__()
        self._received = received
        self._trouble_of = trouble_of

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain = mail.get_body(("plain",))
        assert plain is not None
        key = str(mail["Message-ID"]).strip()
        trouble = self._trouble_of("mail", key)
        if trouble == "451":
            return "451 4.3.0 not now"
        if trouble != "drop":
            address = f"mail:{str(mail['In-Reply-To']).strip()}"
            self._received.add(Visible("mail", address, key, plain.get_content()))
        if trouble:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"


class Callbacks:
    def __init__(self, received: Received, trouble_of: Trouble) -> None:
        self._received = received
        self._trouble_of = trouble_of
        self.port = 0

    def url(self, message: str) -> str:
        return f"http://127.0.0.1:{self.port}/answers/{message}"

    async def _receive(self, request: web.Request) -> web.Response:
        body = Webhook(WEBHOOK_SECRET).verify(await request.read(), dict(request.headers.items()))
        key = request.headers["webhook-id"]
        trouble = self._trouble_of("callback", key)
        if trouble == "503":
            return web.Response(status=503)
        if trouble == "hang":
            await asyncio.sleep(HANG)
        if trouble not in ("drop", "hang"):
            address = f"callback:{request.match_info['message']}"
            self._received.add(Visible("callback", address, key, json.dumps(body)))
        if trouble:
            assert isinstance(request.transport, asyncio.Transport)
            request.transport.abort()
        return web.Response()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/answers/{message}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
