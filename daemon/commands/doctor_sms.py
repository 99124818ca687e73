"""The part of `ponderd doctor` that is about text messages by Twilio. Changes nothing."""

from __future__ import annotations

from ponderd.channels.errors import DeliveryError
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.sms.twilio import Twilio
from ponderd.daemon.commands.checks import Check


async def sms_check(settings: ChannelSettings) -> Check:
    """Say which settings are missing, and whether Twilio takes those that are there."""
    needed = {
        "PONDERD_TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "PONDERD_TWILIO_AUTH_TOKEN": settings.twilio_auth_token,
    }
    missing = [name for name, value in needed.items() if value is None]
    if len(missing) == len(needed) and settings.twilio_from is None:
        return Check(name="SMS", level="ok", found="off: no PONDERD_TWILIO_ACCOUNT_SID")
    if missing:
        found = f"{' and '.join(missing)} not set, so no text message can be sent"
        return Check(name="SMS", level="fail", found=found, advice="set them for all processes")
    twilio = Twilio(settings)
    try:
        state = await twilio.account()
    except DeliveryError as error:
        return Check(name="SMS", level="fail", found=str(error), advice="see docs/sms.md")
    finally:
        await twilio.close()
    if state != "active":
        advice = "look at the account in Twilio's console"
        return Check(name="SMS", level="fail", found=f"the account is {state}", advice=advice)
    lacks = []
    if settings.twilio_from is None:
        lacks.append("PONDERD_TWILIO_FROM is not set: only those who wrote get a message")
    if settings.public_url is None:
        lacks.append(
            "PONDERD_PUBLIC_URL is not set: behind a proxy no message of Twilio is believed"
        )
    if lacks:
        return Check(name="SMS", level="warn", found="; ".join(lacks), advice="set it")
    found = f"Twilio answers; messages come from {settings.twilio_from}"
    return Check(name="SMS", level="ok", found=found)
