"""A copy of a run's beginning, for trying what else could have happened. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from channels.errors import Conflict, Malformed
from channels.message import Address
from workers import events as e
from workers.reducer import fold


def forked(
    events: Sequence[e.Event], version: int, *, run_id: str, conversation: str
) -> list[e.Event]:
    """The first `version` events as those of another run, which talks to nobody outside.

    Raises `Malformed`, or `Conflict` in the middle of a tool call: whether the tool did its work
    is known only afterwards.
    """
    if not 2 <= version <= len(events):
        raise Malformed(f"this run has events 2 to {len(events)} to fork at, not {version}")
    run = fold(events[:version])
    if run.call_key:
        raise Conflict(f"event {version} is in the middle of a tool call; fork before or after it")
    copied = [_held(event) for event in events[:version]]
    first = copied[0]
    assert isinstance(first, e.RunLaunched)
    copied[0] = first.model_copy(
        update={"run_id": run_id, "channel": "api", "conversation": conversation, "source": ""}
    )
    return copied


def _held(event: e.Event) -> e.Event:
    """The event with every address replaced by one that only keeps what it is told."""
    match event:
        case e.MessageReceived(reply_to=Address() as address):
            return event.model_copy(update={"reply_to": _kept(address)})
        case e.ReplyStarted(to=Address() as address):
            return event.model_copy(update={"to": _kept(address)})
        case e.ApprovalEscalated(to=addresses):
            return event.model_copy(update={"to": tuple(map(_kept, addresses))})
        case e.ApprovalRequested(ask=asked) | e.LimitReached(ask=asked):
            return event.model_copy(update={"ask": tuple(map(_kept, asked))})
        case e.VersionChanged(ask=asked):
            return event.model_copy(update={"ask": tuple(map(_kept, asked))})
        case _:
            return event


def _kept(address: Address) -> Address:
    return Address(channel="api", to=f"{address.channel}:{address.to}")
