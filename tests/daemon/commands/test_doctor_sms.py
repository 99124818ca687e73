"""What `ponderd doctor` says of text messages."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from ponderd.channels.settings import ChannelSettings
from ponderd.daemon.commands.doctor_sms import sms_check
from tests.services.twilio_api import OURS, SID, TwilioApi


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with TwilioApi() as api:
        yield api


async def test_all_is_well(api: TwilioApi) -> None:
    check = await sms_check(api.settings.model_copy(update={"public_url": "https://a.test"}))
    assert (check.level, check.found) == ("ok", f"Twilio answers; messages come from {OURS}")


async def test_nobody_wants_it() -> None:
    check = await sms_check(ChannelSettings())
    assert check.level == "ok" and check.found.startswith("off")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"twilio_account_sid": SID}, "PONDERD_TWILIO_AUTH_TOKEN not set"),
        ({"twilio_auth_token": SecretStr("t")}, "PONDERD_TWILIO_ACCOUNT_SID not set"),
        ({"twilio_from": OURS}, "PONDERD_TWILIO_ACCOUNT_SID and PONDERD_TWILIO_AUTH_TOKEN not"),
    ],
)
async def test_half_of_the_settings(given: dict[str, Any], missing: str) -> None:
    check = await sms_check(ChannelSettings(**given))
    assert check.level == "fail" and missing in check.found and check.advice


async def test_a_wrong_token(api: TwilioApi) -> None:
    wrong = api.settings.model_copy(update={"twilio_auth_token": SecretStr("old")})
    check = await sms_check(wrong)
    assert check.level == "fail" and "20003" in check.found


async def test_a_suspended_account(api: TwilioApi) -> None:
    api.status = "suspended"
    check = await sms_check(api.settings)
    assert (check.level, check.found) == ("fail", "the account is suspended")


async def test_what_else_is_needed(api: TwilioApi) -> None:
    check = await sms_check(api.settings.model_copy(update={"twilio_from": None}))
    assert check.level == "warn"
    assert "PONDERD_TWILIO_FROM" in check.found and "PONDERD_PUBLIC_URL" in check.found
