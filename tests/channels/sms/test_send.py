"""Replies as text messages, to a local Twilio."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ponderd.channels.channel import still_ours
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.channels.sms.send import LOOKBACK, SmsChannel
from tests.services.twilio_api import OURS, THEIRS, TwilioApi

NOBODY_WROTE = Address(channel="sms", to=THEIRS)
HOUR = 3600.0


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with TwilioApi() as api:
        yield api


@pytest.fixture
async def channel(api: TwilioApi) -> AsyncIterator[SmsChannel]:
    channel = SmsChannel(api.settings)
    yield channel
    await channel.close()


def reply(text: str = "It is **4**.", to: Address = NOBODY_WROTE, **fields: Any) -> Reply:
    given = {"kind": "answer", "run_id": "run1", "agent": "assistant", "conversation": "c"}
    return Reply(key="run1:7", text=text, to=to, **given | fields)


def answer_to(sid: str) -> Address:
    return Address(channel="sms", to=THEIRS, thread=sid, headers={"from": "+15550199"})


async def test_a_reply_comes_from_our_number(api: TwilioApi, channel: SmsChannel) -> None:
    receipt = await channel.send(reply(), resend=False)
    [sent] = api.sent
    assert (sent["to"], sent["from"], sent["body"]) == (THEIRS, OURS, "It is 4.")
    assert receipt == sent["sid"] and api.calls == ["POST Messages.json"]


async def test_an_answer_comes_from_the_number_that_was_written_to(
    api: TwilioApi, channel: SmsChannel
) -> None:
    await channel.send(reply(to=answer_to("SM1")), resend=False)
    assert api.sent[0]["from"] == "+15550199"


async def test_a_messaging_service_sends(api: TwilioApi) -> None:
    channel = SmsChannel(api.settings.model_copy(update={"twilio_from": "MG01"}))
    await channel.send(reply(), resend=False)
    await channel.close()
    assert api.sent[0]["messagingservicesid"] == "MG01" and "from" not in api.sent[0]


async def test_a_long_answer_is_numbered(api: TwilioApi, channel: SmsChannel) -> None:
    receipt = await channel.send(reply("word " * 500), resend=False)
    assert [text[:6] for text in api.texts] == ["(1/2) ", "(2/2) "]
    assert receipt == api.sent[0]["sid"]


@pytest.mark.parametrize(
    "missing", [{"twilio_account_sid": None}, {"twilio_auth_token": None}, {"twilio_from": None}]
)
async def test_a_missing_setting_can_be_mended(api: TwilioApi, missing: dict[str, None]) -> None:
    channel = SmsChannel(api.settings.model_copy(update=missing))
    with pytest.raises(DeliveryError, match=next(iter(missing)).upper()) as error:
        await channel.send(reply(), resend=False)
    await channel.close()
    assert error.value.mendable and not error.value.permanent and api.calls == []


class TestResend:
    async def test_what_arrived_unseen_is_not_sent_again(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.lose_answers = 1
        with pytest.raises(DeliveryError, match="cannot be reached") as error:
            await channel.send(reply(), resend=False)
        assert not error.value.permanent and not error.value.mendable
        receipt = await channel.send(reply(), resend=True)
        assert api.texts == ["It is 4."] and receipt == api.sent[0]["sid"]

    async def test_only_the_missing_pieces_are_sent(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.lose_answers = 1
        for resend in (False, True):
            try:
                await channel.send(reply("word " * 500), resend=resend)
            except DeliveryError:
                assert not resend
        assert [text[:6] for text in api.texts] == ["(1/2) ", "(2/2) "]

    async def test_the_same_words_from_before_the_question_are_another_answer(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.keep(to=THEIRS, body="It is 4.")
        at = api.clock()
        api.clock = lambda: at + 60
        sid = api.keep("inbound", to=OURS, body="2+2?")
        api.clock = lambda: at + 65
        await channel.send(reply(to=answer_to(sid)), resend=True)
        await channel.send(reply(to=answer_to(sid)), resend=True)
        assert api.texts == ["It is 4.", "It is 4."]

    async def test_without_a_question_the_last_day_counts(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        at = api.clock()
        api.clock = lambda: at - LOOKBACK - HOUR
        api.keep(to=THEIRS, body="It is 4.")
        api.clock = lambda: at
        api.keep(to=THEIRS, body="Hello")
        await channel.send(reply(), resend=True)
        await channel.send(reply("Hello"), resend=True)
        assert api.texts == ["It is 4.", "Hello", "It is 4."]

    async def test_all_pages_are_read_at_our_own_address(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.keep(to=THEIRS, body="It is 4.")
        for number in range(2 * api.page):
            api.keep(to=THEIRS, body=f"other {number}")
        await channel.send(reply(), resend=True)
        assert api.texts.count("It is 4.") == 1
        assert api.calls == ["GET Messages.json"] * 3

    @pytest.mark.parametrize(
        "other",
        [{"status": "failed"}, {"status": "undelivered"}, {"direction": "inbound"},
         {"body": "It is 5."}, {"to": "+15558888"}],
    )  # fmt: skip
    async def test_what_is_not_it_is_not_taken_for_it(
        self, api: TwilioApi, channel: SmsChannel, other: dict[str, str]
    ) -> None:
        api.keep(**{"to": THEIRS, "body": "It is 4.", **other})
        await channel.send(reply(), resend=True)
        assert api.calls[-1] == "POST Messages.json"

    async def test_the_words_of_a_trial_account_do_not_count(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.keep(to=THEIRS, body="Sent from your Twilio trial account - It is 4.")
        await channel.send(reply(), resend=True)
        assert api.calls == ["GET Messages.json"]

    async def test_nothing_is_sent_if_the_search_fails(
        self, api: TwilioApi, channel: SmsChannel
    ) -> None:
        api.refusals = [(503, {}, {})]
        with pytest.raises(DeliveryError):
            await channel.send(reply(), resend=True)
        assert api.texts == []


async def test_nothing_is_sent_that_another_worker_may_send(
    api: TwilioApi, channel: SmsChannel
) -> None:
    class LostError(Exception):
        pass

    def lost() -> None:
        raise LostError

    token = still_ours.set(lost)
    try:
        with pytest.raises(LostError):
            await channel.send(reply(), resend=False)
    finally:
        still_ours.reset(token)
    assert api.texts == []
