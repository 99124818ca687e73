"""A copy of a run's beginning, for trying what else could have happened. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ponderd.channels.errors import Conflict, Malformed
from ponderd.channels.event_ref import EventRef
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold


def forked(
    events: Sequence[e.Event], version: int, *, run_id: str, conversation: str
) -> list[e.Event]:
    """The first `version` events as those of another run, which `RunForked` is to end: after it,
    the run talks to nobody outside.

    Raises `Malformed`, or `Conflict` in the middle of a tool call: whether the tool did its work
    is known only afterwards.
    """
    if not 2 <= version <= len(events):
        raise Malformed(f"this run has events 2 to {len(events)} to fork at, not {version}")
    run = fold(events[:version])
    if run.work.call_key:
        raise Conflict(f"event {version} is in the middle of a tool call; fork before or after it")
    copied = [_of(run_id, event) for event in events[:version]]
    first = copied[0]
    assert isinstance(first, e.RunLaunched)
    copied[0] = first.model_copy(
        update={"run_id": run_id, "channel": "api", "conversation": conversation, "source": ""}
    )
    return copied


def _of(run_id: str, event: e.Event) -> e.Event:
    """An answer to an approval names it by its run."""
    if isinstance(event, e.ApprovalAnswered) and (asked := EventRef.parse(event.approval)):
        return event.model_copy(update={"approval": str(EventRef(run_id, asked.version))})
    return event
