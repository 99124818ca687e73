"""Deliver one reply, and say what became of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from functools import partial

import structlog

from ponderd.channels.channel import Channel, Receipt, still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Reply
from ponderd.channels.own_secrets import hide
from ponderd.channels.people import without_team, without_teams
from ponderd.channels.text import storable
from ponderd.workers.execution.leases import IN_FLIGHT, LeasedRun, LeaseLost
from ponderd.workers.execution.receivers import Receivers
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Outgoing, Run

log = structlog.get_logger(__name__)

REPLY_BACKOFF = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0)
"""Seconds until a reply is sent again, one for each attempt. After the last one it is not tried any
more by itself."""

MENDABLE_EVERY = 300.0
"""Most seconds between two attempts while an operator has to mend something."""

MENDABLE_SECONDS = 48 * 3600.0
"""How long an operator has for that. After it, sending is up to `ponderd deliveries retry`."""


SEND_SECONDS = 120.0
"""Most seconds that one attempt may take, whatever the channel's own limits are."""


async def deliver(
    channels: Mapping[str, Channel],
    receivers: Receivers,
    held: LeasedRun,
    run: Run,
    outgoing: Outgoing,
    key: str,
    *,
    resend: bool,
) -> e.ReplySent | e.ReplyFailed:
    """Send one reply, as soon as its receiver has a slot for it. `resend`: an earlier attempt may
    have arrived. Raises `LeaseLost`."""
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
        settles=outgoing.settles,
        outcome=outgoing.outcome,
    )
    if reply.to.channel != "slack":
        reply = _outside_slack(reply)
    still_ours.set(partial(held.check, IN_FLIGHT))
    asked_at = outgoing.trouble.renewed if outgoing.trouble else -math.inf
    try:
        channel = channels.get(outgoing.to.channel)
        if channel is None:
            raise DeliveryError(
                f"channel {outgoing.to.channel} is not set up on this worker", mendable=True
            )
        async with receivers.turn(outgoing.to, held.now, asked_at=asked_at):
            held.check()
            receipt = await _carry(channel, reply, resend)
    except DeliveryError as error:
        now = held.now()
        delay = until_retry(outgoing, error, now)
        log.warning("reply not sent", key=key, error=str(error), retry_in=delay)
        return e.ReplyFailed(
            at=now,
            error=hide(storable(str(error))),
            retry_at=None if delay is None else now + delay,
            key=key,
            mendable=error.mendable,
        )
    log.info("reply sent", key=key, channel=reply.to.channel)
    place = receipt.place if isinstance(receipt, Receipt) else ""
    return e.ReplySent(
        at=held.now(),
        receipt=storable(receipt),
        key=key,
        place="" if place == reply.to.to else storable(place),
    )


def _outside_slack(reply: Reply) -> Reply:
    """The reply with people as they are named elsewhere. What it quotes stays as it is."""
    text, outcome = reply.text, without_teams(reply.outcome)
    if reply.outcome and text.endswith(reply.outcome):
        text = text.removesuffix(reply.outcome) + outcome
    elif reply.kind in ("notice", "failure"):
        text = without_teams(text)
    inquiry, settles = (
        about and about.model_copy(update={"asked_by": without_team(about.asked_by)})
        for about in (reply.inquiry, reply.settles)
    )
    changed = {"text": text, "outcome": outcome, "inquiry": inquiry, "settles": settles}
    return reply.model_copy(update=changed)


def until_retry(outgoing: Outgoing, error: DeliveryError, now: float) -> float | None:
    """Seconds until the next attempt after one that failed at `now`. None: not by itself."""
    trouble = outgoing.trouble
    # Only errors of the same kind in a row count: an operator who has mended a token must not find
    # that the attempts for a passing error are used up.
    attempts = outgoing.attempts if trouble and trouble.mendable == error.mendable else 0
    over = attempts >= len(REPLY_BACKOFF)
    if error.mendable:
        over = trouble is not None and now - trouble.renewed >= MENDABLE_SECONDS
    if error.permanent or over:
        return None
    planned = REPLY_BACKOFF[min(attempts, len(REPLY_BACKOFF) - 1)]
    if error.mendable:
        planned = min(planned, MENDABLE_EVERY)
    return max(planned, min(error.retry_after or 0, REPLY_BACKOFF[-1]))


async def _carry(channel: Channel, reply: Reply, resend: bool) -> str:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await channel.send(reply, resend=resend)
    except (DeliveryError, LeaseLost):
        raise
    except TimeoutError as error:
        late = f"{channel.name}: no answer within {SEND_SECONDS:.0f} s"
        raise DeliveryError(late, unreachable=True) from error
    except Exception as error:
        # An unexpected error counts as a failed delivery. The sweeper would send it again for ever.
        log.exception("reply failed unexpectedly")
        raise DeliveryError(f"{channel.name}: {error!r}") from error
