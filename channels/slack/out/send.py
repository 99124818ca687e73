"""Slack, outward: post replies into their threads, questions with buttons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.channel import still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.out.markdown import mrkdwn, with_mentions
from ponderd.channels.slack.out.question import question_blocks, question_text
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import TIMEOUT, Workspaces, delivery_error, reason_of

UPDATE_LIMIT = 3_900
"""Characters of an edited message. chat.update takes 4,000; chat.postMessage takes more."""
OUTCOME_CHARS = 600
"""Characters at the end of a notice that are never cut. They tell who decided what."""
LOOKBACK = 24 * 3600
"""Seconds for which a resend searches a channel backwards from its newest message. A thread is
searched from its beginning."""

_EVENT_TYPE = "ponderd_reply"
_BLOCKS_REFUSED = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long")
_NOT_CHANGEABLE = ("message_not_found", "cant_update_message", "edit_window_closed")


class SlackChannel:
    """Posts replies to a thread, a channel (C…) or a person (U…).

    Slack does not recognise repeats. So each post carries its key as metadata, and a resend first
    searches for a post with that key. A notice that resolves a question replaces the question and
    removes its buttons.
    """

    name = "slack"

    def __init__(self, settings: ChannelSettings) -> None:
        self._workspaces = Workspaces(settings)
        self._signs = Signs(self._workspaces.client)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        headers = reply.to.headers
        client = self._workspaces.client(headers.get("team", ""), headers.get("enterprise", ""))
        try:
            async with _checking_session() as client.session:
                if reply.resolves and await _changed(client, reply):
                    return reply.resolves
                posted = await _posted(client, reply) if resend else None
                return posted or await _post(client, reply)
        except SlackApiError as error:
            raise delivery_error(error, reply.to.to) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"Slack cannot be reached: {reason}") from error

    def progress(self, to: Address, doing: str) -> None:
        if doing:
            self._signs.doing(to, doing)
        else:
            self._signs.end(to)

    async def close(self) -> None:
        await self._signs.close()


def _checking_session() -> aiohttp.ClientSession:
    """A session that checks, once it is connected, that the reply is still ours to send.

    Connecting takes time. Another worker may have taken over meanwhile, and Slack would not notice
    that its post and ours are the same.
    """

    async def check(*_: object) -> None:
        still_ours.get()()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(check)
    trace.on_connection_reuseconn.append(check)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    return aiohttp.ClientSession(timeout=timeout, trace_configs=[trace])


async def _post(client: AsyncWebClient, reply: Reply) -> str:
    """Post the reply. Returns the ts of the new message."""
    text, blocks = mrkdwn(reply.text), []
    if reply.inquiry:
        text = question_text(reply.text, reply.inquiry)
        blocks = question_blocks(reply.text, reply.inquiry, reply.run_id)
    try:
        return await _post_as(client, reply, text, blocks)
    except SlackApiError as error:
        if not blocks or reason_of(error) not in _BLOCKS_REFUSED:
            raise
        # A question without buttons is better than none: people can still answer in writing.
        return await _post_as(client, reply, text, [])


async def _post_as(
    client: AsyncWebClient, reply: Reply, text: str, blocks: list[dict[str, Any]]
) -> str:
    response = await client.chat_postMessage(
        channel=reply.to.to,
        thread_ts=reply.to.thread or None,
        text=text,
        blocks=blocks or None,
        metadata={"event_type": _EVENT_TYPE, "event_payload": {"key": reply.key}},
    )
    return str(response["ts"])


async def _changed(client: AsyncWebClient, reply: Reply) -> bool:
    """Replace the question by the notice. False if Slack no longer allows that."""
    try:
        await client.chat_update(
            channel=await _conversation(client, reply.to.to),
            ts=reply.resolves,
            text=with_mentions(mrkdwn(reply.text, UPDATE_LIMIT, keep_end=OUTCOME_CHARS)),
            blocks=[],
        )
    except SlackApiError as error:
        if reason_of(error) not in _NOT_CHANGEABLE:
            raise
        return False
    return True


async def _posted(client: AsyncWebClient, reply: Reply) -> str | None:
    """The ts of an earlier attempt that arrived, or None."""
    async for message in _thread(client, reply) if reply.to.thread else _channel(client, reply):
        match message:
            case {
                "ts": str(at),
                "metadata": {"event_type": kind, "event_payload": {"key": key}},
            } if kind == _EVENT_TYPE and key == reply.key:
                return at
    return None


async def _thread(client: AsyncWebClient, reply: Reply) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = await client.conversations_replies(
            channel=await _conversation(client, reply.to.to),
            ts=reply.to.thread,
            include_all_metadata=True,
            limit=200,
            cursor=cursor or None,
        )
        for message in page.get("messages") or []:
            yield message
        cursor = _next_cursor(page)


async def _channel(client: AsyncWebClient, reply: Reply) -> AsyncIterator[dict[str, Any]]:
    """Messages of the last `LOOKBACK` seconds, newest first.

    The time is counted from the newest message, because our own clock may be wrong.
    """
    channel = await _conversation(client, reply.to.to)
    since = 0.0
    cursor: str | None = ""
    while cursor is not None:
        page = await client.conversations_history(
            channel=channel, include_all_metadata=True, limit=200, cursor=cursor or None
        )
        for message in page.get("messages") or []:
            at = float(message["ts"])
            since = since or at - LOOKBACK
            if at < since:
                return
            yield message
        cursor = _next_cursor(page)


def _next_cursor(page: Any) -> str | None:
    return (page.get("response_metadata") or {}).get("next_cursor") or None


async def _conversation(client: AsyncWebClient, to: str) -> str:
    """The id of the conversation: `to` itself or, for a person, that of their direct messages."""
    if not to.startswith(("U", "W")):
        return to
    opened = await client.conversations_open(users=to)
    return str(opened["channel"]["id"])
