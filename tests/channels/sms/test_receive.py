"""Forms of Twilio: which are messages, and what they say."""

from typing import Any

import pytest

from ponderd.channels.message import Address, Ignored, Trigger, principal
from ponderd.channels.sms.receive import Sms, as_sms, read_sms
from tests.services.twilio_api import OURS, THEIRS, form


def sms(body: str = "What is 2+2?", **more: str) -> Sms:
    found = read_sms(form(body, **more))
    assert isinstance(found, Sms), found
    return found


def trigger(text: str, **fields: Any) -> Trigger:
    return Trigger(
        channel="webhook", conversation="x", source="sms", text=text, sender="webhook:sms", **fields
    )


def test_a_message() -> None:
    found = sms()
    assert (found.sid, found.ours, found.theirs) == ("SM1", OURS, THEIRS)
    assert found.text == found.own == "What is 2+2?"


def test_files_are_named_in_the_text() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME"
    files = {"NumMedia": "2", "MediaUrl0": f"{url}0", "MediaContentType0": "image/jpeg",
             "MediaUrl1": f"{url}1"}  # fmt: skip
    found = sms("see", **files)
    assert found.text == f"see\n[file 1, image/jpeg: {url}0]\n[file 2, unknown type: {url}1]"
    assert found.own == "see"
    assert sms("", **files).text.startswith("[file 1, image/jpeg")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (form("STOP"), "opt_out"),
        (form(" Stop\n"), "opt_out"),
        (form("UNSUBSCRIBE"), "opt_out"),
        (form("help"), "opt_out"),
        (form("START"), "opt_out"),
        (form("arrêt", OptOutType="STOP"), "opt_out"),
        (form("hi", SmsStatus="delivered"), "status"),
        (form("", MessageStatus="sent", SmsStatus="sent"), "status"),
        ({"CallSid": "CA1", "From": THEIRS, "To": OURS}, "no_message"),
        (form("hi", From=""), "no_message"),
        (form("hi", MessageSid="a b", SmsSid=""), "no_message"),
        ({**form("hi"), "From": [THEIRS, "+1"]}, "no_message"),
        (form(" \n"), "empty"),
        ([1], "no_message"),
        ("text", "no_message"),
    ],
)
def test_what_starts_nothing(fields: object, reason: str) -> None:
    assert read_sms(fields) == Ignored(reason=reason)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("yes", {}),
        ("YES", {"OptOutType": "START"}),
        ("no", {}),
        ("cancel", {}),
        ("please stop the deployment", {}),
        ("stop", {"From": "whatsapp:+15557777"}),
    ],
)
def test_what_is_for_the_agent(body: str, more: dict[str, str]) -> None:
    assert sms(body, **more).text == body


def test_a_trigger_is_the_persons() -> None:
    found = as_sms(trigger("What is 2+2?"), sms(), conversation=False, text=False)
    assert principal(found.channel, found.sender) == f"sms:{THEIRS}"
    assert found.authentic and found.keys == ("sms:SM1",)
    assert found.conversation == f"{OURS} {THEIRS}" and found.own is None
    assert found.reply_to == Address(channel="sms", to=THEIRS, thread="SM1", headers={"from": OURS})


def test_what_a_route_says_stays() -> None:
    away = Address(channel="slack", to="C1")
    given = trigger("From a driver: 2+2?", reply_to=away, name="Ann")
    found = as_sms(given, sms(), conversation=True, text=True)
    assert (found.conversation, found.reply_to, found.name) == ("x", away, "Ann")
    assert found.own == "What is 2+2?" and found.text == given.text


@pytest.mark.parametrize("number", ["12345", "whatsapp:+15557777", "+4930123456"])
def test_who_can_be_answered(number: str) -> None:
    found = as_sms(trigger("hi"), sms("hi", From=number), conversation=False, text=False)
    assert found.reply_to and found.reply_to.to == number and found.authentic


def test_a_name_cannot_be_answered_and_proves_nothing() -> None:
    found = as_sms(trigger("hi"), sms("hi", From="AMAZON"), conversation=False, text=False)
    assert found.reply_to is None and not found.authentic
