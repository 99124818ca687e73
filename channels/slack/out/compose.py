"""What is posted for a reply: one message, or several in order. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ponderd.channels.message import Inquiry, Reply
from ponderd.channels.slack.out.inline import literal
from ponderd.channels.slack.out.markdown import lines
from ponderd.channels.slack.out.pieces import Line, Sizes, beginning, packed
from ponderd.channels.slack.out.question import (
    PLEASE,
    SECTION_LIMIT,
    URGENT,
    approval,
    buttons,
    fitted,
    resolved,
    written_choices,
)
from ponderd.channels.slack.out.verbatim import Words, blocks_of, markup_of, naming
from ponderd.channels.text import clean

TEXT_LIMIT = 3_900
"""Characters of one message. Slack documents 40,000, but refuses more than about 4,000."""
SMALL = 1_200
"""Characters of one message where Slack found `TEXT_LIMIT` too long."""
NOTHING = "(The answer is empty.)"


@dataclass(frozen=True, slots=True)
class Post:
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    """Empty: the text is shown. Else the text is for notifications, and says the same."""

    @property
    def has_buttons(self) -> bool:
        return any(block["type"] == "actions" for block in self.blocks)


def compose(reply: Reply, sizes: Sizes | None = None) -> list[Post]:
    """The messages of a reply, none with a longer text than `sizes` (or `TEXT_LIMIT`) says.

    Only an agent's own words are Markdown. ponderd's are shown as they are: they may quote a call.
    """
    inquiry, sizes = reply.inquiry, sizes or Sizes(TEXT_LIMIT)
    if not sizes.after and sizes.smaller:
        sizes = Sizes(sizes.smaller)
    limit = sizes.limit
    if reply.kind == "question" and inquiry and inquiry.kind == "approval":
        parts = approval(reply.text, inquiry, reply.run_id)
        short = fitted(lambda room: approval(reply.text, inquiry, reply.run_id, room), limit)
        return [Post(markup_of(short), [*blocks_of(parts), *buttons(inquiry)])]
    if reply.kind == "question" and inquiry:
        return _question(reply.text, inquiry, sizes)
    if reply.kind in ("answer", "question"):
        return _posts(lines(reply.text), sizes)
    return _as_it_is(reply, sizes)


def outcome(reply: Reply, limit: int = TEXT_LIMIT) -> Post:
    """What takes the place of the question that a notice resolves."""
    asked, told = _parted(reply)
    inquiry = reply.settles
    if inquiry and inquiry.kind == "question":
        said = markup_of(naming(told))
        shown = packed(lines(asked), limit - len(said) - 10) or [""]
        cut = " …" if len(shown) > 1 else ""
        return Post(f"{shown[0]}{cut}\n{said}")
    parts = fitted(lambda room: resolved(asked, told, inquiry, reply.run_id, room), limit)
    # Three backticks would end a block of code in markup; in rich text they are themselves.
    in_code = any("```" in part.text for part in parts if part.kind == "code")
    return Post(markup_of(parts), blocks_of(parts) if in_code else [])


def confirmed(text: str, blocks: Sequence[dict[str, Any]], told: str) -> Post:
    """What takes the place of a question of ours, as it was posted, as soon as it is answered."""
    parts = list(naming(told))
    said = markup_of(parts)
    asked = "".join(text.split(URGENT, 1)) if URGENT in text[:5] else text
    asked = asked.replace(f"\n{PLEASE}", "", 1)
    shown = f"{beginning(asked, TEXT_LIMIT - len(said) - 1)}\n{said}"
    # Three backticks would end a block of code in markup; in rich text they are themselves.
    return Post(shown, [*blocks, *blocks_of(parts)] if "```" in json.dumps(blocks) else [])


def _parted(reply: Reply) -> tuple[str, str]:
    """The question and its outcome."""
    if reply.outcome and reply.text.endswith(reply.outcome):
        return reply.text.removesuffix(reply.outcome).rstrip("\n"), reply.outcome
    asked, _, told = reply.text.partition("\n")
    return asked, told


def _question(text: str, inquiry: Inquiry, sizes: Sizes) -> list[Post]:
    choices = [
        line for choice in written_choices(inquiry) for line in map(Line.of, literal(choice))
    ]
    shown = lines(text)
    if inquiry.urgency == "high":
        first, *rest = shown or [Line("")]
        begun = [first.led_by(URGENT)] if first.code is None else [Line(URGENT.strip()), first]
        shown = [*begun, *rest]
    pressed = buttons(inquiry)
    if pressed:
        sizes = replace(sizes, limit=min(sizes.limit, SECTION_LIMIT))
    posts = _posts([*shown, *choices], sizes)
    if not pressed:
        return posts
    *before, last = posts
    section = {"type": "section", "text": {"type": "mrkdwn", "text": last.text}}
    return [*before, Post(last.text, [section, *pressed])]


def _posts(shown: Iterable[Line], sizes: Sizes) -> list[Post]:
    return [Post(text) for text in packed(shown, sizes)] or [Post(NOTHING)]


def _as_it_is(reply: Reply, sizes: Sizes) -> list[Post]:
    text = reply.text
    if reply.outcome and text.endswith(reply.outcome):
        parts = [Words(clean(text.removesuffix(reply.outcome))), *naming(reply.outcome)]
    else:
        parts = list(naming(text))
    shown = markup_of(parts)
    if len(shown) <= sizes.limit:
        plain = shown == clean(text).strip("\n") or "://" in text
        return [Post(shown or NOTHING, [] if plain else blocks_of(parts))]
    return _posts(map(Line.of, literal(text)), sizes)
