"""What a message in Slack says: the text that its reader sees, and the files. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponderd.channels.slack.reading.address import without_us
from ponderd.channels.slack.reading.attachments import read_attachments
from ponderd.channels.slack.reading.emoji_names import of_codepoints
from ponderd.channels.slack.reading.files import SlackFile, each_once, read_files
from ponderd.channels.slack.reading.markup import plain
from ponderd.channels.slack.reading.names import NO_NAMES, Ids, Names
from ponderd.channels.slack.reading.view import US, View, fields, lines, objects_in, words
from ponderd.channels.slack.reading.whole import whole

__all__ = ["NO_NAMES", "Ids", "Names", "Said", "SlackFile", "named_in", "read_message"]

TEXT_LIMIT = 1_000_000
"""Characters. Slack's own limit is far below."""
FILES_LIMIT = 100
_CUT = "\n[the rest of this message is left out: it is too long]"
IDS_LIMIT = 200
"""Of each kind. What else is mentioned stays an id."""

_MENTION = re.compile(r"<(@|#|!subteam\^)([A-Z0-9]{2,40})(?:\|([^<>|]{0,80}))?>")
_LEADING = re.compile(r"\s*<@([A-Z0-9]{2,40})[|>]")
_QUOTED = re.compile(r"(?:[ \t]*>[^\n]*\n|[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says."""

    text: str
    """All that its reader sees, without the mention of us. Empty: nothing but files, perhaps."""
    own: str
    """Only what its writer typed: no forward, no preview, and not what they quote above it. A yes
    or a command is read from it."""
    files: tuple[SlackFile, ...]
    mentions_us: bool


def read_message(message: Mapping[str, Any], own_user: str | None, names: Names = NO_NAMES) -> Said:
    """Read a message: the inner event, or an entry of conversations.replies. Never raises.

    If `own_user` is None, not known, the mention that it begins with is taken for ours; with ""
    none is.
    """
    text = words(message.get("text"))
    if own_user is None and (leading := _LEADING.match(text)):
        own_user = leading[1]
    view = View(own_user or None, _labelled(text, names), _emoji(message))
    typed = whole(plain(text, view), message.get("blocks"), view)
    attached = read_attachments(message.get("attachments"), view)
    called = view.names.person(view.own_user) if view.own_user else ""
    # A table of theirs belongs to what they say; it stands below.
    own = without_us(lines(typed, *attached.own), called)
    others = [part.replace(US, called) for part in attached.others]
    files = each_once([*read_files(message), *attached.files])
    if len(files) > FILES_LIMIT:
        others.append(f"[{len(files) - FILES_LIMIT} more files are left out]")
    said = lines(own, _root(message, view), _room(message), *others)
    return Said(
        text=said if len(said) <= TEXT_LIMIT else said[:TEXT_LIMIT] + _CUT,
        own=_unquoted(own)[:TEXT_LIMIT],
        files=tuple(files[:FILES_LIMIT]),
        mentions_us=US in typed,
    )


def named_in(message: Mapping[str, Any]) -> Ids:
    """The ids in a message that need names, wherever they stand in it."""
    people: dict[str, None] = {}
    channels: dict[str, None] = {}
    groups: dict[str, None] = {}
    kinds = {"@": people, "#": channels, "!subteam^": groups}
    fields_of = {
        "user_id": people,
        "author_id": people,
        "slack_id": people,
        "channel_id": channels,
        "usergroup_id": groups,
    }
    for part in objects_in(dict(message)):
        for name, value in part.items():
            if isinstance(value, str):
                if name in fields_of and re.fullmatch("[A-Z0-9]{2,40}", value):
                    fields_of[name].setdefault(value)
                for mention in _MENTION.finditer(value):
                    kinds[mention[1]].setdefault(mention[2])
    if root := words(fields(message.get("root")).get("user")):
        people.setdefault(root)
    return Ids(*(tuple(found)[:IDS_LIMIT] for found in (people, channels, groups)))


def _labelled(text: str, names: Names) -> Names:
    """`names` with those that Slack wrote into the text, which older events have."""
    labels: dict[str, dict[str, str]] = {"@": {}, "#": {}, "!subteam^": {}}
    for mention in _MENTION.finditer(text):
        if mention[3]:
            labels[mention[1]][mention[2]] = mention[3]
    return Names(
        people={**labels["@"], **names.people},
        channels={**labels["#"], **names.channels},
        groups={**labels["!subteam^"], **names.groups},
    )


def _emoji(message: Mapping[str, Any]) -> dict[str, str]:
    """The emoji that Slack spells out in the blocks of the message."""
    return {
        words(part.get("name")): character
        for part in objects_in(message.get("blocks"))
        if part.get("type") == "emoji" and (character := of_codepoints(part.get("unicode")))
    }


def _unquoted(own: str) -> str:
    """Without what somebody quotes above their own words. What stands in a quotation elsewhere may
    be theirs, a condition perhaps."""
    quoted = _QUOTED.match(own)
    return own[quoted.end() :] if quoted and own[quoted.end() :].strip() else own


def _root(message: Mapping[str, Any], view: View) -> str:
    """What a reply that is shown in the channel, too, replies to."""
    root = fields(message.get("root"))
    if not root or words(root.get("user")) == view.own_user:
        return ""
    said = whole(plain(words(root.get("text")), view), root.get("blocks"), view)
    user = words(root.get("user"))
    author = view.names.person(user) if user else words(root.get("username"))
    if not said.strip():
        return ""
    called = view.names.person(view.own_user) if view.own_user else ""
    return f"Reply to the message{f' from {author}' if author else ''}:\n{said.replace(US, called)}"


def _room(message: Mapping[str, Any]) -> str:
    """A huddle that the message is about."""
    room = fields(message.get("room"))
    name = words(room.get("name")).strip()
    return f"[huddle{f': {name}' if name else ''}]" if room else ""
