"""Slack, outward: post replies into their threads, in pieces if they are long, questions with
buttons."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.channel import still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.out.compose import SMALL, Post, compose, outcome
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import TIMEOUT, Workspaces, delivery_error, reason_of

LOOKBACK = 24 * 3600
"""Seconds for which a resend searches a channel backwards from its newest message. A thread is
searched from its beginning."""
BURST, PAUSE = 3, 1.0
"""Pieces that are posted at once; between the others some seconds pass, as Slack asks."""

_EVENT_TYPE = "ponderd_reply"
_BLOCKS_REFUSED = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long")
_NOT_CHANGEABLE = ("message_not_found", "cant_update_message", "edit_window_closed")
_NO_THREAD = (
    "thread_not_found",
    "cannot_reply_to_message",
    "invalid_thread_ts",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
)
_ELSEWHERE = ("channel_not_found", "user_not_found")

Found = dict[tuple[int, int], str]
"""The ts of pieces that arrived, by (how many there are, which one it is, from 1)."""


class SlackChannel:
    """Posts replies to a thread, a channel (C…) or a person (U…).

    Slack does not recognise repeats. So each post carries its key as metadata, and a resend first
    searches for the posts with that key. A notice that resolves a question replaces the question
    and removes its buttons.
    """

    name = "slack"

    def __init__(self, settings: ChannelSettings) -> None:
        self._workspaces = Workspaces(settings)
        self._signs = Signs(self._workspaces.client)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        headers = reply.to.headers
        places = self._workspaces.clients(headers.get("team", ""), headers.get("enterprise", ""))
        try:
            async with _checking_session() as session:
                for number, client in enumerate(places, 1):
                    client.session = session
                    try:
                        return await _deliver(client, reply, resend)
                    except SlackApiError as error:
                        # Which workspace it is in is not known: it is none of the others'.
                        if number == len(places) or reason_of(error) not in _ELSEWHERE:
                            raise
        except SlackApiError as error:
            raise delivery_error(error, reply.to.to) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"Slack cannot be reached: {reason}") from error
        raise AssertionError("there is always a workspace")

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


async def _deliver(client: AsyncWebClient, reply: Reply, resend: bool) -> str:
    """Returns the ts of the first message or, of a question with buttons, of the one with them."""
    if reply.resolves and await _changed(client, reply):
        return reply.resolves
    found = await _posted(client, reply) if resend else {}
    posts = compose(reply)
    if any(total != len(posts) for total, _ in found):  # they were made smaller before
        smaller = compose(reply, SMALL)
        posts = smaller if any(total == len(smaller) for total, _ in found) else posts
    try:
        return await _post_all(client, reply, posts, found)
    except SlackApiError as error:
        if reason_of(error) != "msg_too_long":
            raise
        return await _post_all(client, reply, compose(reply, SMALL), found)


async def _post_all(
    client: AsyncWebClient, reply: Reply, posts: Sequence[Post], found: Found
) -> str:
    """Post what is not there yet, in order."""
    receipts: list[str] = []
    thread, sent = reply.to.thread, 0
    for number, post in enumerate(posts, 1):
        at = found.get((len(posts), number))
        if at is None:
            if sent >= BURST:
                await asyncio.sleep(PAUSE)
            which = {"number": number, "total": len(posts)} if len(posts) > 1 else {}
            at, thread = await _post(client, reply, post, thread, which)
            sent += 1
        receipts.append(at)
    buttons = next((index for index, post in enumerate(posts) if post.has_buttons), 0)
    return receipts[buttons]


async def _post(
    client: AsyncWebClient, reply: Reply, post: Post, thread: str, which: dict[str, int]
) -> tuple[str, str]:
    """Post one message, more plainly where Slack refuses it. Returns its ts, and the thread."""
    blocks = post.blocks
    while True:
        try:
            response = await client.chat_postMessage(
                channel=reply.to.to,
                thread_ts=thread or None,
                text=post.text,
                blocks=blocks or None,
                metadata={
                    "event_type": _EVENT_TYPE,
                    "event_payload": {"key": reply.key, **which},
                },
                # Nobody is to fetch an address because an agent wrote it.
                unfurl_links=False,
                unfurl_media=False,
            )
            return str(response["ts"]), thread
        except SlackApiError as error:
            reason = reason_of(error)
            if blocks and reason in _BLOCKS_REFUSED:
                # A question without buttons is better than none: people can answer in writing.
                blocks = []
            elif thread and reason in _NO_THREAD:
                thread = ""
            else:
                raise


async def _changed(client: AsyncWebClient, reply: Reply) -> bool:
    """Replace the question by the notice. False if Slack no longer allows that."""
    post = outcome(reply)
    blocks = post.blocks
    channel = await _conversation(client, reply.to.to)
    while True:
        try:
            await client.chat_update(
                channel=channel, ts=reply.resolves, text=post.text, blocks=blocks
            )
        except SlackApiError as error:
            reason = reason_of(error)
            if blocks and reason in _BLOCKS_REFUSED:
                blocks = []
                continue
            if reason not in _NOT_CHANGEABLE:
                raise
            return False
        return True


async def _posted(client: AsyncWebClient, reply: Reply) -> Found:
    """What of an earlier attempt arrived."""
    found: Found = {}
    try:
        if reply.to.thread and await _collect(found, reply.key, _thread(client, reply.to)):
            return found
    except SlackApiError as error:
        if reason_of(error) not in _NO_THREAD:
            raise
    else:
        if reply.to.thread:
            return found
    await _collect(found, reply.key, _channel(client, reply.to))
    return found


async def _collect(found: Found, key: str, messages: AsyncIterator[dict[str, Any]]) -> bool:
    """Whether all of it was found; `messages` are read no further then."""
    async for message in messages:
        match message:
            case {
                "ts": str(at),
                "metadata": {"event_type": kind, "event_payload": {"key": known} as which},
            } if kind == _EVENT_TYPE and known == key:
                total, number = int(which.get("total", 1)), int(which.get("number", 1))
                found[total, number] = at
                if all((total, each) in found for each in range(1, total + 1)):
                    return True
    return False


async def _thread(client: AsyncWebClient, to: Address) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = await client.conversations_replies(
            channel=await _conversation(client, to.to),
            ts=to.thread,
            include_all_metadata=True,
            limit=200,
            cursor=cursor or None,
        )
        for message in page.get("messages") or []:
            yield message
        cursor = _next_cursor(page)


async def _channel(client: AsyncWebClient, to: Address) -> AsyncIterator[dict[str, Any]]:
    """Messages of the last `LOOKBACK` seconds, newest first.

    The time is counted from the newest message, because our own clock may be wrong.
    """
    channel = await _conversation(client, to.to)
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
