"""Twilio's API for messages: send one, find those that were sent, and what its errors mean."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from ponderd.channels.channel import still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import one_line

TIMEOUT = 15.0
"""Seconds that one call may take."""
PAGE = 200
"""Messages of one page of a list."""
MOST_PAGES = 25
"""Pages of one list that are read."""

# What passes by itself: a limit of requests, of a queue, of a day.
_TRANSIENT = frozenset((14107, 20429, 20500, 20503, 21611, 30001, 63018, 63038))
# What is wrong with the number or the text for good. All other errors an operator can mend: the
# credentials, the sender, a country that is not allowed, an account without money.
_HOPELESS = frozenset(
    (21211, 21214, 21217, 21263, 21265, 21266, 21268, 21602, 21604, 21610, 21614, 21617, 21635)
)
_HINTS = {
    20003: "see PONDERD_TWILIO_ACCOUNT_SID and PONDERD_TWILIO_AUTH_TOKEN, and whether the account "
    "is active",
    20404: "see PONDERD_TWILIO_ACCOUNT_SID and PONDERD_TWILIO_API_URL",
    21212: "PONDERD_TWILIO_FROM is no number that may send",
    21408: "allow the country under Messaging, Settings, Geo permissions",
    21603: "set PONDERD_TWILIO_FROM",
    21606: "PONDERD_TWILIO_FROM is none of the account's numbers that send messages",
    21608: "a trial account writes only to numbers that are verified at Twilio",
    21610: "they wrote STOP; they can write START",
    21612: "the sender does not reach this number: set another PONDERD_TWILIO_FROM",
    21703: "the messaging service has no number: add one",
}

_FAILED = ("failed", "undelivered", "canceled")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as Twilio lists it."""

    sid: str
    body: str
    created: float
    """Unix seconds. 0.0: not known."""
    outbound: bool
    failed: bool


class Twilio:
    """The messages of one account. All methods raise `DeliveryError`."""

    def __init__(self, settings: ChannelSettings) -> None:
        """Raises DeliveryError (mendable) if a setting is missing."""
        sid, token = settings.twilio_account_sid, settings.twilio_auth_token
        if sid is None or token is None:
            raise DeliveryError(
                "PONDERD_TWILIO_ACCOUNT_SID and PONDERD_TWILIO_AUTH_TOKEN are not both set",
                mendable=True,
            )
        self._base = f"{settings.twilio_api_url.rstrip('/')}/2010-04-01/Accounts/{quote(sid)}"
        pair = base64.b64encode(f"{sid}:{token.get_secret_value()}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}"}
        self._session: aiohttp.ClientSession | None = None

    async def account(self) -> str:
        """The state of the account: active, suspended or closed."""
        return str((await self._call("GET", ".json")).get("status"))

    async def create(self, fields: Mapping[str, str]) -> str:
        """Send a message. Returns its sid."""
        return str((await self._call("POST", "/Messages.json", data=dict(fields))).get("sid") or "")

    async def fetch(self, sid: str) -> Sent | None:
        """One message. None: there is none, or it was deleted."""
        try:
            return _sent(await self._call("GET", f"/Messages/{quote(sid, safe='')}.json"))
        except DeliveryError as error:
            if "20404" in str(error):
                return None
            raise

    async def list_to(self, to: str) -> AsyncIterator[Sent]:
        """What was sent to this number, newest first; at most some thousand messages."""
        query = {"To": to, "PageSize": str(PAGE)}
        path: str | None = str(URL("/Messages.json").with_query(query))
        for _ in range(MOST_PAGES):
            page = await self._call("GET", path or "")
            for message in page.get("messages") or []:
                if isinstance(message, dict):
                    yield _sent(message)
            # Only the query of the next page is taken: our credentials stay with our own base.
            following = page.get("next_page_uri")
            if not isinstance(following, str) or "?" not in following:
                return
            path = f"/Messages.json?{following.partition('?')[2]}"

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, method: str, path: str, data: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = URL(self._base + path, encoded=True)
        try:
            async with self._open().request(
                method, url, data=data, headers=self._headers, allow_redirects=False
            ) as response:
                status, text = response.status, await response.text(errors="replace")
                wait = response.headers.get("retry-after", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"Twilio cannot be reached: {reason}", unreachable=True) from error
        said = _object(text)
        if 200 <= status < 300:
            return said
        raise twilio_error(status, said, wait)

    def _open(self) -> aiohttp.ClientSession:
        """A session that checks, once it is connected, that the reply is still ours to send."""
        if self._session is None:

            async def check(*_: object) -> None:
                still_ours.get()()

            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(check)
            trace.on_connection_reuseconn.append(check)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=timeout, trace_configs=[trace])
        return self._session


def twilio_error(status: int, said: Mapping[str, Any], wait: str = "") -> DeliveryError:
    """What an answer of Twilio means that is no success. `said`: its JSON, with Twilio's own code.
    `wait`: the header Retry-After."""
    given = said.get("code")
    code = given if isinstance(given, int) else {401: 20003, 404: 20404}.get(status, 0)
    passes = status in (408, 425, 429) or status >= 500 or code in _TRANSIENT
    permanent = code in _HOPELESS and not passes
    shown = " ".join(filter(None, [str(code or ""), one_line(str(said.get("message") or ""))]))
    hint = f" ({_HINTS[code]})" if code in _HINTS else ""
    return DeliveryError(
        f"Twilio: {shown or f'HTTP {status}'}{hint}",
        permanent=permanent,
        mendable=not passes and not permanent,
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _sent(message: Mapping[str, Any]) -> Sent:
    try:
        created = parsedate_to_datetime(str(message.get("date_created"))).timestamp()
    except (ValueError, OverflowError):
        created = 0.0
    return Sent(
        sid=str(message.get("sid") or ""),
        body=str(message.get("body") or ""),
        created=created,
        outbound=str(message.get("direction") or "").startswith("outbound"),
        failed=message.get("status") in _FAILED,
    )
