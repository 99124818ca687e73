"""What was said in a thread before the message that starts a run, as lines for the agent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.slack.directory import Directory, plain_name
from ponderd.channels.slack.failures import CALL_ERRORS, failure_of
from ponderd.channels.slack.reading.message import Ids, Names, named_in, read_message
from ponderd.channels.text import one_line

MESSAGES = 50
"""Most messages that are told."""
CHARS = 8_000
"""Most characters of all of them."""
MESSAGE_CHARS = 2_000
"""Most characters of one."""
SECONDS = 3.0
"""Seconds that the reading of the thread may take; the names may take two more."""
PAGES = 10
"""Most pages of a thread that are read."""
OURS = "ponderd"
"""Who wrote our own posts."""

_PAGE = 200
_TS = re.compile(r"([0-9]{1,12})\.([0-9]{1,9})")

log = structlog.get_logger(__name__)


async def before(
    client: AsyncWebClient,
    channel: str,
    thread: str,
    until_ts: str,
    directory: Directory,
    team: str,
    since_ts: str = "",
    own_user: str | None = None,
) -> str:
    """The messages of `thread` after `since_ts` and before `until_ts`, each as "Ann: …", the newest
    last. Further lines of one message are indented, so that nobody can write another's.

    What is left out is said. Never raises: where Slack does not give the thread, it is "".
    """
    messages, is_whole = await _thread(client, channel, thread, until_ts, since_ts)
    told = [message for message in messages if _is_told(message)]
    newest = told[-MESSAGES:]
    names = await _names(newest, directory, team)
    entries = [_entry(message, own_user, names) for message in newest]
    entries = [entry for entry in entries if entry]
    kept, room = 0, CHARS
    for entry in reversed(entries):
        room -= len(entry) + 1
        if room < 0:
            break
        kept += 1
    left_out = len(told) - len(newest) + len(entries) - kept
    lines = [f"[{left_out} earlier messages left out]"] if left_out else []
    lines += entries[len(entries) - kept :]
    if not is_whole:
        lines.append("[the rest of the thread could not be read]")
    return "\n".join(lines)


async def _thread(
    client: AsyncWebClient, channel: str, thread: str, until_ts: str, since_ts: str
) -> tuple[list[Mapping[str, Any]], bool]:
    """The messages between the two, the oldest first, and whether these are all."""
    found: list[Mapping[str, Any]] = []
    since, until = _at(since_ts), _at(until_ts)
    try:
        async with asyncio.timeout(SECONDS):
            cursor = ""
            for _ in range(PAGES):
                page = await client.conversations_replies(
                    channel=channel,
                    ts=thread,
                    oldest=since_ts or None,
                    latest=until_ts or None,
                    limit=_PAGE,
                    include_all_metadata=True,
                    cursor=cursor or None,
                )
                for message in page.get("messages") or ():
                    # Slack always sends the first message of the thread, too.
                    if isinstance(message, dict) and since < _at(message.get("ts")) < until:
                        found.append(message)
                cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
                if not cursor:
                    return found, True
        reason = f"more than {PAGES * _PAGE} messages"
    except CALL_ERRORS as error:
        reason = failure_of(error).reason
    log.warning("slack thread not read", channel=channel, thread=thread, reason=reason)
    return found, not found


def _at(ts: object) -> tuple[int, int]:
    """A timestamp of Slack's, to compare. (0, 0) if it is none."""
    found = _TS.fullmatch(ts) if isinstance(ts, str) else None
    return (int(found[1]), int(found[2].ljust(9, "0"))) if found else (0, 0)


# What tells of the conversation, and says nothing in it.
_SILENT = re.compile(r"(channel|group|im|mpim|bot)_\w+|tombstone|reminder_add|pinned_item")


def _is_told(message: Mapping[str, Any]) -> bool:
    subtype = str(message.get("subtype") or "")
    return subtype == "bot_message" or not (message.get("hidden") or _SILENT.fullmatch(subtype))


async def _names(messages: Sequence[Mapping[str, Any]], directory: Directory, team: str) -> Names:
    named = [named_in(message) for message in messages]
    authors = [str(message["user"]) for message in messages if message.get("user")]
    people = dict.fromkeys([*authors, *(each for ids in named for each in ids.people)])
    channels = dict.fromkeys(each for ids in named for each in ids.channels)
    groups = dict.fromkeys(each for ids in named for each in ids.groups)
    return await directory.names(team, Ids(tuple(people), tuple(channels), tuple(groups)))


def _entry(message: Mapping[str, Any], own_user: str | None, names: Names) -> str:
    """A message as it is told. Empty: it says nothing."""
    said = read_message(message, own_user, names)
    files = [f"[attached: {plain_name(file.name) or 'a file'}]" for file in said.files]
    text = "\n".join(part for part in (said.text, *files) if part)
    if not text:
        return ""
    if len(text) > MESSAGE_CHARS:
        text = f"{text[:MESSAGE_CHARS]}… [{len(text) - MESSAGE_CHARS} more characters left out]"
    return f"{_author(message, own_user, names)}: " + text.replace("\n", "\n  ")


def _author(message: Mapping[str, Any], own_user: str | None, names: Names) -> str:
    user = str(message.get("user") or "")
    if own_user is None:
        is_ours = bool(message.get("bot_id")) and _has_our_mark(message.get("metadata"))
    else:
        is_ours = user == own_user
    if is_ours:
        return OURS
    profile = message.get("bot_profile")
    bot = message.get("username") or (profile.get("name") if isinstance(profile, dict) else "")
    if message.get("bot_id") and bot:
        return f"{_label(str(bot))} (a bot)"
    name = _label(names.people.get(user, ""))
    if not name or name.casefold() == OURS:  # nobody is taken for us
        return f"{name} ({user})" if name and user else one_line(user, 40) or "somebody"
    return name


def _has_our_mark(metadata: object) -> bool:
    return isinstance(metadata, dict) and metadata.get("event_type") == "ponderd_reply"


def _label(name: str) -> str:
    return plain_name(name).replace(":", " ").strip()
