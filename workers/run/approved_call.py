"""A tool call that people are asked about: its digest, and how it is put into words. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ponderd.channels.message import principal
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.events import ApprovalAnswered


def digest(call: ToolCall) -> str:
    """Bind an approval to one exact call: its tool and its arguments."""
    exact = json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(exact.encode("utf-8", "replace")).hexdigest()[:32]


def replace_arguments(call: ToolCall, arguments: dict[str, Any]) -> ToolCall:
    return call.model_copy(update={"arguments": arguments})


def request_text(call: ToolCall) -> str:
    return f"May I run {shown(call)}? Please answer yes or no."


def unknown_outcome_text(call: ToolCall, key: str | None) -> str:
    return (
        f"I started {shown(call)} (key {key}) and was interrupted before I saw the outcome. "
        "I will not start it again by myself. Please look whether it happened, and tell me."
    )


def decided_text(event: ApprovalAnswered) -> str:
    """Tell everybody who was asked who decided what."""
    what = "Approved" if event.approved else "Withdrawn" if event.withdrawn else "Denied"
    by = principal(event.via, event.by) if event.via else event.by
    changed = ", with other arguments" if event.arguments is not None else ""
    remark = f": {event.remark}" if event.remark else ""
    return f"{what} by {by}{changed}{remark}."


def shown(call: ToolCall) -> str:
    arguments = ", ".join(f"{k}={json.dumps(v, default=str)}" for k, v in call.arguments.items())
    return f"{call.tool}({arguments})"
