"""Who wrote to a run, read in its log. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ponderd.channels.message import principal


def people_of(log: Sequence[bytes]) -> list[str]:
    """The senders of all messages, as `principal`s."""
    found = set()
    for entry in log:
        if b'"message_received"' not in entry:  # other events may be long
            continue
        event = json.loads(entry)
        if event.get("type") == "message_received" and event.get("via") and event.get("sender"):
            found.add(principal(event["via"], event["sender"]))
    return sorted(found)
