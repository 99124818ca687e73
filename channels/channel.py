"""The contract of a channel: hand each trigger to `Accept`, send each reply idempotently."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from ponderd.channels.message import Accepted, Address, Bounce, Reaction, Reply, Trigger, Verdict

Accept = Callable[[Trigger], Awaitable[Accepted]]
"""Stores a trigger durably, then returns. Only after that may a channel acknowledge to its sender.

Raises `Refused` (tell the sender why) or `Unavailable` (do not acknowledge: the sender will retry).
"""

AnswerInquiry = Callable[[Verdict], Awaitable[str]]
"""Stores the answer to an approval or a question durably, then returns what to tell the person. The
first answer counts.

Raises `Conflict` (somebody else answered first: the text says who), `Forbidden` (this person may
not decide), another `Refused`, or `Unavailable`.
"""

React = Callable[[Reaction], Awaitable[bool]]
"""Records what somebody thinks of an answer; False if it is about nothing of ours. Raises
`Refused`, `Unavailable`."""

Bounced = Callable[[Bounce], Awaitable[None]]
"""Records that a reply did not reach somebody. The same report again changes nothing. Raises
`Unavailable`."""

Note = Callable[[str, str], None]
"""Tells the operator of something that was not taken: why, in a word or two of ours, and the
details, which may hold what strangers wrote, but nothing of a message's content."""

still_ours: ContextVar[Callable[[], None]] = ContextVar("still_ours", default=lambda: None)
"""A check that is set while a reply is sent. It raises if another worker may be sending it by now,
or may soon look whether it arrived.

A channel whose other side does not recognise the key calls the check last, just before it writes to
the socket: the process may have been stopped (SIGSTOP, a suspended machine) at any point before."""


class Receipt(str):
    """The other side's id for a message, with the `place` where it stands, if that is known: of
    what is sent to a person in Slack, the id of the direct messages with them."""

    place: str

    def __new__(cls, message: str, place: str = "") -> Receipt:
        receipt = super().__new__(cls, message)
        receipt.place = place
        return receipt


class Channel(Protocol):
    """Sends replies. Receiving is left to each channel's own server or route."""

    name: str
    """How an `Address` names this channel."""

    async def send(self, reply: Reply, *, resend: bool) -> str:
        """Deliver `reply`. Returns the other side's id for it (Message-ID, Slack ts, HTTP status),
        as a `Receipt` if it stands elsewhere than its address says.

        The same `reply.key` must reach a person at most once. `resend` means that an earlier
        attempt may have arrived although nobody saw its outcome. A channel whose other side does
        not recognise the key must then look for that attempt first.
        Raises `DeliveryError`.
        """
        ...

    async def close(self) -> None:
        """Release connections. Call it once, after the last `send`."""
        ...


@runtime_checkable
class ShowsProgress(Protocol):
    """A channel that can also show what an agent is doing just now. Others lack the method."""

    def progress(self, to: Address, doing: str) -> None:
        """Show at `to` what is being done for the message there: "is thinking…". "" takes it away.

        Returns at once: what it starts goes on by itself. Never raises, and may show nothing.
        """
        ...
