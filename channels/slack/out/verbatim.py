"""ponderd's own words, and what they quote: shown character by character, in no markup. Pure.

Each text is told twice: in blocks (rich text, in which nothing is markup) and in Slack's markup,
for notifications and for where blocks are refused. Nothing in it becomes a mention but the people
whom ponderd itself names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ponderd.channels.people import is_in_slack, named
from ponderd.channels.slack.out.inline import escape, literal, unfenced
from ponderd.channels.text import clean

# Letters and marks that look like nothing.
_INVISIBLE = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")


@dataclass(frozen=True, slots=True)
class Words:
    """A stretch of a message."""

    text: str
    kind: str = ""
    """"" (as it is), "bold", "person" (the id of one, who is mentioned) or "code" (a block)."""


def visible(text: str) -> str:
    """`text` in which every character can be seen: those that hide, or turn other text round, are
    written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if (char.isprintable() and char not in _INVISIBLE) or char == "\n"
        else json.dumps(char)[1:-1]
        for char in text
    )


def naming(text: str) -> Iterator[Words]:
    """A sentence of ponderd that may begin with who did something: they are mentioned."""
    for part, is_person in named(clean(text)):
        yield person_of(part) if is_person else Words(part)


def person_of(principal: str) -> Words:
    """Who a principal is: a mention if Slack knows them."""
    if is_in_slack(principal):
        return Words(re.split("[:/]", principal)[-1].upper(), "person")
    return Words(visible(clean(principal)).replace("\n", " "))


def blocks_of(parts: Iterable[Words]) -> list[dict[str, Any]]:
    """As one block of rich text."""
    elements: list[dict[str, Any]] = []
    for is_code, group in groupby(parts, key=lambda part: part.kind == "code"):
        kind = "rich_text_preformatted" if is_code else "rich_text_section"
        said = [part for part in group if part.text]
        if said and elements:  # a block of code ends its line by itself
            said[0] = Words(said[0].text.removeprefix("\n"), said[0].kind)
        inside = [_element(part) for part in said if part.text]
        if inside:
            elements.append({"type": kind, "elements": inside})
    return [{"type": "rich_text", "elements": elements}] if elements else []


def _element(part: Words) -> dict[str, Any]:
    if part.kind == "person":
        return {"type": "user", "user_id": part.text}
    style = {"style": {"bold": True}} if part.kind == "bold" else {}
    return {"type": "text", "text": part.text, **style}


def markup_of(parts: Iterable[Words]) -> str:
    """In Slack's markup, so that it shows the same."""
    shown = ""
    for part in parts:
        match part.kind:
            case "person":
                shown += f"<@{part.text}>"
            case "code":
                shown = shown.rstrip("\n")
                shown += f"{chr(10) if shown else ''}```\n{escape(unfenced(part.text))}\n```\n"
            case "bold" if part.text.strip():
                shown += f"*{escape(part.text.strip())}*"
            case _ if shown.endswith("```\n"):
                shown += _as_it_is(part.text.removeprefix("\n"))
            case _:
                shown += _as_it_is(part.text)
    return shown.strip("\n")


def _as_it_is(text: str) -> str:
    """Guarded line by line. Blanks at the ends of a line stay, other words may stand there."""
    lines = []
    for line, shown in zip(clean(text).split("\n"), literal(text), strict=True):
        left = len(line) - len(line.lstrip(" \t"))
        right = len(line) - len(line.rstrip(" \t")) if line.strip() else 0
        lines.append(line[:left] + shown.markup + line[len(line) - right :])
    return "\n".join(lines)
