"""Replies that did not arrive, and when they are tried again: a part of `reduce`. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable

from ponderd.channels.message import Address
from ponderd.workers.run import events as e
from ponderd.workers.run.copies import replace
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


def kept_for_later(out: Outgoing, event: e.ReplyPutAside) -> Outgoing:
    """`out`, of whose attempt it is not known yet what became of it."""
    trouble = out.trouble or Trouble(event.at, event.at, event.error, mendable=False, attempts=0)
    return replace(out, trouble=replace(trouble, retry_at=event.retry_at))


def tried_in_vain(run: Run, event: e.ReplyFailed) -> Run:
    """After another attempt in vain of one that did not arrive before. Those that came before it in
    the same thread are tried no later than it, so that they arrive in their order."""
    out, at = find(run, event.key), event.retry_at
    assert out is not None
    kept: list[Outgoing] = []
    before = True
    for other in run.outbox.undelivered:
        if other is out:
            kept.append(failed(out, event))
            before = False
        elif before and at is not None and _ordered(out.to, other.to) and _retry_at(other) > at:
            kept.append(_sooner(other, at))
        else:
            kept.append(other)
    return _with(run, kept)


def works_again(run: Run, to: Address | None, at: float) -> Run:
    """Something arrived at `to`: try at once what is still to be tried there."""
    return _with_each(
        run, lambda out: _sooner(out, at) if _same(out.to, to) and at < _retry_at(out) else out
    )


def still_first(run: Run, to: Address | None) -> Run:
    """Something is to be said at `to`: what is still to be tried in the same thread is tried before
    it, so that the two arrive in their order. If that fails again, it is not waited for: silence
    would be worse than disorder."""
    at = run.updated_at
    return _with_each(
        run, lambda out: _sooner(out, at) if _ordered(out.to, to) and at < _retry_at(out) else out
    )


def missing(run: Run) -> list[Outgoing]:
    """What somebody who waits for the outcome of the current message did not get."""
    return [
        out
        for out in run.outbox.undelivered
        if out.kind in ("answer", "failure") and not (out.beside or out.late)
    ]


def still_tried(run: Run) -> bool:
    """Whether the outcome of the current message is still on its way to somebody."""
    return any(out.trouble and out.trouble.retry_at is not None for out in missing(run))


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


def tell_instead(run: Run, asks: Callable[[Outgoing], bool]) -> Run:
    """Nobody need answer any more what `asks`, but they must know it."""
    return _with_each(
        run, lambda out: replace(out, kind="notice", beside=True) if asks(out) else out
    )


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


def held_back(run: Run, keys: Container[str]) -> Run:
    """The run without moments at which those with these keys are to be tried."""
    return _with_each(run, lambda out: _at(out, None) if out.key in keys else out)


def are_read_in_order(to: Address | None) -> bool:
    """Whether people read there one reply after the other. Programs tell them apart by their id."""
    return to is not None and to.channel != "webhook"


def hurry(run: Run, message: e.MessageReceived) -> Run:
    """Try at once what did not arrive where `message` comes from: somebody is there. A program that
    calls again is no sign that its callback is there, but it is asked at the one that it names."""
    place = message.reply_to
    if place is None:
        return run

    def hurried(out: Outgoing) -> Outgoing:
        if not _is_there(out.to, place):
            return out
        if place.channel != "webhook":
            return _at(out, message.at)
        return _at(replace(out, to=place), message.at) if out.kind == "question" else out

    return _with_each(run, hurried)


def ask_again(run: Run, event: e.DeliveriesRetried) -> Run:
    """Try all of them now, or those that are named, with all attempts before them."""

    def is_meant(out: Outgoing) -> bool:
        return not event.keys or out.key in event.keys

    run = _with_each(run, lambda out: renewed(out, event.at) if is_meant(out) else out)
    queue = run.outbox.queue
    if queue and queue[0].trouble and is_meant(queue[0]):
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


def _same(to: Address | None, other: Address | None) -> bool:
    return bool(to and other and (to.channel, to.to) == (other.channel, other.to))


def _ordered(to: Address | None, other: Address | None) -> bool:
    return _same(to, other) and are_read_in_order(to)


def _retry_at(out: Outgoing) -> float:
    """-inf: it is not tried by itself."""
    at = out.trouble.retry_at if out.trouble else None
    return -math.inf if at is None else at


def _sooner(out: Outgoing, moment: float) -> Outgoing:
    """This attempt does not count, or impatience would use up those that were meant for hours."""
    return _at(replace(out, attempts=max(0, out.attempts - 1)), moment)


def _at(out: Outgoing, moment: float | None) -> Outgoing:
    return replace(out, trouble=out.trouble and replace(out.trouble, retry_at=moment))


def renewed(out: Outgoing, at: float) -> Outgoing:
    """`out` with all its attempts before it, the first of them now."""
    trouble = out.trouble and replace(out.trouble, renewed=at, retry_at=at)
    return replace(out, attempts=0, trouble=trouble)


def _with_each(run: Run, change: Callable[[Outgoing], Outgoing]) -> Run:
    before = run.outbox.undelivered
    after = tuple(map(change, before))
    return run if after == before else _with(run, after)


def _with(run: Run, kept: Iterable[Outgoing]) -> Run:
    return replace(run, outbox=replace(run.outbox, undelivered=tuple(kept)))
