"""Replies that did not arrive, and when they are tried again: a part of `reduce`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ponderd.channels.message import Address
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Outgoing, Run, Trouble

NOTICES = 20
"""Most notices that a run keeps undelivered. Beyond that the oldest is forgotten."""

_READERS = ("api", "terminal")
"""Channels whose people read the run itself, and so see what did not arrive."""


def failed(out: Outgoing, event: e.ReplyFailed) -> Outgoing:
    """`out` after another attempt in vain."""
    before = out.trouble
    trouble = Trouble(
        since=before.since if before else event.at,
        renewed=before.renewed if before else event.at,
        error=event.error,
        mendable=event.mendable,
        attempts=before.attempts + 1 if before else 1,
        retry_at=event.retry_at,
    )
    other = before is not None and before.mendable != event.mendable
    return replace(out, attempts=1 if other else out.attempts + 1, trouble=trouble)


def put_aside(run: Run, out: Outgoing) -> Run:
    """Keep it without holding up anything."""
    kept = (*run.outbox.undelivered, out)
    notices = [other for other in kept if other.kind == "notice"]
    if len(notices) > NOTICES:
        kept = tuple(other for other in kept if other is not notices[0])
    return _with(run, kept)


def drop(run: Run, unwanted: Callable[[Outgoing], bool]) -> Run:
    kept = tuple(out for out in run.outbox.undelivered if not unwanted(out))
    return run if len(kept) == len(run.outbox.undelivered) else _with(run, kept)


def find(run: Run, key: str) -> Outgoing | None:
    """The undelivered reply with this key."""
    return next((out for out in run.outbox.undelivered if out.key == key), None)


def next_try(run: Run) -> float | None:
    """When the first of them is tried again, Unix seconds. None: not by itself."""
    moments = (out.trouble.retry_at for out in run.outbox.undelivered if out.trouble)
    return min((moment for moment in moments if moment is not None), default=None)


def due(run: Run, now: float) -> Outgoing | None:
    """The one to try again now."""
    for out in run.outbox.undelivered:
        if out.trouble and out.trouble.retry_at is not None and out.trouble.retry_at <= now:
            return out
    return None


def hurry(run: Run, message: e.MessageReceived) -> Run:
    """Try at once what did not arrive where `message` comes from: somebody is there."""
    place = message.reply_to
    if place is None or not run.outbox.undelivered:
        return run
    return _with(
        run,
        (
            _at(_moved(out, place), message.at) if _is_there(out.to, place) else out
            for out in run.outbox.undelivered
        ),
    )


def ask_again(run: Run, event: e.DeliveriesRetried) -> Run:
    """Try all of them now, with all attempts before them."""
    run = _with(run, (renewed(out, event.at) for out in run.outbox.undelivered))
    queue = run.outbox.queue
    if queue and queue[0].trouble:
        queue = (renewed(queue[0], event.at), *queue[1:])
        run = replace(run, retry_at=None, outbox=replace(run.outbox, queue=queue))
    return run


def overtaken(run: Run) -> Run:
    """The conversation goes on: what did not arrive is still sent, but nothing follows from it."""
    if not run.outbox.undelivered:
        return run
    return _with(
        run,
        (
            out if out.beside else replace(out, beside=True, late=True, inquiry=None)
            for out in run.outbox.undelivered
        ),
    )


def unseen(run: Run, message: e.MessageReceived) -> bool:
    """Whether the question of the open approval did not arrive where `message` comes from. What is
    said there answers something else."""
    approval, place = run.work.approval, message.reply_to
    if approval is None or place is None or message.via in _READERS:
        return False
    return any(
        out.inquiry and out.inquiry.id == approval.id and not out.beside
        for out in run.outbox.undelivered
        if _is_there(out.to, place)
    )


def in_trouble(run: Run) -> tuple[Outgoing, ...]:
    """All replies of which an attempt failed, and that did not arrive since."""
    return (*(out for out in run.outbox.queue if out.trouble), *run.outbox.undelivered)


def _is_there(to: Address | None, place: Address) -> bool:
    if to is None or to.channel != place.channel:
        return False
    # A program that calls again may have another callback by now.
    return to.channel == "webhook" or to.to == place.to


def _moved(out: Outgoing, place: Address) -> Outgoing:
    return replace(out, to=place) if place.channel == "webhook" else out


def _at(out: Outgoing, moment: float) -> Outgoing:
    return replace(out, trouble=out.trouble and replace(out.trouble, retry_at=moment))


def renewed(out: Outgoing, at: float) -> Outgoing:
    """`out` with all its attempts before it, the first of them now."""
    trouble = out.trouble and replace(out.trouble, renewed=at, retry_at=at)
    return replace(out, attempts=0, trouble=trouble)


def _with(run: Run, kept: Iterable[Outgoing]) -> Run:
    return replace(run, outbox=replace(run.outbox, undelivered=tuple(kept)))
