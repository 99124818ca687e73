"""Who may be sent to now: a few at a time for each receiver, and hardly anything to dead ones.

A receiver is an address (a callback, a channel of Slack, a mailbox), and also what stands behind
it: the host of a callback, Slack, the mail relay. What a worker learns of one by the replies of a
run holds for those of all its runs. It is kept in memory only: another worker finds out by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address

SLOTS = 128
"""Most replies that one worker begins to send at the same time."""

QUICK = 0.5
"""Seconds. An attempt that takes longer gives its slot to another and goes on without it: hundreds
of receivers that hang must not hold up those that live."""

SLOW = 1000
"""Most attempts that go on so. While there are as many, only receivers that took the last reply are
sent to."""

PROVEN = 32
"""Most of them to one receiver that took the last one."""

UNPROVEN = 4
"""Most of them to any other receiver: one that hangs must not get them all."""

IN_A_ROW = 5
"""So many attempts in vain, and a receiver counts as dead: only one attempt at a time is made."""

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds between two attempts at a dead receiver. Each one in vain doubles them."""

KNOWN = 10_000
"""Most receivers that are remembered."""


@dataclass(slots=True)
class _Receiver:
    name: str
    busy: int = 0
    proven: bool = False
    arrived_at: float = -math.inf
    failures: int = 0
    failed_at: float = -math.inf
    error: str = ""
    mendable: bool = False

    @property
    def dead(self) -> bool:
        return self.failures >= IN_A_ROW

    @property
    def room(self) -> bool:
        most = 1 if self.dead else PROVEN if self.proven else UNPROVEN
        return self.busy < most

    def pause_at(self, now: float) -> float:
        """Seconds until a dead receiver is tried again. 0: now."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - IN_A_ROW, 10))
        passed = now - self.failed_at
        # Below 0: the store's clock was set back.
        return pause - passed if self.dead and 0 <= passed < pause else 0.0


@dataclass(slots=True, eq=False)
class _Turn:
    receivers: tuple[_Receiver, ...]
    asked_at: float
    now: Callable[[], float]
    admitted: asyncio.Future[None]
    slow: bool = False


class Receivers:
    """What one worker knows of the receivers of its replies. Belongs to one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, _Receiver] = {}
        self._busy = 0
        self._slow = 0
        self._waiting: list[_Turn] = []

    @contextlib.asynccontextmanager
    async def turn(
        self, to: Address, now: Callable[[], float], *, asked_at: float = -math.inf
    ) -> AsyncIterator[None]:
        """Wait for a slot, and learn from what becomes of the attempt within.

        Raises `DeliveryError` instead if the attempt would be in vain: the receiver is dead, and is
        being tried by another, or was after somebody asked for this attempt (`asked_at`, by the
        clock `now`, Unix seconds).
        """
        receivers = tuple(self._receiver(name) for name in names(to))
        turn = _Turn(receivers, asked_at, now, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._admit()
        try:
            await turn.admitted
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.admitted.cancelled() and turn.admitted.exception() is None:
                self._leave(turn)
            raise
        began = now()
        later = asyncio.get_running_loop().call_later(QUICK, self._take_slot, turn)
        try:
            yield
        except DeliveryError as error:
            _learn(receivers, error, began, now())
            raise
        else:
            for receiver in receivers:
                receiver.failures, receiver.proven, receiver.arrived_at = 0, True, now()
        finally:
            later.cancel()
            self._leave(turn)

    def _receiver(self, name: str) -> _Receiver:
        if name not in self._known:
            if len(self._known) >= KNOWN:
                used = {id(r) for turn in self._waiting for r in turn.receivers}
                self._known = {
                    name: known
                    for name, known in self._known.items()
                    if known.busy or known.dead or id(known) in used
                }
            self._known[name] = _Receiver(name)
        return self._known[name]

    def _admit(self) -> None:
        """Let everybody in for whom there is a slot, and spare those who would wait in vain."""
        still = []
        for turn in self._waiting:
            if turn.admitted.done():
                continue
            if spared := _in_vain(turn):
                turn.admitted.set_exception(spared)
            elif self._has_slot(turn) and all(receiver.room for receiver in turn.receivers):
                self._busy += 1
                for receiver in turn.receivers:
                    receiver.busy += 1
                turn.admitted.set_result(None)
            else:
                still.append(turn)
        self._waiting = still

    def _has_slot(self, turn: _Turn) -> bool:
        return self._busy < SLOTS and (self._slow < SLOW or turn.receivers[0].proven)

    def _take_slot(self, turn: _Turn) -> None:
        """Let another be sent to meanwhile: this attempt takes long."""
        turn.slow = True
        self._busy -= 1
        self._slow += 1
        self._admit()

    def _leave(self, turn: _Turn) -> None:
        if turn.slow:
            self._slow -= 1
        else:
            self._busy -= 1
        for receiver in turn.receivers:
            receiver.busy -= 1
        self._admit()


def names(to: Address) -> tuple[str, str]:
    """The address, and what stands behind it."""
    behind = to.channel
    if to.channel == "webhook":
        with contextlib.suppress(ValueError):
            behind = urlsplit(to.to).netloc.rpartition("@")[2].lower()
    return f"{to.channel}:{to.to}", behind


def _learn(
    receivers: tuple[_Receiver, ...], error: DeliveryError, began: float, now: float
) -> None:
    if error.permanent or error.retry_after is not None:
        return  # it is about this reply, or the receiver said itself when to come again
    address, behind = receivers
    for receiver in (address, behind) if error.unreachable else (address,):
        receiver.proven = False
        if receiver.arrived_at < began:  # otherwise it lives, and was only slow for this one
            receiver.failures += 1
            receiver.failed_at = now
            receiver.error, receiver.mendable = str(error), error.mendable


def _in_vain(turn: _Turn) -> DeliveryError | None:
    """Why this attempt is not worth making."""
    now = turn.now()
    for receiver in turn.receivers:
        pause = receiver.pause_at(now) if receiver.failed_at >= turn.asked_at else 0.0
        if receiver.dead and (pause or receiver.busy):
            return DeliveryError(
                f"not tried, for {receiver.name} failed {receiver.failures} times in a row: "
                f"{receiver.error}",
                mendable=receiver.mendable,
                retry_after=pause or FIRST_PAUSE,
            )
    return None
