"""Outgoing webhooks: post a reply, signed, to the callback URL that its trigger named."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from ponderd.channels.errors import DeliveryError, Refused
from ponderd.channels.links import approval_url
from ponderd.channels.message import Reply
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.signature import sign_standard, standard_key
from ponderd.channels.text import one_line
from ponderd.channels.webhook.callback import CallbackResolver, RefusedAddress, refuse_literal

_MENDABLE = (401, 403, 404, 405, 407, 415)
"""What a receiver answers whose URL, key or rights are not what they should be."""

TIMEOUT = 10.0
"""Seconds that one callback may take, from connecting to the response."""


def payload(reply: Reply, public_url: str | None) -> dict[str, Any]:
    """The JSON that a callback receives.

    With `public_url` it says where to answer a question. Whoever answers there needs the API token.
    """
    body: dict[str, Any] = {
        "type": "run.reply",
        "run_id": reply.run_id,
        "agent": reply.agent,
        "conversation": reply.conversation,
        "kind": reply.kind,
        "text": reply.text,
    }
    inquiry = reply.inquiry
    if inquiry is not None:
        body["prompt"] = inquiry.model_dump(mode="json")
    if inquiry is not None and public_url is not None:
        base = public_url.rstrip("/")
        body["answer_url"] = (
            approval_url(base, inquiry.id)
            if inquiry.kind == "approval"
            else f"{base}/runs/{reply.run_id}/messages"
        )
    return body


class WebhookChannel:
    """Posts replies to callbacks, signed with PONDERD_WEBHOOK_SECRET.

    The header webhook-id holds the reply's key, so the receiver can recognise a repeat. `resend`
    therefore makes no difference.
    """

    name = "webhook"

    def __init__(
        self, settings: ChannelSettings, *, resolver: AbstractResolver | None = None
    ) -> None:
        self._secret = settings.webhook_secret
        self._allow = settings.callback_allow
        self._public_url = settings.public_url
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def send(self, reply: Reply, *, resend: bool) -> str:
        if self._secret is None:
            raise DeliveryError("PONDERD_WEBHOOK_SECRET is not set", mendable=True)
        try:
            refuse_literal(reply.to.to, allow=self._allow)
        except Refused as error:
            raise DeliveryError(f"callback refused: {error}", permanent=True) from error
        body = json.dumps(payload(reply, self._public_url)).encode()
        key = standard_key(self._secret.get_secret_value())
        headers = sign_standard(key, message_id=reply.key, body=body, now=time.time())
        headers["content-type"] = "application/json"
        return await self._post(reply.to.to, headers, body)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> str:
        try:
            # No redirects: they could lead to a private address. Only the status matters; the body
            # may have any length and is never read.
            async with self._open().post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                retry_after = _retry_after(response.headers.get("retry-after"), time.time())
                location = response.headers.get("location", "")
        except aiohttp.ClientConnectorDNSError as error:
            refused = isinstance(error.os_error, RefusedAddress)
            reason = error.os_error.strerror or error.os_error
            raise DeliveryError(
                f"callback: {error.host}: {reason}", permanent=refused, unreachable=not refused
            ) from error
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise DeliveryError(f"callback refused: {error}", permanent=True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"callback failed: {reason}", unreachable=True) from error
        if 200 <= status < 300:
            return str(status)
        if 300 <= status < 400:  # it will lead there tomorrow, too
            raise DeliveryError(_moved(status, location), permanent=True)
        raise DeliveryError(
            f"callback answered {status}",
            permanent=status == 410,  # Standard Webhooks: 410 Gone disables the endpoint
            mendable=status in _MENDABLE,
            retry_after=retry_after if status in (429, 503) else None,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = CallbackResolver(self._allow, self._resolver or aiohttp.ThreadedResolver())
            self._session = aiohttp.ClientSession(
                # No limit: who may be sent to is decided by whoever calls `send`.
                connector=aiohttp.TCPConnector(resolver=resolver, limit=0),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            await asyncio.sleep(0)  # one turn of the loop, in which the transports really close


def _moved(status: int, location: str) -> str:
    """What to do about a redirect. Its query stays out of logs: it may hold a secret."""
    place = one_line(location.partition("?")[0])
    leads = f" to {place}" if place else ""
    return (
        f"callback answered {status}, which leads on{leads}; ponderd follows no redirects: name "
        "the address at which it really is received"
    )


def _retry_after(value: str | None, now: float) -> float | None:
    """The seconds to wait from a Retry-After header, which holds seconds or a date.

    None if the header is missing or neither of them.
    """
    if value is None:
        return None
    try:
        if value.strip().isdecimal():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None
