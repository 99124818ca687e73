"""Slack, inward: mentions, direct messages, reactions and clicks come by HTTP or Socket Mode.

slack_bolt is imported inside functions, so that processes which only send stay small.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from ponderd.channels.channel import Accept, AnswerInquiry, React
from ponderd.channels.errors import Malformed, Refused, StartupError, Unavailable
from ponderd.channels.message import Address, Attachment, Ignored, Reaction, Trigger, principal
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.clicks import Click, ClickReplies, parse_click
from ponderd.channels.slack.markup import id_field, readable
from ponderd.channels.slack.send import reason_of, web_client
from ponderd.channels.text import one_line

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from starlette.requests import Request
    from starlette.responses import Response

# Subtypes of messages that a person wrote. Others are edits, deletions, joins and the like.
_SPOKEN = (None, "", "file_share", "thread_broadcast", "me_message")
_WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")

log = structlog.get_logger(__name__)


def parse(body: dict[str, Any]) -> Trigger | Reaction | Ignored:
    """Read an event. Its signature must be checked before. Raises Malformed."""
    if body.get("type") != "event_callback":
        return Ignored(reason=f"not an event: {_shown(body.get('type'))}")
    event = body.get("event")
    if not isinstance(event, dict):
        raise Malformed("event: expected an object")
    kind, subtype = event.get("type"), event.get("subtype")
    if kind == "reaction_added":
        return _reaction(event, _own_user(body))
    if kind != "app_mention" and not (kind == "message" and event.get("channel_type") == "im"):
        return Ignored(reason=f"neither a mention nor a direct message: {_shown(kind)}")
    if subtype not in _SPOKEN:
        return Ignored(reason=f"not a message that somebody wrote: {_shown(subtype)}")
    own_user = _own_user(body)
    # Answering a bot, above all ourselves, would start a loop.
    if event.get("bot_id") or event.get("bot_profile") or event.get("user") == own_user is not None:
        return Ignored(reason="a bot wrote it")

    team, channel = id_field(body, "team_id"), id_field(event, "channel")
    at, user = id_field(event, "ts"), id_field(event, "user")
    thread = id_field(event, "thread_ts") if event.get("thread_ts") else at
    text = event.get("text") or ""
    if not isinstance(text, str):
        raise Malformed("text: expected a string")
    return Trigger(
        channel="slack",
        # Two keys: a retry has the same event_id; and if Slack tells of one message in two events,
        # as app_mention and as message, they have the same channel and ts.
        keys=(f"slack:event:{id_field(body, 'event_id')}", f"slack:{team}:{channel}:{at}"),
        conversation=f"{team}:{channel}:{thread}",
        text=readable(text, own_user) or "(no text)",
        sender=user,
        authentic=True,
        reply_to=Address(channel="slack", to=channel, thread=thread),
        attachments=tuple(_files(event.get("files"))),
    )


GOOD = frozenset({"+1", "thumbsup", "white_check_mark", "heart", "tada", "100", "pray"})
"""Slack's names (without skin tones) of reactions that call an answer good."""

BAD = frozenset({"-1", "thumbsdown", "x", "no_entry", "confused", "disappointed"})
"""Slack's names (without skin tones) of reactions that call an answer bad."""


def _reaction(event: dict[str, Any], own_user: str | None) -> Reaction | Ignored:
    item = event.get("item")
    name = str(event.get("reaction") or "").partition("::")[0]
    if not isinstance(item, dict) or item.get("type") != "message" or name not in GOOD | BAD:
        return Ignored(reason=f"neither a good nor a bad reaction: {_shown(name)}")
    user = id_field(event, "user")
    if user == own_user:
        return Ignored(reason="our own reaction")
    return Reaction(
        channel="slack",
        message=f"{id_field(item, 'channel')}:{id_field(item, 'ts')}",
        by=principal("slack", user),
        value=float(name in GOOD),
    )


def _shown(value: object) -> str:
    return one_line(str(value), 60) if isinstance(value, str) else type(value).__name__


def _own_user(body: dict[str, Any]) -> str | None:
    """The user id of this app in the workspace. None if the event does not tell."""
    match body.get("authorizations"):
        case [{"user_id": str(user)}, *_]:
            return user
        case _:
            return None


def _files(files: object) -> Iterable[Attachment]:
    for file in files if isinstance(files, list) else ():
        match file:
            case {"name": str(name), "mimetype": str(kind), "size": int(size)} if size >= 0:
                yield Attachment(
                    name=one_line(name) or "unnamed", content_type=one_line(kind, 100), size=size
                )


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
