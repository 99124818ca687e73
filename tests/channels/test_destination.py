"""Destinations as operators write them."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from ponderd.channels.destination import (
    allowed,
    read_destination,
    split_callback,
    write_destination,
)
from ponderd.channels.errors import Malformed
from ponderd.channels.message import Address
from ponderd.channels.settings import ChannelSettings

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
        ("https://hooks example.com/", "is no host"),
        ("https://hooks.example.com,other.example/", "is no host"),
        ("https://hooks%20example.com/", "is no host"),
        ("https://{{host}}/", "is no host"),
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


RULES = (
    "slack:C1",
    "slack:T2/C2",
    "email:ops@example.com",
    "email:@Example.org",
    "sms:+15550100123",
)


@pytest.mark.parametrize(
    ("to", "may"),
    [
        ("slack:C1", True),
        ("slack:T1/C1", True),
        ("slack:T2/C2", True),
        ("slack:C2", False),
        ("slack:T1/C2", False),
        ("slack:C11", False),
        ("email:Ops@Example.com", True),
        ("email:ann@example.com", False),
        ("email:ann@example.org", True),
        ("email:ann@mail.example.org", False),
        ("email:ann@notexample.org", False),
        ("sms:+15550100123", True),
        ("sms:+15550100124", False),
        ("https://hooks.example.com/", False),
    ],
)
def test_a_rule_lets_write_there_and_nowhere_else(to: str, may: bool) -> None:
    assert allowed(read_destination(to), RULES) is may


@pytest.mark.parametrize(
    ("rule", "url", "may"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/any?x=1", True),
        ("https://hooks.example.com", "https://HOOKS.example.com:443/any", True),
        ("https://hooks.example.com", "http://hooks.example.com/any", False),
        ("https://hooks.example.com", "https://hooks.example.com:8443/any", False),
        ("https://hooks.example.com", "https://hooks.example.com.evil.example/", False),
        ("https://hooks.example.com/in", "https://hooks.example.com/in", True),
        ("https://hooks.example.com/in", "https://hooks.example.com/in/a", True),
        ("https://hooks.example.com/in/", "https://hooks.example.com/in/a", True),
        ("https://hooks.example.com/in", "https://hooks.example.com/inside", False),
        ("https://hooks.example.com/in", "https://hooks.example.com/in/../out", False),
        ("https://hooks.example.com/in", "https://hooks.example.com/in/%2e%2e/out", False),
        ("https://hooks.example.com/in", "https://hooks.example.com/in/..%2fout", False),
        ("https://hooks.example.com/in", "https://hooks.example.com/in/..%5cout", False),
        ("https://hooks.example.com/a?k=1", "https://hooks.example.com/a?k=1", True),
        ("https://hooks.example.com/a?k=1", "https://hooks.example.com/a?k=2", False),
    ],
)
def test_an_url_lets_write_below_its_path(rule: str, url: str, may: bool) -> None:
    assert allowed(read_destination(url), [rule]) is may


def test_what_is_no_url_is_below_none() -> None:
    assert not allowed(Address(channel="webhook", to="http://["), ["https://hooks.example.com"])


def test_a_list_of_them_is_checked_when_it_is_set() -> None:
    assert ChannelSettings(notify_allow=["slack:C1", "email:@example.com"]).notify_allow
    with pytest.raises(ValidationError, match="no destination"):
        ChannelSettings(notify_allow=["ops"])


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://größe.example/", "xn--gre-6ka8i.example"),
        ("http://my_service:8080/x y", "my_service"),
        ("http://[::1]:9/", "::1"),
        ("http://[fe80::1%25eth0]/", "fe80::1%25eth0"),
    ],
)
def test_hosts_of_every_form_are_taken(url: str, host: str) -> None:
    assert split_callback(url)[0] == host
