"""Destinations as operators write them."""

from __future__ import annotations

import time

import pytest

from ponderd.channels.destination import read_destination, write_destination
from ponderd.channels.errors import Malformed
from ponderd.channels.message import Address

ADDRESSES = {
    "slack:C0123": Address(channel="slack", to="C0123"),
    "slack:T1/C0123": Address(channel="slack", to="C0123", headers={"team": "T1"}),
    "slack:E1/G0123": Address(channel="slack", to="G0123", headers={"team": "E1"}),
    "slack:U0456": Address(channel="slack", to="U0456"),
    "email:ops@example.com": Address(channel="email", to="ops@example.com"),
    "email:ops+pager@münchen.example": Address(channel="email", to="ops+pager@münchen.example"),
    "sms:+15550100123": Address(channel="sms", to="+15550100123"),
    "https://hooks.example.com/a?b=c": Address(
        channel="webhook", to="https://hooks.example.com/a?b=c"
    ),
    "http://inside.example:8080/": Address(channel="webhook", to="http://inside.example:8080/"),
}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items())
def test_a_destination_is_read_and_written(text: str, address: Address) -> None:
    assert read_destination(text) == address
    assert write_destination(address) == text


def test_blanks_around_it_and_the_case_of_the_channel_do_not_matter() -> None:
    assert read_destination(" Slack:C0123 ") == Address(channel="slack", to="C0123")
    assert read_destination("Email:Ann@example.com").to == "Ann@example.com"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no destination"),
        ("C0123", "slack:C0123"),
        ("teams:x", "no destination"),
        ("slack:#ops", "the id of a channel"),
        ("slack:general", "the id of a channel"),
        ("slack:X1/C0123", "the id of a channel"),
        ("slack:", "the id of a channel"),
        ("email:ann", "no mail address"),
        ("email:ann@example.com,bob@example.com", "no mail address"),
        ("email:Ann <ann@example.com>", "no mail address"),
        ("email:ann@example.com\r\nBcc: x@evil.example", "printable"),
        ("email:ann@example..com", "no mail address"),
        ("sms:5550100", "telephone"),
        ("sms:+0123456789", "telephone"),
        ("https://", "http or https"),
        ("https://user:pw@hooks.example.com/", "user name or password"),
        ("https:hooks.example.com", "http or https"),
        ("https://hooks.example.com/" + "a" * 2_000, "at most"),
    ],
)
def test_what_is_none_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        read_destination(text)


def test_hostile_text_takes_no_time() -> None:
    began = time.process_time()
    for text in ("email:" + "a." * 990, "email:a@" + "a." * 120, "slack:" + "C" * 1_900):
        with pytest.raises(Malformed):
            read_destination(text)
    assert time.process_time() - began < 1
