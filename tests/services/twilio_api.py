"""Twilio as a program sees it: its API for messages, and the signed forms that it posts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import web
from pydantic import SecretStr

from ponderd.channels.settings import ChannelSettings
from tests.services.ports import free_port

SID, TOKEN, OURS, THEIRS = "AC0123", "twilio-token", "+15550100", "+15557777"


@dataclass
class TwilioApi:
    """Keeps the messages of one account, newest first in its lists."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    """Status, JSON and headers to answer, one for each call; then what Twilio would."""
    lose_answers: int = 0
    """So many messages are taken, and the sender gets no word of it."""
    calls: list[str] = field(default_factory=list)
    page: int = 50
    status: str = "active"
    clock: Callable[[], float] = lambda: 1_800_000_000.0
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/twilio"

    @property
    def settings(self) -> ChannelSettings:
        return ChannelSettings(
            twilio_account_sid=SID,
            twilio_auth_token=SecretStr(TOKEN),
            twilio_from=OURS,
            twilio_api_url=self.url,
        )

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [one for one in self.messages if one["direction"] == "outbound-api"]

    @property
    def texts(self) -> list[str]:
        return [one["body"] for one in self.sent]

    def keep(self, direction: str = "outbound-api", **fields: Any) -> str:
        """Put a message into the account. Returns its sid."""
        sid = f"SM{len(self.messages):032x}"
        date = formatdate(self.clock(), usegmt=False, localtime=False)
        made = {"sid": sid, "direction": direction, "date_created": date, "status": "queued"}
        self.messages.append({**made, **fields})
        return sid

    def _refused(self, request: web.Request) -> web.Response | None:
        self.calls.append(f"{request.method} {request.path.rpartition('/')[2]}")
        proof = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {proof}":
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        if self.refusals:
            status, said, headers = self.refusals.pop(0)
            return web.json_response(said, status=status, headers=headers)
        return None

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        form = await request.post()
        assert {*form} - {"MessagingServiceSid", "From"} == {"To", "Body"}
        assert 0 < len(str(form["Body"]).encode("utf-16-le")) <= 2 * 1600
        sid = self.keep(**{str(name).lower(): value for name, value in form.items()})
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport
            request.transport.abort()
        return web.json_response(self._one(sid), status=201)

    def _one(self, sid: str) -> dict[str, Any] | None:
        return next((one for one in self.messages if one["sid"] == sid), None)

    async def _fetch(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        one = self._one(request.match_info["sid"])
        if one is None:
            return web.json_response({"code": 20404, "message": "not found"}, status=404)
        return web.json_response(one)

    async def _list(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        to, start = request.query["To"], int(request.query.get("Page", 0)) * self.page
        found = [one for one in reversed(self.messages) if one["to"] == to]
        query = urlencode({"To": to, "Page": start // self.page + 1})
        more = f"/elsewhere.json?{query}" if len(found) > start + self.page else None
        return web.json_response(
            {"messages": found[start : start + self.page], "next_page_uri": more}
        )

    async def _account(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"sid": SID, "status": self.status})

    async def __aenter__(self) -> Self:
        app, base = web.Application(), f"/twilio/2010-04-01/Accounts/{SID}"
        app.router.add_get(f"{base}.json", self._account)
        app.router.add_post(f"{base}/Messages.json", self._create)
        app.router.add_get(f"{base}/Messages.json", self._list)
        app.router.add_get(f"{base}/Messages/{{sid}}.json", self._fetch)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def form(body: str, sid: str = "SM1", **more: str) -> dict[str, str]:
    """What Twilio posts when somebody writes to our number."""
    return {
        "ToCountry": "US",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": body,
        "To": OURS,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": SID,
        "From": THEIRS,
        "ApiVersion": "2010-04-01",
        **more,
    }


def signed(url: str, fields: dict[str, str], token: str = TOKEN) -> dict[str, str]:
    """The headers of such a form."""
    text = url + "".join(name + value for name, value in sorted(fields.items()))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-twilio-signature": base64.b64encode(digest).decode(),
        "i-twilio-idempotency-token": hashlib.sha256(text.encode()).hexdigest(),
    }
