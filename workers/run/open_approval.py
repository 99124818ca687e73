"""What lists show of an approval that is open. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ponderd.channels.text import one_line
from ponderd.workers.run.approved_call import ASKED_FOR
from ponderd.workers.run.state import Run

MOST_KEPT = 16_000
"""Bytes that are kept beside a run for lists. What is longer is read in the log each time."""


def open_approval(run: Run) -> dict[str, Any]:
    """Show the open approval of a run, all but who may decide."""
    approval, call = run.work.approval, run.work.call
    assert approval is not None
    if approval.subject != "tool":
        call = None
    return {
        "id": approval.id,
        "run_id": run.id,
        "agent": run.agent,
        "subject": approval.subject,
        "tool": call.tool if call else None,
        "arguments": call.arguments if call else None,
        "digest": approval.bound_to,
        "text": approval.text,
        "status": "open",
        "sender": run.message.sender,
        "asked_for": one_line(run.message.text, ASKED_FOR),
        "asked_at": f"{datetime.fromtimestamp(approval.asked_at, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }


def kept_for_lists(run: Run) -> bytes:
    """The same as JSON. Empty if it is too long to be kept."""
    shown = json.dumps(open_approval(run), ensure_ascii=False, default=str, separators=(",", ":"))
    kept = shown.encode("utf-8", "replace")
    return kept if len(kept) <= MOST_KEPT else b""
