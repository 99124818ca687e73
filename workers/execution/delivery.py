"""Deliver one reply, and say what became of it."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from ponderd.channels.channel import Channel, still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Reply
from ponderd.channels.text import storable
from ponderd.workers.execution.leases import LeasedRun, LeaseLost
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Outgoing, Run

log = structlog.get_logger(__name__)

REPLY_BACKOFF = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0)
"""Seconds until a reply is sent again, one for each attempt. After the last one it is given up."""

BESIDE_ATTEMPTS = 3
"""Attempts for a reply beside the conversation: the run must not wait long for it."""


async def deliver(
    channels: Mapping[str, Channel],
    held: LeasedRun,
    run: Run,
    outgoing: Outgoing,
    key: str,
    *,
    resend: bool,
) -> e.ReplySent | e.ReplyFailed:
    """Send one reply. `resend`: an earlier attempt may have arrived. Raises `LeaseLost`."""
    assert outgoing.to is not None
    reply = Reply(
        key=key,
        run_id=run.id,
        agent=run.agent,
        conversation=run.conversation,
        kind=outgoing.kind,
        text=outgoing.text,
        to=outgoing.to,
        inquiry=outgoing.inquiry,
        resolves=outgoing.resolves,
    )
    held.check()
    still_ours.set(held.check)
    try:
        channel = channels.get(outgoing.to.channel)
        if channel is None:
            raise DeliveryError(f"channel {outgoing.to.channel} is not set up on this worker")
        receipt = await _carry(channel, reply, resend)
    except DeliveryError as error:
        attempts = BESIDE_ATTEMPTS - 1 if outgoing.beside else len(REPLY_BACKOFF)
        over = error.permanent or outgoing.attempts >= attempts
        asked = min(error.retry_after or 0, REPLY_BACKOFF[-1])
        delay = 0 if over else max(REPLY_BACKOFF[outgoing.attempts], asked)
        log.warning("reply not sent", key=key, error=str(error), gives_up=over, retry_in=delay)
        retry_at = None if over else held.now() + delay
        return e.ReplyFailed(at=held.now(), error=storable(str(error)), retry_at=retry_at)
    log.info("reply sent", key=key, channel=reply.to.channel)
    return e.ReplySent(at=held.now(), receipt=storable(receipt))


async def _carry(channel: Channel, reply: Reply, resend: bool) -> str:
    try:
        return await channel.send(reply, resend=resend)
    except (DeliveryError, LeaseLost):
        raise
    except Exception as error:
        # An unexpected error counts as a failed delivery. The sweeper would send it again for ever.
        log.exception("reply failed unexpectedly")
        raise DeliveryError(f"{channel.name}: {error!r}") from error
