import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.mail.wire.addresses import read_address
from ponderd.channels.mail.wire.envelope import may_carry, person_of

REWRITTEN = [
    "SRS0=ab12=XY=team.test=ann@forwarder.test",
    "srs0+ab12=XY=team.test=ann@forwarder.test",
    "SRS0-ab12=XY=team.test=ann@forwarder.test",
    "SRS1=cd34=forwarder.test==ab12=XY=team.test=ann@second.test",
    "bob+SRS=44ldt=IX=team.test=ann@forwarder.test",
    "prvs=1234abcdef=ann@team.test",
    "prvs=ann/1234abcdef@team.test",
    "btv1==1234567890a==ann@team.test",
    "bounces+ann=team.test@service.test",
    "bounces-17-ann=team.test@service.test",
    "ann+caf_=assistant=agents.test@team.test",
    "<ann@team.test>",
    "Ann@Team.Test",
]


@pytest.mark.parametrize("mail_from", REWRITTEN)
def test_the_person_is_known_through_every_usual_rewriting(mail_from: str) -> None:
    assert person_of(mail_from) == "ann@team.test"
    assert may_carry(mail_from, "ann@team.test", ("ann@team.test",))


@pytest.mark.parametrize("mail_from", ["", "<>", "nobody", "a@b@c"])
def test_nobody_stands_behind_none(mail_from: str) -> None:
    assert person_of(mail_from) == ""


def test_an_id_with_equals_signs_is_no_person() -> None:
    assert person_of("a=b=c@service.test") == "a=b=c@service.test"


@pytest.mark.parametrize(
    "mail_from",
    [
        "dev-bounces@lists.test",
        "owner-dev@lists.test",
        "dev-bounces+assistant=agents.test@lists.test",
        "bounce_4711@crm.test",
        "0102018f5c2a7b3c-1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809-000000@mail.service.test",
        "bounces+SRS=44ldt=IX@forwarder.test",
        "assistant-of-ann@team.test",
        "ann+sent@elsewhere.test",
    ],
)
def test_what_lists_and_services_write_may_carry_a_mail(mail_from: str) -> None:
    allow = ("ann@team.test", "assistant-of-ann@team.test", "ann@elsewhere.test")
    assert may_carry(mail_from, "ann@team.test", allow)


@pytest.mark.parametrize("mail_from", ["eve@evil.test", "ann@sub.team.test", "ann@team.test.evil"])
def test_the_plain_address_of_a_stranger_may_not(mail_from: str) -> None:
    assert not may_carry(mail_from, "ann@team.test", ("@team.test",))


@settings(max_examples=1_000, deadline=None, database=None)
@given(
    st.lists(
        st.sampled_from(
            ["SRS0=", "prvs=", "+caf_=", "=", "a", "b.test", "@", "+", "/", "ü", "\x00"]
        ),
        max_size=12,
    ).map("".join)
)
def test_whatever_arrives_is_an_address_or_nobody(mail_from: str) -> None:
    person = person_of(mail_from)
    assert person == "" or read_address(person) == person
    assert may_carry(mail_from, "ann@team.test", ()) in (True, False)
