"""SMS, outward: post replies to Twilio, in numbered pieces if they are long."""

from __future__ import annotations

from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.sms.compose import compose
from ponderd.channels.sms.twilio import Sent, Twilio

LOOKBACK = 24 * 3600.0
"""Seconds for which a resend searches backwards from the newest message to a number, where it is
not known which message is answered."""

_TRIAL = "Sent from your Twilio trial account - "


class SmsChannel:
    """Sends replies to telephones, from the number that was written to or PONDERD_TWILIO_FROM.

    Twilio neither recognises repeats nor keeps a key of ours with a message. So a resend first
    searches for messages to the same number with the same words: those after the message that is
    answered or, if nobody wrote, those of the last day. A piece that Twilio has is not sent again.
    What remains: two different replies with the same words to a number that did not write, within
    a day, count as one if the second is a resend; and a first attempt that Twilio takes only after
    the search comes twice.
    """

    name = "sms"

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._twilio: Twilio | None = None

    async def send(self, reply: Reply, *, resend: bool) -> str:
        """Returns Twilio's sid of the first message."""
        settings = self._settings
        if self._twilio is None:
            self._twilio = Twilio(settings)
        sender = _sender(reply.to, settings)
        pieces = compose(reply, settings.public_url, settings.signing_key)
        found = await _arrived(self._twilio, reply.to) if resend else {}
        receipts = []
        for piece in pieces:
            known = found.get(_words(piece))
            receipts.append(
                known or await self._twilio.create({"To": reply.to.to, "Body": piece, **sender})
            )
        return receipts[0]

    async def close(self) -> None:
        if self._twilio is not None:
            await self._twilio.close()


def _sender(to: Address, settings: ChannelSettings) -> dict[str, str]:
    """The field that says from where. An answer comes from the number that was written to."""
    sender = to.headers.get("from") or settings.twilio_from
    if sender is None:
        raise DeliveryError("PONDERD_TWILIO_FROM is not set", mendable=True)
    return {"MessagingServiceSid" if sender.startswith("MG") else "From": sender}


async def _arrived(twilio: Twilio, to: Address) -> dict[str, str]:
    """The sid of each message that an earlier attempt may have sent, by its words."""
    answered: Sent | None = await twilio.fetch(to.thread) if to.thread else None
    since = answered.created if answered else 0.0
    found: dict[str, str] = {}
    async for message in twilio.list_to(to.to):
        # Counted from the newest message, because our own clock may be wrong.
        since = since or message.created - LOOKBACK
        if message.created and message.created < since:
            break
        if message.outbound and not message.failed:
            found[_words(message.body)] = message.sid
    return found


def _words(body: str) -> str:
    """What is left of a text that went through Twilio."""
    return " ".join(body.removeprefix(_TRIAL).split())
