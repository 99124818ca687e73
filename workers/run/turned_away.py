"""Messages that found the inbox full: a part of `reduce`. Pure.

Those that were written last are not taken. Each of their senders is told so in one word for all of
theirs, when nobody has written for a while.
"""

from __future__ import annotations

from ponderd.channels.message import Address, principal
from ponderd.workers.run import events as e
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_replies import notify
from ponderd.workers.run.state import Run, TurnedAway

QUIET = 2.0
"""Seconds without a message, after which its senders are told."""

LONGEST = 30.0
"""Most seconds until they are, if people never stop."""


def turn_away(run: Run, event: e.MessagesTurnedAway) -> Run:
    """Take the messages out of the inbox for which it has no room."""
    inbox, limit = run.inbox, event.limit
    early = inbox.early[:limit]
    waiting = inbox.waiting[: limit - len(early)]
    told = {_sender(one.to, one.sender): one for one in inbox.turned_away}
    for message in (*inbox.waiting[len(waiting) :], *inbox.early[len(early) :]):
        by = principal(message.via, message.sender)
        one = told.get(key := _sender(message.reply_to, by))
        told[key] = TurnedAway(message.reply_to, by, one.count + 1 if one else 1)
    since = inbox.turned_away_since or event.at
    gone = len(inbox.waiting) - len(waiting) + len(inbox.early) - len(early)
    return replace(
        run,
        inbox=replace(
            inbox,
            waiting=waiting,
            early=early,
            turned_away=tuple(told.values()),
            turned_away_since=since,
            not_taken=inbox.not_taken + gone,
        ),
    )


def tell(run: Run, event: e.SendersTurnedAway) -> Run:
    """Tell each of the senders."""
    for one in run.inbox.turned_away:
        what = "1 message" if one.count == 1 else f"{one.count} messages"
        whose = "of yours" if one.to else f"of {one.sender.partition(':')[2] or one.sender}"
        was = "was" if one.count == 1 else "were"
        text = (
            f"{what} {whose} {was} not taken: {event.limit} others were waiting for an answer here "
            "already. Please send again later what is still needed."
        )
        run = notify(run, text, one.to)
    return replace(run, inbox=replace(run.inbox, turned_away=(), turned_away_since=None))


def too_many(run: Run, limit: int) -> bool:
    """Whether more messages wait than the inbox has room for."""
    return len(run.inbox.waiting) + len(run.inbox.early) > limit


def to_tell_at(run: Run, now: float) -> float | None:
    """When those who were turned away are to be told, Unix seconds; None: there is nobody."""
    inbox = run.inbox
    if inbox.turned_away_since is None:
        return None
    # Messages carry the daemon's clock: one that runs ahead must not hold this up.
    heard_at = inbox.heard_at if inbox.heard_at <= now + 1 else now - QUIET
    return min(heard_at + QUIET, inbox.turned_away_since + LONGEST)


def _sender(to: Address | None, sender: str) -> tuple[str, str]:
    """One word goes to each place; programs that read it in the run are told apart by name."""
    return (to.channel, to.to) if to else ("", sender)
