"""Slack: mentions and direct messages come in, by HTTP or Socket Mode; answers go to the thread.

slack_bolt is imported where it is needed: workers only send, and stay small.
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
from slack_sdk.web.async_client import AsyncWebClient

from channels.channel import Accept
from channels.errors import DeliveryFailed, Malformed, Refused, StartupFailed, Unavailable
from channels.message import Address, Attachment, Ignored, Reply, Trigger
from channels.settings import ChannelSettings
from channels.text import clean, one_line

if TYPE_CHECKING:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp
    from starlette.requests import Request
    from starlette.responses import Response

TEXT_LIMIT = 39_000
"""Characters of one message; Slack cuts at 40,000."""
TIMEOUT = 15
"""Seconds that one call of the Web API may take."""

_EVENT_TYPE = "ponderd_reply"
# A message with one of these is still something that a person said.
_SPOKEN = (None, "", "file_share", "thread_broadcast", "me_message")
# Slack's own trouble. Everything else that it refuses, it will refuse again.
_TRANSIENT = (
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
)
_WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")

log = structlog.get_logger(__name__)


def parse(body: dict[str, Any]) -> Trigger | Ignored:
    """An event that Slack sent and signed. Raises Malformed."""
    if body.get("type") != "event_callback":
        return Ignored(reason=f"not an event: {_shown(body.get('type'))}")
    event = body.get("event")
    if not isinstance(event, dict):
        raise Malformed("event: expected an object")
    kind, subtype = event.get("type"), event.get("subtype")
    if kind != "app_mention" and not (kind == "message" and event.get("channel_type") == "im"):
        return Ignored(reason=f"neither a mention nor a direct message: {_shown(kind)}")
    if subtype not in _SPOKEN:
        return Ignored(reason=f"not something said: {_shown(subtype)}")
    own_user = _own_user(body)
    if event.get("bot_id") or event.get("bot_profile") or event.get("user") == own_user is not None:
        return Ignored(reason="a bot said it")

    team, channel = _field(body, "team_id"), _field(event, "channel")
    at, user = _field(event, "ts"), _field(event, "user")
    thread = _field(event, "thread_ts") if event.get("thread_ts") else at
    text = event.get("text") or ""
    if not isinstance(text, str):
        raise Malformed("text: expected a string")
    return Trigger(
        channel="slack",
        keys=(f"slack:event:{_field(body, 'event_id')}", f"slack:{team}:{channel}:{at}"),
        conversation=f"{team}:{channel}:{thread}",
        text=readable(text, own_user) or "(no text)",
        sender=user,
        authentic=True,
        reply_to=Address(channel="slack", to=channel, thread=thread),
        attachments=tuple(_files(event.get("files"))),
    )


def _field(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9._-]{1,80}", value):
        raise Malformed(f"{name}: expected an id of Slack's")
    return value


def _shown(value: object) -> str:
    return one_line(str(value), 60) if isinstance(value, str) else type(value).__name__


def _own_user(body: dict[str, Any]) -> str | None:
    """The user id that this app has in the workspace."""
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


_REFERENCE = re.compile(r"<([^<>]*)>")


def readable(text: str, own_user: str | None = None) -> str:
    """Slack's markup as a person would write it, without the mention of the bot in front."""
    if own_user is None:
        text = re.sub(r"^\s*<@[^<>]*>[\s,:]*", "", text)
    else:
        text = re.sub(rf"^\s*<@{re.escape(own_user)}(?:\|[^<>]*)?>[\s,:]*", "", text)
    text = _REFERENCE.sub(lambda found: _spell_out(found[1]), text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return clean(text).strip()


def _spell_out(reference: str) -> str:
    target, _, label = reference.partition("|")
    match target[:1]:
        case "@" | "#" as sign:
            return sign + (label or target[1:]).removeprefix(sign)
        case "!":
            return label or "@" + target[1:].partition("^")[0]
        case _ if label and label != target.removeprefix("mailto:"):
            return f"{label} ({target})"
        case _:
            return target.removeprefix("mailto:")


_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_LINK = re.compile(r"\[([^\[\]\n]{1,500})\]\(((?:https?://|mailto:)[^\s()|]{1,2000})\)")
_BOLD = re.compile(r"(\*\*|__)(?=\S)([^\n]{1,1000}?)(?<=\S)\1")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def mrkdwn(text: str) -> str:
    """Markdown as Slack's own markup, nothing in it taken for a mention, cut to what fits."""
    source = clean(text)
    converted = _convert(source)
    while len(converted) > TEXT_LIMIT:
        source = source[: min(TEXT_LIMIT, len(source) * 9 // 10)]
        converted = _convert(source) + " …"
    return converted


def _convert(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    pieces = _CODE.split(escaped)
    for index in range(0, len(pieces), 2):  # the odd ones are code
        piece = _HEADING.sub(lambda found: f"**{found[1].replace('**', '')}**", pieces[index])
        pieces[index] = _BOLD.sub(r"*\2*", _LINK.sub(r"<\2|\1>", piece))
    return "".join(pieces)


def build_app(settings: ChannelSettings, accept: Accept) -> AsyncApp:
    """The Bolt app that both HTTP and Socket Mode feed.

    It acknowledges an event only after `accept` returned: while the store is away the answer is
    503, or none at all, and Slack sends the event again.
    """
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.response import BoltResponse

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # One workspace, one token. Bolt would ask Slack (auth.test) before every event, and
        # answer 200, which loses the event, when Slack does not reply.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    async def receive(body: dict[str, Any]) -> BoltResponse:
        try:
            trigger = parse(body)
            match trigger:
                case Ignored():
                    log.debug("slack event ignored", reason=trigger.reason)
                case Trigger():
                    await accept(trigger)
        except Refused as error:
            log.warning("slack event refused", error=str(error))
        return BoltResponse(status=200)

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
        client=_client(settings, token=None),
        authorize=authorize,
        # Without a configured secret no request by HTTP can be genuine.
        signing_secret=signing_secret.get_secret_value() if signing_secret else secrets.token_hex(),
        process_before_response=True,
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
            # Bolt reads the body before it checks the signature, and trips over broken ones.
            log.info("slack request refused", error=repr(error))
            return Response("malformed request", 400)

    return handle


class SocketMode:
    """Receives events over a websocket that we open, for hosts that Slack cannot reach."""

    def __init__(self, app: AsyncApp, app_token: str) -> None:
        self._app = app
        self._token = app_token
        self._handler: AsyncSocketModeHandler | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and stay connected. Raises StartupFailed for a token that Slack refuses;
        a Slack that is away now is tried again in the background.
        """
        from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

        url: str | None = None
        try:
            url = (await self._app.client.apps_connections_open(app_token=self._token))["url"]
        except SlackApiError as error:
            reason = _reason(error)
            if reason in _WRONG_TOKEN:
                raise StartupFailed(
                    f"Slack refuses PONDERD_SLACK_APP_TOKEN: {reason}", exit_code=2
                ) from error
            log.warning("slack is away, trying again", error=reason)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("slack is away, trying again", error=str(error))
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


def _client(settings: ChannelSettings, token: str | None) -> AsyncWebClient:
    # The SDK's own retries post twice when only the response was lost.
    return AsyncWebClient(
        token=token, base_url=settings.slack_api_url, timeout=TIMEOUT, retry_handlers=[]
    )


class SlackChannel:
    """Posts replies into their thread. Each carries its key as metadata: Slack does not
    recognise repeats by itself, so a resend looks into the thread first.
    """

    name = "slack"

    def __init__(self, settings: ChannelSettings) -> None:
        token = settings.slack_bot_token
        self._client = _client(settings, token.get_secret_value()) if token else None

    async def send(self, reply: Reply, *, resend: bool) -> str:
        if self._client is None:
            raise DeliveryFailed("PONDERD_SLACK_BOT_TOKEN is not set", permanent=True)
        try:
            posted = await _posted(self._client, reply) if resend else None
            if posted is not None:
                return posted
            response = await self._client.chat_postMessage(
                channel=reply.to.to,
                thread_ts=reply.to.thread or None,
                text=mrkdwn(reply.text),
                metadata={"event_type": _EVENT_TYPE, "event_payload": {"key": reply.key}},
            )
            return str(response["ts"])
        except SlackApiError as error:
            raise _delivery_failed(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryFailed(f"Slack cannot be reached: {reason}") from error

    async def close(self) -> None:
        pass


async def _posted(client: AsyncWebClient, reply: Reply) -> str | None:
    """The ts of an earlier attempt that did arrive."""
    cursor = ""
    while True:
        page = await client.conversations_replies(
            channel=reply.to.to,
            ts=reply.to.thread,
            include_all_metadata=True,
            limit=200,
            cursor=cursor or None,
        )
        for message in page.get("messages") or []:
            match message:
                case {
                    "ts": str(at),
                    "metadata": {"event_type": kind, "event_payload": {"key": key}},
                } if kind == _EVENT_TYPE and key == reply.key:
                    return at
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return None


def _reason(error: SlackApiError) -> str:
    data = getattr(error.response, "data", None)
    status = getattr(error.response, "status_code", None)
    reason = data.get("error") if isinstance(data, dict) else None
    return str(reason or f"HTTP {status}")


def _delivery_failed(error: SlackApiError) -> DeliveryFailed:
    reason = _reason(error)
    wait = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
    return DeliveryFailed(
        f"Slack: {reason}",
        permanent=not reason.startswith("HTTP ") and reason not in _TRANSIENT,
        retry_after=float(wait) if wait.isdecimal() else None,
    )
