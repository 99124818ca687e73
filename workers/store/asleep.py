"""Runs that are asleep: they wait for long, so their log is in the archive and the store has a head
of them. A part of `RunStore`; who sends them to sleep and wakes them is `execution.waking`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from ponderd.channels.errors import Unavailable


class AsleepError(Unavailable):
    """The log of a run is in the archive, so what was wanted of it cannot be done here."""

    def __init__(self, run_id: str, mark: str, late: Sequence[bytes] = ()) -> None:
        super().__init__(f"run {run_id} is asleep: its log is in the archive")
        self.mark = mark
        """What the archive has, and how it is known (`mark_of`)."""
        self.late = tuple(late)
        """The events that came since, for who reads."""


class Sleeping(Protocol):
    """While a run is asleep, `claim`, `signal`, `load` and `latest` raise `AsleepError`. All else
    goes on: lists show it, it becomes due, messages are admitted to it."""

    async def sleep(self, run_id: str, version: int, last: bytes, mark: str, idle: float) -> bool:
        """Drop the log of a run that is WAITING or PAUSED, of which the archive has all that `mark`
        says. Only if it is not held, not due within `idle` seconds, and its log still ends at
        `version` with `last`. Returns whether it was done."""

    async def wake(self, run_id: str, mark: str, log: Sequence[bytes]) -> bool:
        """Bring back the log that was sent to sleep with `mark`, and behind it what came since.
        Returns whether it was done: not if it is awake by now."""


def mark_of(log: Sequence[bytes]) -> str:
    """How many events these are, and a digest of them."""
    digest = sha256()
    for event in log:
        digest.update(b"%d\n" % len(event) + event)
    return f"{len(log)} {digest.hexdigest()[:32]}"


def length_of(mark: str) -> int:
    """How many events a `mark` stands for."""
    return int(mark.partition(" ")[0])
