"""A pressed button in Slack, as the click tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Ignored, Verdict, principal
from ponderd.channels.slack.ids import id_field
from ponderd.channels.slack.out.question import ACTION, read_value
from ponderd.channels.text import clean


@dataclass(frozen=True, slots=True)
class Click:
    """A button that was pressed, and where."""

    verdict: Verdict
    message: str
    """The text of the message with the button, in Slack's markup."""
    thread: str
    """The thread_ts of that message, "" if it is in no thread."""
    response_url: str
    """Where Slack accepts changes to that message, for 30 minutes."""
    asked: tuple[dict[str, Any], ...] = ()
    """The blocks of that message without its buttons."""


def parse_click(body: dict[str, Any]) -> Click | Ignored:
    """Read a `block_actions` payload. Its signature must be checked before. Raises Malformed."""
    match body:
        case {
            "actions": [{"action_id": str(action), "value": str(value)}, *_],
            "user": dict(user),
        } if action.startswith(ACTION):
            inquiry, choice = read_value(value)
        case _:
            return Ignored(reason="not one of our buttons")
    message, response_url = body.get("message"), body.get("response_url")
    message = message if isinstance(message, dict) else {}
    if clean(value) != value:
        raise Malformed("value: we gave no button this value")
    return Click(
        verdict=Verdict(
            inquiry=inquiry, choice=choice, by=principal("slack", id_field(user, "id"))
        ),
        message=str(message.get("text") or ""),
        thread=str(message.get("thread_ts") or ""),
        response_url=str(response_url or ""),
        asked=tuple(_asked(message.get("blocks"))),
    )


def _asked(blocks: object) -> Iterator[dict[str, Any]]:
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict) and block.get("type") not in ("actions", None):
            yield block
