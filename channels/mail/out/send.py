"""Outgoing mail: composed, then handed to the relay or put into the outbox folder."""

from __future__ import annotations

import asyncio
import os
import tempfile
from email.message import EmailMessage
from email.utils import localtime
from functools import partial
from pathlib import Path

from ponderd.channels.errors import DeliveryError
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.out.compose import compose, needs_utf8
from ponderd.channels.mail.out.relay import Relay
from ponderd.channels.message import Reply
from ponderd.channels.settings import ChannelSettings


class EmailChannel:
    """Hands replies to the relay, or writes them to the outbox folder if there is no relay.

    A reply that is sent again has the same Message-ID, so mail programs recognise it. In the outbox
    it replaces the same file.
    """

    name = "email"

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings

    async def send(self, reply: Reply, *, resend: bool) -> str:
        settings = self._settings
        write = partial(
            compose,
            reply,
            names=MailNames(settings.mail_domain, settings.signing_key),
            date=localtime(),
            public_url=settings.public_url,
            readable=settings.smtp_relay is None,
            from_name=settings.mail_from_name,
            signature=settings.mail_signature,
        )
        # In a thread of its own: a long answer takes a while, and a worker has other runs.
        message = await asyncio.to_thread(write)
        if settings.smtp_relay is None:
            await asyncio.to_thread(_put, message, settings.outbox)
            return str(message["Message-ID"])
        relay = Relay(settings)
        async with relay.connected() as client:
            if needs_utf8(message) and not client.supports_extension("smtputf8"):
                message = await asyncio.to_thread(write, ascii_only=True)
            await relay.hand_over(client, message)
        return str(message["Message-ID"])

    async def close(self) -> None:
        pass


def _put(message: EmailMessage, outbox: Path) -> None:
    name = str(message["Message-ID"]).strip("<>").replace("/", "_") + ".eml"
    try:
        outbox.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=outbox, prefix=".", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes(policy=message.policy.clone(linesep="\n")))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(outbox / name)
    except OSError as error:
        raise DeliveryError(f"cannot write to {outbox}: {error}") from error
