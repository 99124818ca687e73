"""A question as Slack shows it: its text, and a button for every answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ponderd.channels.message import Inquiry
from ponderd.channels.slack.markup import mrkdwn, split
from ponderd.channels.text import clean

# https://docs.slack.dev/reference/block-kit: a section, the elements of one actions block, the
# label and the value of a button.
SECTION_LIMIT = 3_000
BUTTONS = 25
LABEL_LIMIT = 75
VALUE_LIMIT = 2_000
# All blocks together: documented nowhere, refused from 12,000 to 13,300 (slackapi/bolt-js#2867).
SECTIONS = 3

ACTION = "ponderd:"
"""Begins the action_id of each of our buttons."""

URGENT = ":rotating_light: "


def question_text(text: str, inquiry: Inquiry) -> str:
    """The whole question in Slack's markup, as it stands where there are no buttons."""
    urgent = URGENT if inquiry.urgency == "high" else ""
    return urgent + mrkdwn("\n".join((text, *_written(inquiry))))


def question_blocks(text: str, inquiry: Inquiry, run_id: str) -> list[dict[str, Any]]:
    """`question_text` with buttons below it; nothing where there is nothing to press.

    Of a text that Slack does not take in blocks the end is left out, and that is said.
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
    """The id of the inquiry and the choice that a button stands for."""
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
    """The choices, where a button does not tell all of each."""
    choices = inquiry.choices
    if len(choices) > BUTTONS or any(
        len(choice) > LABEL_LIMIT or not _fits(inquiry, choice) for choice in choices
    ):
        yield from (f"• {choice}" for choice in choices)
