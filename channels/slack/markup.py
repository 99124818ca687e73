"""Slack's markup: reading what people wrote, writing what agents say. Pure."""

from __future__ import annotations

import re
from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.text import clean

TEXT_LIMIT = 39_000
"""Characters of one message; Slack cuts at 40,000."""


def id_field(fields: dict[str, Any], name: str) -> str:
    """One of Slack's ids or timestamps. Raises Malformed."""
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9._-]{1,80}", value):
        raise Malformed(f"{name}: expected an id of Slack's")
    return value


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


def mrkdwn(text: str, limit: int = TEXT_LIMIT, *, keep_end: int = 0) -> str:
    """Markdown as Slack's own markup, nothing in it taken for a mention, cut to what fits.

    What is cut away lies before the last `keep_end` characters of `text`.
    """
    source = clean(text)
    converted = _convert(source)
    if len(converted) <= limit:
        return converted
    end = ""
    if keep_end:
        source, end = source[:-keep_end], _convert(source[-keep_end:])
    while len(converted) > limit:
        source = source[: min(limit, len(source) * 9 // 10)]
        converted = f"{_convert(source)} …{end}"
    return converted


def _convert(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    pieces = _CODE.split(escaped)
    for index in range(0, len(pieces), 2):  # the odd ones are code
        piece = _HEADING.sub(lambda found: f"**{found[1].replace('**', '')}**", pieces[index])
        pieces[index] = _BOLD.sub(r"*\2*", _LINK.sub(r"<\2|\1>", piece))
    return "".join(pieces)


# What must not be cut in the middle: an entity, a link, a fence.
_DANGLING = re.compile(r"(?:&[a-z]{0,4}|<[^<>]{0,1200}|`{1,2})$")
_FENCE = "```"


def split(markup: str, limit: int) -> list[str]:
    """Slack's markup in pieces of at most `limit` (3,000) characters, cut between lines or words
    where that is possible. A block of code that is cut goes on in the next piece.
    """
    pieces: list[str] = []
    rest = markup
    while len(rest) > limit:
        room = limit - len(_FENCE) - 1
        ends = (rest.rfind(end, room // 2, room) for end in "\n ")
        at = next((end for end in ends if end > 0), room)
        dangling = _DANGLING.search(rest, 0, at)
        at = dangling.start() if dangling else at
        piece, rest = rest[:at].rstrip("\n"), rest[at:].lstrip("\n")
        if piece.count(_FENCE) % 2:
            piece, rest = f"{piece}\n{_FENCE}", f"{_FENCE}\n{rest}"
        pieces.append(piece)
    return [piece for piece in (*pieces, rest) if piece.strip()]


_PERSON = re.compile(r"\bslack:([uw][a-z0-9]{1,20})\b", re.IGNORECASE)


def with_mentions(markup: str) -> str:
    """Slack's people (`principal`) as Slack shows them. Only for what ponderd itself says: an
    agent's words must not call anybody.
    """
    return _PERSON.sub(lambda found: f"<@{found[1].upper()}>", markup)
