"""A question in Slack: its words, the call that it is about, and a button for each answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ponderd.channels.message import Inquiry
from ponderd.channels.slack.out.inline import size
from ponderd.channels.slack.out.verbatim import Words, markup_of, naming, person_of, visible
from ponderd.channels.text import clean, one_line

# Limits from https://docs.slack.dev/reference/block-kit.
SECTION_LIMIT = 3_000
"""Characters of one section."""
BUTTONS = 25
"""Buttons in one actions block."""
LABEL_LIMIT = 75
"""Characters of a button's label."""
VALUE_LIMIT = 2_000
"""Characters of a button's value."""
CALL_LIMIT = 9_000
"""Characters of a call. Slack documents no limit for all blocks together, but refuses more than
12,000 to 13,300 characters (slackapi/bolt-js#2867)."""
OUTCOME_LIMIT = 600
"""Characters of how it was decided."""
REASON_LIMIT = 300
"""Characters of what somebody asked for."""

ACTION = "ponderd:"
"""The action_id of each of our buttons begins with this."""

URGENT = "\U0001f6a8 "
PLEASE = "Please answer yes or no."
_ASKS = ("May I run ", f"? {PLEASE}")
"""What stands around the call in the text of an approval."""


def approval(text: str, inquiry: Inquiry, run_id: str, limit: int = CALL_LIMIT) -> list[Words]:
    """What an approval shows: the question, the call as it will run, and who asked for what.

    At most `limit` characters of the call are shown. Where there are more, that is said.
    """
    before, call, after = _around(text, inquiry)
    urgent = URGENT if inquiry.urgency == "high" else ""
    return [
        Words(f"{urgent}{before}", "bold" if inquiry.call else ""),
        *_call(call, limit, f"Read them before you decide: ponderd runs show {run_id}"),
        *([Words(f"\n{after}")] if after else []),
        *_asked(inquiry),
    ]


def resolved(
    text: str, outcome: str, inquiry: Inquiry | None, run_id: str, limit: int
) -> list[Words]:
    """What takes the place of an approval that is decided: the call, and who decided what."""
    inquiry = inquiry or Inquiry(id="", kind="approval")
    before, call, _ = _around(text, inquiry)
    told = [Words("\n"), *naming(one_line(visible(outcome), OUTCOME_LIMIT))]
    rest = f"Read them with: ponderd runs show {run_id}"
    first = Words(before, "bold" if inquiry.call else "")
    return [first, *_call(call, limit, rest), *_asked(inquiry), *told]


def fitted(make: Callable[[int], list[Words]], limit: int) -> list[Words]:
    """What `make` makes with as much of the call as lets its markup have `limit` characters."""
    room = limit
    while size(markup_of(make(room))) > limit and room > 50:
        room = room * 3 // 4
    return make(room)


def _around(text: str, inquiry: Inquiry) -> tuple[str, str, str]:
    """The words before the call, the call, the words behind it."""
    text, call = clean(text).strip(), clean(inquiry.call)
    if not call or call not in text:
        return (text, "", "") if len(text) <= 600 else ("This needs your yes:", text, "")
    before, _, after = text.partition(call)
    begin, end = _ASKS
    if before.endswith(begin) and after == end:
        return f"{before}this?", call, PLEASE
    return before.strip(), call, after.strip()


def _call(call: str, limit: int, rest: str) -> Iterator[Words]:
    if not call:
        return
    shown = visible(call)
    yield Words(shown[:limit], "code")
    if len(shown) > limit:
        yield Words(f"\u26a0\ufe0f {len(shown) - limit:,} more characters do not fit here. {rest}")


def _asked(inquiry: Inquiry) -> Iterator[Words]:
    if inquiry.asked_by:
        yield Words("\nAsked by ")
        yield person_of(inquiry.asked_by)
        reason = visible(one_line(inquiry.asked_for, REASON_LIMIT))
        if reason:
            yield Words(f": “{reason}{' …' if len(inquiry.asked_for) > REASON_LIMIT else ''}”")


# -- buttons -----------------------------------------------------------------------------------


def buttons(inquiry: Inquiry) -> list[dict[str, Any]]:
    """A block with a button for each answer. Empty if there is nothing to press."""
    elements = list(_buttons(inquiry))
    return [{"type": "actions", "elements": elements}] if elements else []


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
        # As it is: ":+1:" is no picture here.
        "text": {"type": "plain_text", "text": visible(label)[:LABEL_LIMIT], "emoji": False},
        "value": f"{prompt_id} {choice}",
    }


def _fits(inquiry: Inquiry, choice: str) -> bool:
    fit = bool(choice.strip()) and clean(choice) == choice
    return fit and len(inquiry.id) + 1 + len(choice) <= VALUE_LIMIT


def written_choices(inquiry: Inquiry) -> list[str]:
    """All choices as a list, if the buttons cannot show each of them in full."""
    choices = inquiry.choices
    if len(choices) > BUTTONS or any(
        len(choice) > LABEL_LIMIT or not _fits(inquiry, choice) for choice in choices
    ):
        return [f"• {choice}" for choice in choices]
    return []
