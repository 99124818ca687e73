"""Slack's way in: events and clicks come by HTTP or Socket Mode.

slack_bolt is imported inside functions, so that processes which only send stay small.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import aiohttp
import structlog
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier

from ponderd.channels.channel import Note
from ponderd.channels.errors import StartupError, Unauthenticated, Unavailable
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.signature import WINDOW
from ponderd.channels.slack.desk import COMMAND_HELP, UNDER_WAY
from ponderd.channels.slack.intake import Intake
from ponderd.channels.slack.receive import Command
from ponderd.channels.slack.web_api import reason_of, web_client

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from starlette.requests import Request
    from starlette.responses import Response

SHORT_FORM = 2_000
"""Most bytes of the form with which Slack looks at our certificate."""

NOT_TAKEN = "it could not be taken: an error of ours, of which the log says more"

_WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")

log = structlog.get_logger(__name__)


def build_app(settings: ChannelSettings, intake: Intake) -> AsyncApp:
    """The Bolt app that serves both HTTP and Socket Mode.

    It acknowledges an event only after `intake` keeps it, and a click only after it was answered.
    If the store is unavailable, or something unexpected happens, the response is 503 (HTTP) or
    missing (Socket Mode). Slack then sends the event again, or shows an error to the person who
    pressed the button.
    """
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.response import BoltResponse

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # By default Bolt asks Slack (auth.test) before every event. If Slack does not reply, Bolt
        # answers 200, and the event is lost. We look for the token when we need it.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="")

    async def receive(body: dict[str, Any]) -> BoltResponse:
        match await intake.take(body):
            case Command(text=text):
                said = {"response_type": "ephemeral", "text": UNDER_WAY if text else COMMAND_HELP}
                return BoltResponse(status=200, body=said)
            case _:
                return BoltResponse(status=200)

    async def failed(error: Exception) -> BoltResponse:
        if isinstance(error, Unavailable):
            why = f"not stored, try again: {error}"
        else:
            log.error("slack event failed", exc_info=error)
            why = NOT_TAKEN
        return BoltResponse(status=503, body={"error": why}, headers={"retry-after": "2"})

    signing_secret = settings.slack_signing_secret
    app = AsyncApp(
        name="slack",  # bolt gives the logger of this name the level of the root, for good
        client=web_client(settings, token=None),
        authorize=authorize,
        # Without a configured secret no HTTP request can be genuine: check against a random one.
        signing_secret=signing_secret.get_secret_value() if signing_secret else secrets.token_hex(),
        # By default Bolt may acknowledge before the work is done: a crash would lose the event.
        process_before_response=True,
        # Bolt knows our own events only by auth.test; `parse` drops them without it.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
    )
    app.middleware(receive)
    app.error(failed)
    return app


def http_handler(
    app: AsyncApp, signing_secret: SecretStr, refused: Note
) -> Callable[[Request], Awaitable[Response]]:
    """Answers POST /slack/events. `refused` hears why something was not taken."""
    from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
    from starlette.responses import JSONResponse, Response

    handler = AsyncSlackRequestHandler(app)
    verifier = SignatureVerifier(signing_secret.get_secret_value())

    async def handle(request: Request) -> Response:
        if _is_ssl_check(request, await request.body()):
            return Response("", 200)
        # Before Bolt, which writes what it refuses into its log, however long it is.
        if not _is_slacks(request, await request.body(), verifier):
            refused("unauthenticated", "no valid X-Slack-Signature of the last five minutes")
            return JSONResponse({"error": "no valid X-Slack-Signature"}, 401)
        try:
            return await handler.handle(request)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            refused("malformed", repr(error))
            return JSONResponse({"error": "not what Slack sends"}, 400)
        except Exception as error:  # of Bolt's own: Slack may send it again
            log.error("slack event failed", exc_info=error)
            return JSONResponse({"error": NOT_TAKEN}, 503, {"retry-after": "2"})

    return handle


def check_slack_header(headers: Mapping[str, str], *, now: float) -> tuple[str, str]:
    """The timestamp and signature of a request of Slack. Raises `Unauthenticated` if they cannot
    be right, whatever the body is."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    signature = headers.get("x-slack-signature", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > WINDOW:
        raise Unauthenticated("no X-Slack-Request-Timestamp of the last five minutes")
    if not re.fullmatch("v0=[0-9a-f]{64}", signature):
        raise Unauthenticated("no valid X-Slack-Signature")
    return timestamp, signature


def _is_ssl_check(request: Request, body: bytes) -> bool:
    """Whether Slack only looks at our certificate, for which it need not sign."""
    form = "application/x-www-form-urlencoded"
    if len(body) > SHORT_FORM or not request.headers.get("content-type", "").startswith(form):
        return False
    fields = parse_qs(body.decode("latin-1"))
    return fields.get("ssl_check") == ["1"] and not {"payload", "command"} & fields.keys()


def _is_slacks(request: Request, body: bytes, verifier: SignatureVerifier) -> bool:
    try:
        timestamp, signature = check_slack_header(request.headers, now=time.time())
        return verifier.is_valid(body, timestamp, signature)
    except (Unauthenticated, ValueError):  # it is not even text
        return False


class SocketMode:
    """Receives events over a websocket that we open. For hosts that Slack cannot reach."""

    def __init__(self, app: AsyncApp, app_token: str) -> None:
        self._app = app
        self._token = app_token
        self._handler: AsyncSocketModeHandler | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and stay connected. Raises StartupError if Slack refuses the token.

        If Slack cannot be reached now, attempts go on in the background.
        """
        from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

        url: str | None = None
        try:
            url = (await self._app.client.apps_connections_open(app_token=self._token))["url"]
        except SlackApiError as error:
            reason = reason_of(error)
            if reason in _WRONG_TOKEN:
                raise StartupError(
                    f"Slack refuses PONDERD_SLACK_APP_TOKEN: {reason}", exit_code=2
                ) from error
            log.warning("slack cannot be reached, trying again", error=reason)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("slack cannot be reached, trying again", error=str(error))
        self._handler = AsyncSocketModeHandler(self._app, self._token)
        self._handler.client.wss_uri = url
        self._connecting = asyncio.create_task(self._connect(self._handler))

    async def stop(self) -> None:
        if self._handler is None or self._connecting is None:
            return
        self._connecting.cancel()
        await asyncio.gather(self._connecting, return_exceptions=True)
        await self._handler.close_async()  # type: ignore[no-untyped-call]
        self._handler = None

    async def _connect(self, handler: AsyncSocketModeHandler) -> None:
        await handler.connect_async()  # type: ignore[no-untyped-call]
