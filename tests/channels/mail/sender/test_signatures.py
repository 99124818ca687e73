"""What DKIM signatures say of themselves, and the body that they cover."""

import hashlib
from typing import Any

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from ponderd.channels.mail.sender import signatures
from ponderd.channels.mail.sender.results import Field
from ponderd.channels.mail.sender.signatures import Signature, _body_hash, read_signature, verified
from tests.channels.mail.mails import mail
from tests.channels.mail.signing import Dns, dns, signed

ODD = [b"a", b"b", b" ", b"\t", b"  \t ", b"\r\n", b"\r\n\r\n", b" \r\n", b"\r\n ", b"\xe4", b"="]


@given(pieces=st.lists(st.sampled_from(ODD), max_size=30), chunk=st.integers(1, 7))
def test_a_body_is_hashed_as_the_standard_says(pieces: list[bytes], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "_CHUNK", chunk)
        for body in (b"".join(pieces) + b"\r\n", b""):
            simple = hashlib.sha256(Simple.canonicalize_body(body)).digest()
            relaxed = hashlib.sha256(Relaxed.canonicalize_body(body)).digest()
            assert _body_hash(body, relaxed=False) == simple
            assert _body_hash(body, relaxed=True) == relaxed


@pytest.mark.parametrize("form", [b"simple", b"relaxed"])
@pytest.mark.parametrize(
    "text", ["", "\n", "yes\n", "a  b \n\n\n", " \n \n", "\t\n", "x" * 200_000 + "\n"]
)
async def test_any_body_can_be_signed(text: str, form: bytes) -> None:
    content = signed(mail(text), canonicalize=(b"relaxed", form))
    assert len(check(content)) == 1
    assert check(content + b"more\r\n") == []


def check(content: bytes, lookup: Dns | None = None, **fields: Any) -> list[Signature]:
    head, _, body = content.partition(b"\r\n\r\n")
    pairs = [line.partition(b":") for line in head.replace(b"\r\n ", b" ").split(b"\r\n")]
    found = [Field(name.decode().lower(), value.decode()) for name, _, value in pairs]
    return verified(head, body, found, "team.test", lookup or dns())


def test_what_a_signature_says_is_read() -> None:
    assert read_signature(
        " v=1; a=rsa-sha256; d=Mail.Team.test;\r\n\ts=s1; t=1700000000;"
        "\r\n\th=From : TO:\r\n\t Subject; bh=abc=; b=de\r\n\t f="
    ) == Signature("mail.team.test", frozenset({"from", "to", "subject"}), 1700000000.0, True)


@pytest.mark.parametrize(
    ("value", "whole", "signed_at"),
    [
        ("d=team.test; h=from", True, None),
        ("d=team.test; h=to:subject", False, None),
        ("d=team.test; h=from; l=10", False, None),
        ("d=team.test; h=from; t=-1", True, None),
        ("d=team.test; h=from; t=1e9", True, None),
        ("d=team.test", False, None),
    ],
)
def test_not_every_one_covers_the_whole_mail(
    value: str, whole: bool, signed_at: float | None
) -> None:
    found = read_signature(value)
    assert found is not None
    assert (found.whole, found.signed_at) == (whole, signed_at)


@pytest.mark.parametrize(
    "value",
    ["d=a.test; d=b.test", "d=a.test; nonsense", "x" * 5_000, f"d=a.test;{' ' * 100}h=from"],
)
def test_one_that_is_doubtful_is_none(value: str) -> None:
    assert read_signature(value) is None


def test_the_work_for_strangers_is_bounded() -> None:
    server = dns()
    spoilt = signed(mail("yes\n")).replace(b" b=", b" b=BBBB", 1)
    signature = spoilt[: spoilt.index(b"From:")]
    assert check(signature * 20 + mail("yes\n"), server) == []
    keys = [name for name in server.asked if "_domainkey" in name]
    assert len(keys) == signatures.SIGNATURES
    many = b"X-A: b\r\n" * signatures.FIELDS
    assert check(signed(many + mail("yes\n"))) == []
