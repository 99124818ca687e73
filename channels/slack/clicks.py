"""Answer the person who pressed a button in Slack."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from ponderd.channels.slack.button import Click
from ponderd.channels.slack.out.compose import confirmed
from ponderd.channels.slack.out.verbatim import blocks_of, markup_of, naming
from ponderd.channels.text import one_line

ANSWER_SECONDS = 5
"""Seconds that the answer to a click may take. Nothing waits for it."""

REASON_LIMIT = 2_500
"""Characters of why a click does not count."""

log = structlog.get_logger(__name__)


def is_response_url(url: str, api_url: str) -> bool:
    """Whether Slack itself made `url`. We post to it just because it came with a click.

    If `api_url` is not Slack's own (in tests, behind a proxy), its host is accepted as well.
    """
    try:
        given, api = urlsplit(url), urlsplit(api_url)
    except ValueError:
        return False
    allowed = [("https", f"hooks.{api.netloc}")]
    if api.netloc != "slack.com":
        allowed.append((api.scheme, api.netloc))
    return (given.scheme, given.netloc) in allowed


class ClickReplies:
    """Tells people what became of their click, in the background.

    Slack wants its acknowledgement within three seconds, so nothing waits for this. The answer may
    be lost: the run edits the message later in any case.
    """

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url
        self._under_way: set[asyncio.Task[None]] = set()

    def confirm(self, click: Click, outcome: str) -> None:
        """Replace the question by its outcome and remove the buttons, for everybody."""
        post = confirmed(click.message, click.asked, outcome)
        body: dict[str, Any] = {"replace_original": True, "text": post.text}
        if post.blocks:
            body["blocks"] = post.blocks
        self._send(click, body)

    def refuse(self, click: Click, why: str) -> None:
        """Tell the person who pressed the button, and nobody else, why the click does not count."""
        cut = " …" if len(why) > REASON_LIMIT else ""
        told = list(naming(one_line(why, REASON_LIMIT) + cut))
        body: dict[str, Any] = {
            "replace_original": False,
            "response_type": "ephemeral",
            "text": markup_of(told),
            "blocks": blocks_of(told),
        }
        if click.thread:
            body["thread_ts"] = click.thread
        self._send(click, body)

    def _send(self, click: Click, body: dict[str, Any]) -> None:
        if not is_response_url(click.response_url, self._api_url):
            log.warning("slack gave no response_url of its own", by=click.verdict.by)
            return
        # asyncio keeps only weak references to tasks: without the set this one could vanish.
        task = asyncio.create_task(_post(click.response_url, body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


async def _post(url: str, body: dict[str, Any]) -> None:
    webhook = AsyncWebhookClient(url, timeout=ANSWER_SECONDS, retry_handlers=[])
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            response = await webhook.send_dict(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        log.warning("slack was not told what became of a click", error=repr(error))
    else:
        if response.status_code != 200:
            log.warning("slack was not told what became of a click", status=response.status_code)
