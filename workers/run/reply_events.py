"""What can happen to what a run says: events like those in `events`, with the same rules. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ponderd.channels.message import Address, Frozen, Inquiry, ReplyKind
from ponderd.workers.run.inbound_events import EventBase as _Event


class Notice(Frozen):
    """A message that a tool sends, besides its result."""

    to: Address
    text: str


class ReplyStarted(_Event):
    """The intent to send the reply, written before sending. `key` is the idempotency key."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    type: Literal["reply_started"] = "reply_started"
    key: str
    kind: ReplyKind
    text: str
    to: Address | None = None
    inquiry: Inquiry | None = Field(None, alias="prompt")
    """Logs, the API and callbacks call it `prompt`."""


class ReplySent(_Event):
    """The reply arrived. `receipt` is the other side's id; "held": it waits in the run. `key` says
    which reply; "": the first one of the queue. `place`: where it stands, if its address did not
    say so."""

    type: Literal["reply_sent"] = "reply_sent"
    receipt: str
    key: str = ""
    place: str = ""


class ReplyFailed(_Event):
    """Sending failed. It is tried again at `retry_at`; None: only when somebody asks for it.

    `mendable`: an operator has to mend something first. `key` says which reply. Older logs lack it:
    there the first reply of the queue failed, and None meant that it was given up for good.
    """

    type: Literal["reply_failed"] = "reply_failed"
    error: str
    retry_at: float | None
    key: str = ""
    mendable: bool = False


class ReplyPutAside(_Event):
    """The run goes on without the reply `key`: sending it takes long, or failed once (`error`).
    What becomes of it is recorded later. If nothing is, it is sent again at `retry_at`."""

    type: Literal["reply_put_aside"] = "reply_put_aside"
    key: str
    error: str
    retry_at: float


class DeliveriesRetried(_Event):
    """Somebody wants what did not arrive to be sent again, now: the replies with these `keys`, or
    all (empty)."""

    type: Literal["deliveries_retried"] = "deliveries_retried"
    by: str
    keys: tuple[str, ...] = ()


class ReplyBounced(_Event):
    """A mail server reports that a reply did not reach `recipient`, or has not yet reached it (then
    `permanent` is false). `key` is that of the reply, or the approval that it asked. Nothing
    follows from it here: whoever looks at the run reads `reason`."""

    type: Literal["reply_bounced"] = "reply_bounced"
    key: str
    recipient: str
    reason: str
    permanent: bool
