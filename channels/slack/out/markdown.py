"""Write what agents say in Slack's markup. Pure."""

from __future__ import annotations

import re

from ponderd.channels.text import clean

TEXT_LIMIT = 39_000
"""Characters of one message. Slack cuts at 40,000."""


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
