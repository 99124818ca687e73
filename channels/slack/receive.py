"""What an event of Slack means: a message to an agent, a reaction, or nothing. Pure."""

from __future__ import annotations

from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Address, Attachment, Ignored, Reaction, Trigger, principal
from ponderd.channels.slack.ids import id_field
from ponderd.channels.slack.reading.message import SlackFile, read_message
from ponderd.channels.text import one_line

# Subtypes of messages that a person wrote. Others are edits, deletions, joins and the like.
_SPOKEN = (None, "", "file_share", "thread_broadcast", "me_message")


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
    said = read_message(event, own_user)
    return Trigger(
        channel="slack",
        # Two keys: a retry has the same event_id; and if Slack tells of one message in two events,
        # as app_mention and as message, they have the same channel and ts.
        keys=(f"slack:event:{id_field(body, 'event_id')}", f"slack:{team}:{channel}:{at}"),
        conversation=f"{team}:{channel}:{thread}",
        text=said.text or "(no text)",
        sender=user,
        authentic=True,
        reply_to=Address(channel="slack", to=channel, thread=thread),
        attachments=tuple(map(_attachment, said.files)),
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


def _attachment(file: SlackFile) -> Attachment:
    return Attachment(
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        text=file.preview,
        length=len(file.preview),
        unread="" if file.preview else file.problem,
    )
