"""Parts of Slack's messages, as tests write them."""

from __future__ import annotations

from typing import Any

OWN = "UBOT"
US = {"type": "user", "user_id": OWN}

Json = dict[str, Any]


def text(said: str, **style: bool) -> Json:
    """Text in a block of rich text."""
    return {"type": "text", "text": said, **({"style": style} if style else {})}


def section(*elements: Json) -> Json:
    """A paragraph of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich(*parts: Json) -> Json:
    """A block of rich text."""
    return {"type": "rich_text", "elements": list(parts)}


def typed(*elements: Json) -> Json:
    """A block of one paragraph, as Slack's editor makes it."""
    return rich(section(*elements))


def points(*entries: str, style: str = "bullet", **more: Any) -> Json:
    """A list of rich text."""
    return {
        "type": "rich_text_list",
        "style": style,
        "elements": [section(text(entry)) for entry in entries],
        **more,
    }


def plain(said: str) -> Json:
    return {"type": "plain_text", "text": said, "emoji": True}


def mrkdwn(said: str) -> Json:
    return {"type": "mrkdwn", "text": said}


def button(label: str, **more: Any) -> Json:
    return {"type": "button", "text": plain(label), "action_id": "a1", "value": "v1", **more}


def cells(*row: str) -> list[Json]:
    """A row of a table."""
    return [{"type": "raw_text", "text": cell} for cell in row]
