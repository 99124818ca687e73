"""The dialogue with the relay, the server that sends our mail on: TLS, login, envelope, content."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import structlog

from ponderd.channels.errors import DeliveryError
from ponderd.channels.mail.out.compose import envelope, needs_utf8
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.text import one_line

log = structlog.get_logger(__name__)

TIMEOUT = 30.0
"""Seconds that the relay may take for each step of the SMTP dialogue."""
SUBMISSIONS = 465
"""The port on which TLS begins at once (RFC 8314)."""

# These ask for a login, the right one, or for TLS (RFC 4954). The operator can mend that, so the
# answer is kept and tried again.
_OPERATORS = (530, 534, 535, 538)


class Relay:
    def __init__(self, settings: ChannelSettings) -> None:
        assert settings.smtp_relay is not None
        self._name = settings.smtp_relay
        host, _, port = settings.smtp_relay.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._domain = settings.mail_domain
        self._user, self._password = settings.smtp_relay_user, settings.smtp_relay_password
        tls = settings.smtp_relay_tls
        self._is_near = is_loopback(self._host)
        self._tls = tls if tls != "auto" else "opportunistic" if self._is_near else "verify"

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection over which mail can be handed over. Raises DeliveryError, also for whatever
        goes wrong while it is used."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._domain,
            timeout=TIMEOUT,
            use_tls=self._tls != "off" and self._port == SUBMISSIONS,
            start_tls=False,
            # Opportunistic TLS keeps out those who only listen; the alternative is plain text.
            validate_certs=self._tls == "verify",
        )
        try:
            async with client:
                await self._secure(client)
                yield client
        except aiosmtplib.SMTPResponseException as error:
            raise self._refused(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"relay {self._name}: {error}", unreachable=True) from error

    async def hand_over(self, client: aiosmtplib.SMTP, message: EmailMessage) -> None:
        """Send one mail. Only if the first recipient is taken, it goes to the others as well."""
        sender, (first, *others) = envelope(message)
        options = ["SMTPUTF8", "BODY=8BITMIME"] if needs_utf8(message) else []
        encoding = "utf-8" if options else "ascii"
        if options and not client.supports_extension("smtputf8"):
            raise DeliveryError(
                f"relay {self._name} offers no SMTPUTF8, which {first} needs", mendable=True
            )
        await client.mail(sender, options=options, encoding=encoding)
        await client.rcpt(first, encoding=encoding)
        for other in others:
            try:
                await client.rcpt(other, encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as error:
                log.warning("relay refused a copy", recipient=other, answer=one_line(error.message))
        await client.data(message.as_bytes())

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        is_secure = client.use_tls
        with contextlib.suppress(aiosmtplib.SMTPHeloError):  # a server that only knows HELO
            await client.ehlo()
        if not is_secure and self._tls != "off":
            if client.supports_extension("starttls"):
                await client.starttls()
                await client.ehlo()
                is_secure = True
            elif self._tls == "verify":
                raise DeliveryError(
                    f"relay {self._name} offers no TLS: set PONDERD_SMTP_RELAY_TLS=off to send "
                    "without it",
                    mendable=True,
                )
        if self._user is None:
            return
        if not is_secure and not self._is_near and self._tls != "off":
            raise DeliveryError(
                f"relay {self._name} offers no TLS, so the password stays here", mendable=True
            )
        password = self._password.get_secret_value() if self._password else ""
        await client.login(self._user, password)

    def _refused(self, error: aiosmtplib.SMTPResponseException) -> DeliveryError:
        # SMTP: a 4xx reply means try again later, a 5xx reply means never. But what is said before
        # a recipient is named is about us, not about this mail.
        about_mail = isinstance(
            error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError
        ) or (isinstance(error, aiosmtplib.SMTPSenderRefused) and error.code == 552)
        permanent = about_mail and error.code >= 500 and error.code not in _OPERATORS
        return DeliveryError(
            f"relay answered {error.code} {one_line(error.message)}",
            permanent=permanent,
            mendable=error.code >= 500 and not permanent,
            unreachable=not about_mail,
        )


def is_loopback(host: str) -> bool:
    """Whether nobody can stand between us and `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
