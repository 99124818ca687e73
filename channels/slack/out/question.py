"""A question in Slack's blocks: its text, and a button for each answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ponderd.channels.message import Inquiry
from ponderd.channels.slack.out.markdown import mrkdwn, split
from ponderd.channels.text import clean

# Limits from https://docs.slack.dev/reference/block-kit.
SECTION_LIMIT = 3_000
"""Characters of one section."""
BUTTONS = 25
"""Buttons in one actions block."""
LABEL_LIMIT = 75
"""Characters of a button's label."""
VALUE_LIMIT = 2_000
"""Characters of a button's value."""
SECTIONS = 3
"""Sections of one message. Slack documents no limit for all blocks together, but refuses more than
12,000 to 13,300 characters (slackapi/bolt-js#2867)."""

ACTION = "ponderd:"
"""The action_id of each of our buttons begins with this."""

URGENT = ":rotating_light: "


def question_text(text: str, inquiry: Inquiry) -> str:
    """The whole question in Slack's markup: what notifications show, and posts without blocks."""
    urgent = URGENT if inquiry.urgency == "high" else ""
    return urgent + mrkdwn("\n".join((text, *_written(inquiry))))


def question_blocks(text: str, inquiry: Inquiry, run_id: str) -> list[dict[str, Any]]:
    """`question_text` with buttons below it. Empty if there is nothing to press.

    If the text is too long for blocks, its end is left out, and a last section says so.
    """
    buttons = list(_buttons(inquiry))
    if not buttons:
        return []
    pieces = split(question_text(text, inquiry), SECTION_LIMIT)
    hidden = sum(map(len, pieces[SECTIONS:]))
    pieces = pieces[:SECTIONS]
    if hidden:
        pieces.append(
            f":warning: {hidden:,} more characters do not fit here. Read them before you decide: "
            f"`ponderd runs show {run_id}`"
        )
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in pieces]
    return [*sections, {"type": "actions", "elements": buttons}]


def read_value(value: str) -> tuple[str, str]:
    """Split a button's value into the id of the inquiry and the choice."""
    inquiry, _, choice = value.partition(" ")
    return inquiry, choice


def _buttons(inquiry: Inquiry) -> Iterator[dict[str, Any]]:
    if inquiry.kind == "approval":
        yield _button(inquiry.id, "approve", "Approve", 0) | {"style": "primary"}
        yield _button(inquiry.id, "deny", "Deny", 1) | {"style": "danger"}
        return
    for number, choice in enumerate(inquiry.choices[:BUTTONS]):
        if _fits(inquiry, choice):
            yield _button(inquiry.id, choice, choice, number)


def _button(prompt_id: str, choice: str, label: str, number: int) -> dict[str, Any]:
    if len(label) > LABEL_LIMIT:
        label = label[: LABEL_LIMIT - 1] + "…"
    return {
        "type": "button",
        "action_id": f"{ACTION}{number}",
        "text": {"type": "plain_text", "text": label},
        "value": f"{prompt_id} {choice}",
    }


def _fits(inquiry: Inquiry, choice: str) -> bool:
    fit = bool(choice.strip()) and clean(choice) == choice
    return fit and len(inquiry.id) + 1 + len(choice) <= VALUE_LIMIT


def _written(inquiry: Inquiry) -> Iterator[str]:
    """All choices as a list, if the buttons cannot show each of them in full."""
    choices = inquiry.choices
    if len(choices) > BUTTONS or any(
        len(choice) > LABEL_LIMIT or not _fits(inquiry, choice) for choice in choices
    ):
        yield from (f"• {choice}" for choice in choices)
