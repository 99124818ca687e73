"""Slack, outward: post replies into their threads, in pieces if they are long, questions with
buttons."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.channel import Receipt, still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.out.arrived import Arrived
from ponderd.channels.slack.out.compose import SMALL, Post, outcome
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import TIMEOUT, Workspaces, delivery_error, reason_of

LOOKBACK = 24 * 3600
"""Seconds for which a resend searches a channel backwards from its newest message. A thread is
searched from its beginning."""
BURST, PAUSE = 3, 1.0
"""Pieces that are posted at once; between the others some seconds pass, as Slack asks."""

Pieces = list[tuple[str, dict[str, Any]]]
"""Messages of a reply: the ts of each, and what its metadata says."""

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
            raise DeliveryError(f"Slack cannot be reached: {reason}", unreachable=True) from error
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
    arrived = Arrived(reply)
    if resend:
        arrived.place = await _conversation(client, reply.to.to)
        arrived.take(await _look(client, reply, arrived.place))
    try:
        return await _post_all(client, reply, arrived)
    except SlackApiError as error:
        # What is there stays; only the rest is made smaller.
        if reason_of(error) != "msg_too_long" or not arrived.shrink(SMALL):
            raise
        return await _post_all(client, reply, arrived)


async def _post_all(client: AsyncWebClient, reply: Reply, arrived: Arrived) -> Receipt:
    """Post what is not there yet, in order."""
    thread, sent = reply.to.thread, 0
    for number, post in enumerate(arrived.posts, 1):
        if number not in arrived.found:
            if sent >= BURST:
                await asyncio.sleep(PAUSE)
            which = arrived.which(number)
            posted, thread = await _post(client, reply, post, thread, which)
            arrived.found[number], arrived.place = posted, posted.place or arrived.place
            sent += 1
    return Receipt(arrived.receipt, arrived.place)


async def _post(
    client: AsyncWebClient, reply: Reply, post: Post, thread: str, which: dict[str, int]
) -> tuple[Receipt, str]:
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
            return Receipt(response["ts"], response.get("channel") or ""), thread
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


async def _look(client: AsyncWebClient, reply: Reply, channel: str) -> Pieces:
    """What of an earlier attempt arrived."""
    pieces: Pieces = []
    if reply.to.thread:
        try:
            await _collect(pieces, reply.key, _thread(client, channel, reply.to.thread))
        except SlackApiError as error:
            if reason_of(error) not in _NO_THREAD:
                raise
        else:
            return pieces
    await _collect(pieces, reply.key, _channel(client, channel))
    return pieces


async def _collect(pieces: Pieces, key: str, messages: AsyncIterator[dict[str, Any]]) -> None:
    """Add what `messages` have of the reply. No more of them are read than are needed."""
    numbers: set[int] = set()
    async for message in messages:
        match message:
            case {
                "ts": str(at),
                "metadata": {"event_type": kind, "event_payload": {"key": known} as which},
            } if kind == _EVENT_TYPE and known == key:
                pieces.append((at, which))
                numbers.add(int(which.get("number", 1)))
                if all(each in numbers for each in range(1, int(which.get("total", 1)) + 1)):
                    return


async def _thread(
    client: AsyncWebClient, channel: str, thread: str
) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = await client.conversations_replies(
            channel=channel,
            ts=thread,
            include_all_metadata=True,
            limit=200,
            cursor=cursor or None,
        )
        for message in page.get("messages") or []:
            yield message
        cursor = _next_cursor(page)


async def _channel(client: AsyncWebClient, channel: str) -> AsyncIterator[dict[str, Any]]:
    """Messages of the last `LOOKBACK` seconds, newest first.

    The time is counted from the newest message, because our own clock may be wrong.
    """
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
