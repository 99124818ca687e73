"""States of a run without what no rule looks at, so that a walk through all of them ends."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ponderd.channels.message import Address
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.state import (
    CurrentMessage,
    Effort,
    Inbox,
    Missing,
    Outbox,
    Outgoing,
    Run,
    Status,
    Trouble,
    UnknownOutcome,
    Usage,
    Work,
)

NOW, RETRY = 100.0, 200.0
SENDER = Address(channel="webhook", to="http://sender.example")
CALLED = ToolCall(tool="deploy", arguments={"version": "1"})

InFlight = str | None
"""model, tool, or the key of a reply."""

_PARTS = ("missing", "message", "inbox", "work", "outbox", "unknown", "effort")
_FORGOTTEN: dict[str, Any] = {
    "version": 1,
    "updated_at": NOW,
    "turns": (),
    "turn_chars": 0,
    "error": None,
    "bounces": (),
    "effort_before": Effort(),
    "chosen_by": 0,
    "drafts": {},
    "usage": Usage(),
}
_OTHERS = [one.name for one in fields(Run) if one.name not in {*_PARTS, *_FORGOTTEN}]


class EqualStates:
    """Finds out which states are equal. Equal parts of them become one object, so most of a state
    is known by what it is, and need not be looked at again."""

    def __init__(self) -> None:
        self._one_of: dict[bytes, Any] = {}
        self._known: dict[Any, tuple[Any, Any]] = {}

    def forget(self, run: Run, in_flight: InFlight) -> tuple[Run, InFlight]:
        ended, settled = run.ended, run.ended in (Status.COMPLETED, Status.CANCELLED)
        box = run.outbox
        renamed = self._part(box, lambda: forget_replies(box, in_flight, ended), ended, in_flight)
        run = replace(
            run,
            **_FORGOTTEN,
            missing=self._part(run.missing, lambda: forget_who_wrote(run.missing)),
            message=self._part(run.message, lambda: forget_text(run.message, settled), settled),
            inbox=self._part(run.inbox, lambda: forget_counts(run.inbox)),
            work=self._part(run.work, lambda: forget_times(run.work)),
            unknown=self._part(run.unknown, lambda: forget_what_came(run.unknown)),
            effort=self._part(run.effort, lambda: forget_trouble(run.effort, settled), settled),
            outbox=renamed.outbox,
        )
        return run, renamed.in_flight

    def key(self, run: Run, in_flight: InFlight) -> Any:
        """Equal for equal states that `forget` returned."""
        parts = tuple([id(getattr(run, name)) for name in _PARTS])
        return parts, tuple([getattr(run, name) for name in _OTHERS]), in_flight

    def _part(self, part: Any, forget: Callable[[], Any], *depends_on: Any) -> Any:
        """`forget()`, which depends on nothing else, as the one object that stands for all that
        are equal to it."""
        known = self._known.get((id(part), *depends_on))
        if known is None:
            after = forget()
            if isinstance(after, Renamed):
                after = after._replace(outbox=self._one(after.outbox))
            else:
                after = self._one(after)
            known = part, after  # `part` is kept, so that no other object gets its id
            self._known[(id(part), *depends_on)] = known
        return known[1]

    def _one(self, part: Any) -> Any:
        return self._one_of.setdefault(_digest(part), part)


def forget_counts(inbox: Inbox) -> Inbox:
    away = tuple(replace(one, count=1) for one in inbox.turned_away)
    since = NOW if inbox.turned_away else None
    return replace(inbox, heard_at=NOW, turned_away=away, turned_away_since=since, not_taken=0)


def forget_who_wrote(missing: Missing | None) -> Missing | None:
    return missing and replace(missing, untold=missing.untold[:1])


def forget_text(message: CurrentMessage, settled: bool) -> CurrentMessage:
    """`settled`: nobody waits for its outcome any more."""
    if settled:
        return CurrentMessage()
    return replace(message, text="", under_way=False, joined=0, asked_again=False)


def forget_trouble(effort: Effort, settled: bool) -> Effort:
    """The next message begins with a new one, so after the last it does not matter."""
    if settled:
        return Effort()
    return Effort(
        model_calls=effort.model_calls,
        rejections=effort.rejections,
        model_gone=effort.model_gone,
        retry_at=effort.retry_at,
        draft=effort.draft,
    )


def forget_what_came(unknown: tuple[UnknownOutcome, ...]) -> tuple[UnknownOutcome, ...]:
    return tuple(
        replace(one, question="", to=(), call=CALLED) for one in unknown[-1:] if not one.came
    )


def forget_times(work: Work) -> Work:
    approval = work.approval and replace(
        work.approval,
        text="",
        asked_at=NOW,
        reminded_at=None,
        posted=tuple({posted.to.channel: posted for posted in work.approval.posted}.values()),
    )
    work = replace(work, approval=approval, extended=dict.fromkeys(work.extended, 1))
    if work.call:
        return work
    return replace(work, approved="", begun=0, begun_at=0)  # the next call has nothing of this


class Renamed(NamedTuple):
    outbox: Outbox
    in_flight: InFlight


def forget_replies(box: Outbox, in_flight: InFlight, ended: Status | None) -> Renamed:
    """Give replies the keys that alike ones have. One of a kind stands for several, but the one in
    flight stays."""
    queue = [
        replace(forget_attempts(out), key=out.key and f"q{index}")
        for index, out in enumerate(box.queue)
    ]
    undelivered, then = {}, in_flight
    for out in box.undelivered:
        if (out.beside or out.kind == "notice") and out.key != in_flight and not ended:
            continue  # nothing waits for it: the run does the same without it
        key = f"{'beside' if out.beside else out.kind}{' in flight' * (out.key == in_flight)}"
        undelivered[key] = replace(forget_attempts(out), key=key)
        then = key if out.key == in_flight else then
    for out, named in zip(box.queue, queue, strict=True):
        then = named.key if out.key and out.key == in_flight else then
    kept = [
        out
        for index, out in enumerate(queue)
        if index == 0 or out.kind != "notice"  # one notice stands for several
    ]
    undelivered_now = tuple(undelivered[key] for key in sorted(undelivered))
    return Renamed(Outbox(queue=tuple(kept), undelivered=undelivered_now), then)


def forget_attempts(out: Outgoing) -> Outgoing:
    retry_at = None if out.trouble is None or out.trouble.retry_at is None else RETRY
    trouble = out.trouble and Trouble(NOW, NOW, "", False, 1, retry_at)
    to = out.to and SENDER
    kind = "notice" if out.late else out.kind  # nothing follows from either
    return replace(
        out, kind=kind, text="", attempts=0, resolves="", to=to, trouble=trouble, late=False
    )


def _digest(part: Any) -> bytes:
    """Equal for equal parts; much quicker than repr."""
    data = io.BytesIO()
    pickler = pickle.Pickler(data, protocol=5)
    pickler.fast = True  # no memo: whether two parts are the same object does not matter
    pickler.dump(part)
    return hashlib.blake2b(data.getvalue(), digest_size=16).digest()
