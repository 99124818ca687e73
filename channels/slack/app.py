"""Slack's way in: events and clicks come by HTTP or Socket Mode.

slack_bolt is imported inside functions, so that processes which only send stay small.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from ponderd.channels.channel import Accept, AnswerInquiry, React
from ponderd.channels.errors import Refused, StartupError, Unavailable
from ponderd.channels.message import Ignored, Reaction, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.clicks import Click, ClickReplies, parse_click
from ponderd.channels.slack.receive import parse
from ponderd.channels.slack.web_api import reason_of, web_client

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from starlette.requests import Request
    from starlette.responses import Response

_WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")

log = structlog.get_logger(__name__)


def build_app(
    settings: ChannelSettings, accept: Accept, answer: AnswerInquiry, react: React
) -> AsyncApp:
    """The Bolt app that serves both HTTP and Socket Mode.

    It acknowledges an event only after `accept` has returned, and a click only after `answer` has.
    If the store is unavailable, the response is 503 (HTTP) or missing (Socket Mode). Slack then
    sends the event again, or shows an error to the person who pressed the button.
    """
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.response import BoltResponse

    answers = ClickReplies(settings.slack_api_url)

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # One workspace, one token. By default Bolt asks Slack (auth.test) before every event. If
        # Slack does not reply, Bolt answers 200, and the event is lost.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    async def receive(body: dict[str, Any]) -> BoltResponse:
        try:
            match parse_click(body) if body.get("type") == "block_actions" else parse(body):
                case Ignored(reason=reason):
                    log.debug("slack event ignored", reason=reason)
                case Trigger() as trigger:
                    await accept(trigger)
                case Click() as click:
                    await press(click)
                case Reaction() as reaction:
                    await react(reaction)
        except Refused as error:
            # Still 200: a retry would be refused again, three times.
            log.warning("slack event refused", error=str(error))
        return BoltResponse(status=200)

    async def press(click: Click) -> None:
        try:
            outcome = await answer(click.verdict)
        except Refused as error:
            log.info("slack button refused", by=click.verdict.by, error=str(error))
            answers.refuse(click, str(error))
        else:
            answers.confirm(click, outcome)

    async def failed(error: Exception) -> BoltResponse:
        if isinstance(error, Unavailable):
            log.warning("slack event not stored", error=str(error))
            return BoltResponse(status=503)
        log.error("slack event failed", exc_info=error)
        return BoltResponse(status=500)

    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    signing_secret = settings.slack_signing_secret
    app = AsyncApp(
        name="ponderd",
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


def http_handler(app: AsyncApp) -> Callable[[Request], Awaitable[Response]]:
    """Answers POST /slack/events."""
    from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
    from starlette.responses import Response

    handler = AsyncSlackRequestHandler(app)

    async def handle(request: Request) -> Response:
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not re.fullmatch("[0-9]{1,12}", timestamp) or not signature.isascii():
            return Response("invalid request", 401)
        try:
            return await handler.handle(request)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # Bolt parses the body before it checks the signature, and crashes on broken ones.
            log.info("slack request refused", error=repr(error))
            return Response("malformed request", 400)

    return handle


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
