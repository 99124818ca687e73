"""What Twilio's answers mean."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from ponderd.channels.errors import DeliveryError
from ponderd.channels.sms.twilio import Twilio, twilio_error
from tests.services.twilio_api import OURS, THEIRS, TwilioApi

FIELDS = {"To": THEIRS, "From": OURS, "Body": "hi"}


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with TwilioApi() as api:
        yield api


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (401, {"code": 20003}, "mendable"),
        (401, {}, "mendable"),
        (403, {"code": 20403}, "mendable"),
        (404, {"code": 20404}, "mendable"),
        (404, {}, "mendable"),
        (302, {}, "mendable"),
        (400, {"code": 21211}, "permanent"),
        (400, {"code": 21610}, "permanent"),
        (400, {"code": 21614}, "permanent"),
        (400, {"code": 21617}, "permanent"),
        (400, {"code": 21408}, "mendable"),
        (400, {"code": 21606}, "mendable"),
        (400, {"code": 21608}, "mendable"),
        (400, {"code": 99999}, "mendable"),
        (400, {"code": "21211"}, "mendable"),
        (429, {"code": 20429}, "passes"),
        (429, {}, "passes"),
        (400, {"code": 21611}, "passes"),
        (500, {"code": 20500}, "passes"),
        (503, {}, "passes"),
        (503, {"code": 21211}, "passes"),
    ],
)
def test_kinds_of_errors(status: int, said: dict[str, Any], kind: str) -> None:
    error = twilio_error(status, said)
    assert (error.permanent, error.mendable) == (kind == "permanent", kind == "mendable")


def test_an_error_says_what_to_do_and_how_long_to_wait() -> None:
    said = {"code": 21610, "message": "Attempt to send to unsubscribed recipient\n"}
    assert str(twilio_error(400, said)) == (
        "Twilio: 21610 Attempt to send to unsubscribed recipient (they wrote STOP; they can write "
        "START)"
    )
    assert str(twilio_error(502, {})) == "Twilio: HTTP 502"
    assert twilio_error(429, {}, "7").retry_after == 7.0
    assert twilio_error(429, {}, "soon").retry_after is None


async def test_a_wrong_token_is_told_by_its_setting(api: TwilioApi) -> None:
    wrong = api.settings.model_copy(update={"twilio_auth_token": SecretStr("old")})
    twilio = Twilio(wrong)
    with pytest.raises(DeliveryError, match="PONDERD_TWILIO_AUTH_TOKEN") as error:
        await twilio.create(FIELDS)
    await twilio.close()
    assert error.value.mendable


async def test_an_answer_that_is_no_json_is_an_answer(api: TwilioApi) -> None:
    api.refusals = [(201, [], {})]  # type: ignore[list-item]
    twilio = Twilio(api.settings)
    assert await twilio.create(FIELDS) == ""
    await twilio.close()


async def test_a_message_that_is_gone(api: TwilioApi) -> None:
    twilio = Twilio(api.settings)
    assert await twilio.fetch("SM-gone/../..") is None
    await twilio.close()


async def test_twilio_that_is_away() -> None:
    twilio = Twilio(TwilioApi().settings)
    with pytest.raises(DeliveryError, match="cannot be reached") as error:
        await twilio.create(FIELDS)
    await twilio.close()
    assert not error.value.mendable and not error.value.permanent
