"""Blocks of rich text: what Slack's own editor makes of what people type. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ponderd.channels.slack.reading.emoji_names import (
    character_of,
    of_codepoints,
    toned,
    with_emoji,
)
from ponderd.channels.slack.reading.markup import link, moment
from ponderd.channels.slack.reading.view import (
    TOO_DEEP,
    US,
    View,
    fields,
    listed,
    words,
)
from ponderd.channels.slack.reading.whatever import whatever

_BULLETS = "•◦▪"
_MARKS = (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*"))


def rich_text(block: dict[str, object], view: View) -> str:
    """A block of rich text as lines, with the marks that Slack gives the same text as mrkdwn."""
    if view.is_too_deep:
        return TOO_DEEP
    parts = (_part(part, view.deeper()) for part in listed(block.get("elements")))
    return "\n".join(part.removesuffix("\n") for part in parts)


def _part(part: dict[str, object], view: View) -> str:
    match part.get("type"):
        case "rich_text_section":
            return _inline(part, view)
        case "rich_text_list":
            return "\n".join(_items(part, view))
        case "rich_text_quote":
            return "\n".join("> " + line for line in _inline(part, view).split("\n"))
        case "rich_text_preformatted":
            code = "".join(_code(element, view) for element in listed(part.get("elements")))
            code = code.strip("\n")
            longest = max(map(len, re.findall("`{3,}", code)), default=2)
            fence = "`" * (longest + 1)
            return f"{fence}\n{code}\n{fence}"
        case _ if "elements" in part:
            return rich_text(part, view)
        case _:
            return _element(part, view)


def _items(block: dict[str, object], view: View) -> Iterator[str]:
    indent = _count(block.get("indent"), 8)
    number = _count(block.get("offset"), 1_000_000)
    border = "> " if block.get("border") == 1 else ""
    for entry in listed(block.get("elements")):
        number += 1
        if block.get("style") == "ordered":
            mark = _numeral(number, indent) + "."
        else:
            mark = _BULLETS[indent % 3]
        first, *more = rich_text({"elements": [entry]}, view).rstrip("\n").split("\n")
        before = border + "    " * indent
        yield f"{before}{mark} {first}"
        yield from (f"{before}  {line}" for line in more)


def _inline(part: dict[str, object], view: View) -> str:
    return "".join(_element(element, view) for element in listed(part.get("elements")))


def _element(element: dict[str, object], view: View) -> str:
    style = fields(element.get("style"))
    said = _said(element, view, bool(style.get("code")))
    core = said.strip()
    if not core or core == US or element.get("type") == "emoji":
        return said
    before, after = said[: said.index(core)], said[said.index(core) + len(core) :]
    for name, mark in _MARKS:
        if style.get(name) is True:
            core = f"{mark}{core}{mark}"
    return before + core + after


def _said(element: dict[str, object], view: View, is_code: bool) -> str:
    kind = element.get("type")
    match kind:
        case "text":
            text = words(element.get("text"))
            return text if is_code else with_emoji(text, view.emoji)
        case "link":
            return link(words(element.get("url")), words(element.get("text")))
        case "emoji":
            return _emoji(element, view)
        case "user":
            return view.person(words(element.get("user_id")))
        case "usergroup":
            return view.names.group(words(element.get("usergroup_id")))
        case "channel":
            return view.names.channel(words(element.get("channel_id")))
        case "broadcast":
            return "@" + (words(element.get("range")) or "channel")
        case "team":
            return "@" + words(element.get("team_id"))
        case "date":
            said = words(element.get("fallback")) or moment(element.get("timestamp"))
            return link(words(element.get("url")), said)
        case "color":
            return words(element.get("value"))
        case _:
            return whatever(element, view)


def _emoji(element: dict[str, object], view: View) -> str:
    name = words(element.get("name"))
    character = of_codepoints(element.get("unicode")) or view.emoji.get(name) or character_of(name)
    tone = element.get("skin_tone")
    if character and "unicode" not in element and isinstance(tone, int) and 2 <= tone <= 6:
        return toned(character, character_of(f"skin-tone-{tone}"))
    return character or f":{name}:"


def _code(element: dict[str, object], view: View) -> str:
    """What stands in a block of code, untouched."""
    return words(element.get("text")) or words(element.get("url")) or _said(element, view, True)


def _count(value: object, most: int) -> int:
    return min(max(value, 0), most) if isinstance(value, int) else 0


def _numeral(number: int, indent: int) -> str:
    """How Slack counts at this depth: 1, a, i."""
    if indent % 3 == 1 and number <= 26:
        return chr(ord("a") + number - 1)
    if indent % 3 == 2 and number <= 39:
        tens, ones = divmod(number, 10)
        return "x" * tens + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]
    return str(number)
