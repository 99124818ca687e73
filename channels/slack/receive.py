"""What Slack sends: a message, a reaction, a click, a command, a shortcut. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Ignored, Reaction, principal
from ponderd.channels.slack.button import Click, parse_click
from ponderd.channels.slack.ids import id_field
from ponderd.channels.slack.reading.message import read_message
from ponderd.channels.slack.writer import (
    Writer,
    is_ours,
    own_user_of,
    writer_of_click,
    writer_of_event,
)
from ponderd.channels.text import one_line

# Subtypes of messages that somebody wrote. Others are edits, deletions, joins and the like.
_SPOKEN = (None, "", "file_share", "thread_broadcast", "me_message", "bot_message")


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """Somebody wrote, in a channel or to us alone."""

    writer: Writer
    event_id: str
    own_user: str | None
    ts: str
    thread: str
    """The thread_ts. Empty: it stands at top level."""
    is_direct: bool
    """To us alone."""
    mentions_us: bool
    event: Mapping[str, Any]
    """The message as Slack tells it."""

    @property
    def key(self) -> str:
        return self.event_id

    @property
    def lane(self) -> str:
        """Messages with the same one keep their order."""
        place = "" if self.is_direct else self.thread or self.ts
        return f"{self.writer.team}:{self.writer.channel}:{place}"


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody rated one of our messages, or perhaps of others."""

    writer: Writer
    reaction: Reaction
    event_id: str

    @property
    def key(self) -> str:
        """What the same delivery has again."""
        return self.event_id

    @property
    def lane(self) -> str:
        return self.event_id


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed one of our buttons."""

    writer: Writer
    click: Click

    @property
    def lane(self) -> str:
        return self.click.verdict.inquiry


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command. An empty `text` asks for help."""

    writer: Writer
    text: str
    trigger_id: str

    @property
    def key(self) -> str:
        """What the same delivery has again."""
        return self.trigger_id

    @property
    def lane(self) -> str:
        return self.trigger_id


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Somebody wants a message to be looked at: "Ask ponderd" in its menu."""

    writer: Writer
    message: Mapping[str, Any]
    ts: str
    thread: str
    """The thread that the message is in or may begin."""
    trigger_id: str

    @property
    def key(self) -> str:
        return self.trigger_id

    @property
    def lane(self) -> str:
        return f"{self.writer.team}:{self.writer.channel}:{self.thread}"


SlackEvent = SlackMessage | Reacted | Pressed | Command | Shortcut


def parse(body: dict[str, Any]) -> SlackEvent | Ignored:
    """Read what Slack sent. Its signature must be checked before. Raises Malformed."""
    kind = body.get("type")
    match kind:
        case "event_callback":
            return _event(body)
        case "block_actions":
            return _click(body)
        case "message_action":
            return _shortcut(body)
        case _ if kind is None and isinstance(body.get("command"), str):
            return _command(body)
    return Ignored(reason=f"not an event: {_shown(kind)}")


def _event(body: dict[str, Any]) -> SlackEvent | Ignored:
    event = body.get("event")
    if not isinstance(event, dict):
        raise Malformed("event: expected an object")
    match event.get("type"):
        case "reaction_added":
            return _reaction(body, event)
        case "app_mention" | "message":
            return _message(body, event)
        case kind:
            return Ignored(reason=f"neither a message nor a reaction: {_shown(kind)}")


def _message(body: dict[str, Any], event: dict[str, Any]) -> SlackMessage | Ignored:
    subtype = event.get("subtype")
    if subtype not in _SPOKEN or event.get("hidden") is True:
        return Ignored(reason=f"not a message that somebody wrote: {_shown(subtype)}")
    if is_ours(body, event):
        return Ignored(reason="our own message")
    channel, ts = id_field(event, "channel"), id_field(event, "ts")
    thread = id_field(event, "thread_ts") if event.get("thread_ts") else ""
    own_user = own_user_of(body)
    mention = event["type"] == "app_mention"
    return SlackMessage(
        writer=writer_of_event(body, event, channel),
        event_id=id_field(body, "event_id"),
        own_user=own_user,
        ts=ts,
        thread="" if thread == ts else thread,
        is_direct=not mention and (event.get("channel_type") == "im" or channel.startswith("D")),
        mentions_us=mention or read_message(event, own_user).mentions_us,
        event=event,
    )


GOOD = frozenset({"+1", "thumbsup", "white_check_mark", "heart", "tada", "100", "pray"})
"""Slack's names (without skin tones) of reactions that call an answer good."""

BAD = frozenset({"-1", "thumbsdown", "x", "no_entry", "confused", "disappointed"})
"""Slack's names (without skin tones) of reactions that call an answer bad."""


def _reaction(body: dict[str, Any], event: dict[str, Any]) -> Reacted | Ignored:
    item = event.get("item")
    name = str(event.get("reaction") or "").partition("::")[0]
    if not isinstance(item, dict) or item.get("type") != "message" or name not in GOOD | BAD:
        return Ignored(reason=f"neither a good nor a bad reaction: {_shown(name)}")
    if is_ours(body, event):
        return Ignored(reason="our own reaction")
    channel = id_field(item, "channel")
    writer = writer_of_event(body, event, channel)
    return Reacted(
        writer=writer,
        reaction=Reaction(
            channel="slack",
            message=f"{channel}:{id_field(item, 'ts')}",
            by=principal("slack", writer.sender),
            value=float(name in GOOD),
        ),
        event_id=id_field(body, "event_id"),
    )


def _click(body: dict[str, Any]) -> Pressed | Ignored:
    click = parse_click(body)
    if isinstance(click, Ignored):
        return click
    # The message with the button is ours, and so is the team in which it stands.
    own = _inner(body, "message").get("team")
    writer = writer_of_click(body, _channel(body), own if isinstance(own, str) else "")
    by = principal("slack", writer.sender)
    verdict = click.verdict.model_copy(update={"by": by})
    return Pressed(writer, replace(click, verdict=verdict))


def _shortcut(body: dict[str, Any]) -> Shortcut:
    message, channel = _inner(body, "message"), _channel(body)
    ts = id_field(message or body, "ts" if message else "message_ts")
    return Shortcut(
        writer=writer_of_click(body, channel),
        message=message,
        ts=ts,
        thread=id_field(message, "thread_ts") if message.get("thread_ts") else ts,
        trigger_id=id_field(body, "trigger_id" if "trigger_id" in body else "action_ts"),
    )


def _command(body: dict[str, Any]) -> Command:
    text = body.get("text") or ""
    if not isinstance(text, str):
        raise Malformed("text: expected a string")
    return Command(
        writer=writer_of_click(body, id_field(body, "channel_id")),
        text=text.strip(),
        trigger_id=id_field(body, "trigger_id"),
    )


def _channel(body: dict[str, Any]) -> str:
    channel = _inner(body, "channel")
    if not channel:
        return id_field(_inner(body, "container"), "channel_id")
    return id_field(channel, "id")


def _inner(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    return one_line(str(value), 60) if isinstance(value, str) else type(value).__name__
