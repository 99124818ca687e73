"""Slack's markup: read what people wrote, write what agents say. Pure."""

from __future__ import annotations

import re
from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.text import clean

TEXT_LIMIT = 39_000
"""Characters of one message. Slack cuts at 40,000."""


def id_field(fields: dict[str, Any], name: str) -> str:
    """The id or timestamp in the field `name`. Raises Malformed."""
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9._-]{1,80}", value):
        raise Malformed(f"{name}: expected one of Slack's ids")
    return value


_REFERENCE = re.compile(r"<([^<>]*)>")


def readable(text: str, own_user: str | None = None) -> str:
    """Slack's markup as plain text, without the mention of the bot at the beginning."""
    if own_user is None:
        text = re.sub(r"^\s*<@[^<>]*>[\s,:]*", "", text)
    else:
        text = re.sub(rf"^\s*<@{re.escape(own_user)}(?:\|[^<>]*)?>[\s,:]*", "", text)
    text = _REFERENCE.sub(lambda found: _spell_out(found[1]), text)
    # &amp; last, or a literal "&lt;" (sent as "&amp;lt;") would become "<".
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
    """Markdown as Slack's own markup, cut to `limit` characters. Nothing in it becomes a mention.

    The last `keep_end` characters of `text` always stay; the cut is made before them.
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
    for index in range(0, len(pieces), 2):  # pieces with an odd index are code
        piece = _HEADING.sub(lambda found: f"**{found[1].replace('**', '')}**", pieces[index])
        pieces[index] = _BOLD.sub(r"*\2*", _LINK.sub(r"<\2|\1>", piece))
    return "".join(pieces)


# An unfinished entity, link or fence at the end of a piece: none may be cut in the middle.
_DANGLING = re.compile(r"(?:&[a-z]{0,4}|<[^<>]{0,1200}|`{1,2})$")
_FENCE = "```"


def split(markup: str, limit: int) -> list[str]:
    """Split Slack's markup into pieces of at most `limit` characters.

    The cuts are made between lines or words if possible. A block of code that is cut is closed, and
    opened again in the next piece.
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
    """Turn people (`principal`) into Slack's mentions.

    Use it only for ponderd's own texts: an agent's words must not notify anybody.
    """
    return _PERSON.sub(lambda found: f"<@{found[1].upper()}>", markup)
