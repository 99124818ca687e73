"""A tool call that people are asked about: its digest, and how it is put into words. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ponderd.channels.message import Inquiry, principal
from ponderd.channels.text import one_line, plain_name
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.events import ApprovalAnswered, LateResultReceived
from ponderd.workers.run.state import Approval, Run

SAME_FAILURES = 3
"""How often the same call may fail for one message until a person reads the error."""

ASKED_FOR = 500
"""Characters of what somebody wrote that are shown with an approval."""


def digest(call: ToolCall) -> str:
    """Bind an approval to one exact call: its tool and its arguments."""
    exact = json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(exact.encode("utf-8", "replace")).hexdigest()[:32]


def replace_arguments(call: ToolCall, arguments: dict[str, Any]) -> ToolCall:
    return call.model_copy(update={"arguments": arguments})


def request_text(call: ToolCall) -> str:
    return f"May I run {shown(call)}? Please answer yes or no."


def unknown_outcome_text(call: ToolCall, key: str, known: str) -> str:
    """Ask what became of a call. `known` completes "I started it and …"."""
    return (
        f"I started {shown(call)} (key {key}) and {known}. "
        "I will not start it again by myself. Please look whether it happened, and tell me."
    )


def late_result_text(call: ToolCall, key: str, event: LateResultReceived) -> str:
    """Correct the question of `unknown_outcome_text`."""
    came = "it failed" if event.failed else "the result has come by now"
    return f"About {shown(call)} (key {key}): {came}, after {event.seconds:.4g} s: {event.result}"


def failing_text(call: ToolCall, error: str) -> str:
    """Ask what to do about a call that fails again and again."""
    return (
        f"I called {shown(call)} {SAME_FAILURES} times, and each time it failed. "
        f"The last error was: {error}\nWhat shall I do? Shall I try it again?"
    )


def approval_inquiry(run: Run, approval: Approval) -> Inquiry:
    """What everybody who is asked needs to know: the call, word for word, and who wanted it."""
    call = run.work.call if approval.subject == "tool" else None
    return Inquiry(
        id=approval.id,
        kind="approval",
        call=shown(call) if call else "",
        asked_by=approval.asked_by,
        asked_for=approval.asked_for,
    )


def decider(via: str, by: str) -> str:
    """Who decided, so that no name that somebody made up can look like a proven person."""
    name = plain_name(by)
    return principal(via, name) if via else name


def decided_text(event: ApprovalAnswered) -> str:
    """Tell everybody who was asked who decided what, in one line."""
    what = "Approved" if event.approved else "Withdrawn" if event.withdrawn else "Denied"
    changed = ", with other arguments" if event.arguments is not None else ""
    remark = f": {one_line(event.remark, len(event.remark))}" if event.remark else ""
    return f"{what} by {decider(event.via, event.by)}{changed}{remark}."


def shown(call: ToolCall) -> str:
    arguments = ", ".join(
        f"{_name(k)}={json.dumps(v, default=str)}" for k, v in call.arguments.items()
    )
    return f"{call.tool}({arguments})"


def _name(argument: str) -> str:
    """A name that is none could look like several arguments."""
    return argument if argument.isascii() and argument.isidentifier() else json.dumps(argument)
