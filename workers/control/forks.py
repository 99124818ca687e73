"""Copy the beginning of a run, to try what else could have happened. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ponderd.channels.errors import Conflict, Malformed
from ponderd.channels.event_ref import EventRef
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold


def forked(
    events: Sequence[e.Event], version: int, *, run_id: str, conversation: str
) -> list[e.Event]:
    """Copy the first `version` events into a run `run_id`. The caller appends `RunForked`, after
    which the copy talks to nobody outside.

    Raises `Malformed` if there is no such event. Raises `Conflict` in the middle of a tool call:
    only later events say whether the tool has done its work.
    """
    if not 2 <= version <= len(events):
        raise Malformed(f"this run has events 2 to {len(events)} to fork at, not {version}")
    run = fold(events[:version])
    if run.work.call_key:
        raise Conflict(f"event {version} is in the middle of a tool call; fork before or after it")
    copied = [_renamed(event, run_id) for event in events[:version]]
    first = copied[0]
    assert isinstance(first, e.RunLaunched)
    copied[0] = first.model_copy(
        update={"run_id": run_id, "channel": "api", "conversation": conversation, "source": ""}
    )
    return copied


def _renamed(event: e.Event, run_id: str) -> e.Event:
    # The answer to an approval names it, and with it the run. Were it not renamed, the copy would
    # take it for an answer to something else.
    if isinstance(event, e.ApprovalAnswered) and (asked := EventRef.parse(event.approval)):
        return event.model_copy(update={"approval": str(EventRef(run_id, asked.version))})
    return event
