"""The contract of a channel: hand triggers to `Accept`, send replies idempotently."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol

from ponderd.channels.message import Accepted, Decided, Reaction, Reply, Trigger, Verdict

Accept = Callable[[Trigger], Awaitable[Accepted]]
"""Stores a trigger durably and returns; a channel acknowledges to its sender only afterwards.

Raises `Refused` (tell the sender why) or `Unavailable` (do not acknowledge; it will come again).
"""

Decide = Callable[[Verdict], Awaitable[Decided]]
"""Stores the answer to a question durably. The first one counts.

Raises `Conflict` (somebody else decided: the text says who), `Forbidden` (this person may not),
other `Refused`, or `Unavailable`.
"""

React = Callable[[Reaction], Awaitable[None]]
"""Notes what somebody thinks of an answer. Raises `Unavailable`."""

still_ours: ContextVar[Callable[[], None]] = ContextVar("still_ours", default=lambda: None)
"""Set while a reply is sent; raises when another worker may be sending it by now. A channel whose
other side does not recognise the key calls it at the last moment, when all that is left is to write
to the socket: a process may be stopped (SIGSTOP, a suspended machine) at any other."""


class Channel(Protocol):
    """Sends replies. Receiving is the business of each channel's own server or route."""

    name: str

    async def send(self, reply: Reply, *, resend: bool) -> str:
        """Deliver `reply` and return the other side's id of it (Message-ID, Slack ts, status).

        The same `reply.key` must reach a person at most once. `resend` says that an earlier
        attempt may have arrived although nobody saw its outcome: a channel whose other side does
        not recognise the key by itself must look there first.
        Raises `DeliveryError`.
        """
        ...

    async def close(self) -> None: ...
