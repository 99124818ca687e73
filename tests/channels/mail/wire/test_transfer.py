from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.mail.wire.transfer import decoded
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("base64", b"R3LDvMOfZQ=="),
        (" Base64 ", b"R3LD\r\nvMOf\r\nZQ==\r\n"),
        ('"base-64"', b"R3LDvMOfZQ"),
        ("base64", b"R3LD*vMOfZQ=="),
        ("base64", b"R3LD vMOf ZQ=="),
        ("base64", b"R3LDvMM=\r\nn2U=\r\n"),
        ("base64", b"R3LDvMOfZQ==\r\n\r\n______________\r\nTeam\r\nThe list of the team\r\n"),
        ("base64", b"R3LDvMOfZQ\r\nThe list of the team\r\n"),
        ("base64", b"R3LDvMOfZQ==\r\n-- \r\nthe-list@team.test\r\n"),
        ("quoted-printable ", b"Gr=C3=BC=C3=9Fe"),
        ("Quoted_Printable", b"Gr=c3=bc=c3=9fe="),
        ("quoted-printable", b"Gr=C3=\r\n=BC= \t\r\n=C3=9Fe"),
        ("quoted-printable", "Grüße".encode()),
        ("x-uuencode", b"begin 644 a\n'1W+#O,.?90``\n`\nend\n"),
        ("uuencode", b"see\r\n\r\nbegin 644 a\r\n'1W+#O,.?90``!!!\r\n`\r\nend\r\nmore\r\n"),
        ("x-unknown", "Grüße".encode()),
        ("8bit", "Grüße".encode()),
        ("", "Grüße".encode()),
    ],
)
def test_an_encoding_is_undone_however_it_is_written(name: str, content: bytes) -> None:
    assert decoded(content, name).decode() == "Grüße"


@pytest.mark.parametrize("name", ["base64", "x-uuencode"])
def test_text_that_only_says_it_is_encoded_stays(name: str) -> None:
    text = b"Hello, this is plain.\r\nIt never was encoded.\r\n"
    assert decoded(text, name) == text


def test_what_is_no_escape_stays() -> None:
    assert decoded(b"a=b==c=ZZ =3D=3d ===", "quoted-printable") == b"a=b==c=ZZ == =="


def test_a_line_of_noise_costs_only_itself() -> None:
    good = base64.encodebytes(bytes(range(256)) * 20)
    lines = good.splitlines(keepends=True)
    noisy = b"".join([*lines[:10], b"some line of noise\n", *lines[10:]])
    assert len(decoded(noisy, "base64")) >= len(base64.b64decode(good))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_what_was_encoded_comes_back(data: bytes) -> None:
    assert decoded(base64.encodebytes(data), "base64") == data
    assert decoded(binascii.b2a_qp(data, istext=False), "quoted-printable") == data


@given(
    st.lists(st.sampled_from([b"A", b"=", b" ", b"\n", b"\r", b"*", b"_", b"begin 644 a\n", b"M`"]))
    .map(b"".join)
    .flatmap(lambda data: st.just(data) | st.binary(max_size=200)),
    st.sampled_from(["base64", "quoted-printable", "uuencode", "\ud800"]),
)
@settings(deadline=None, max_examples=1_000)
def test_nothing_is_too_odd_to_decode(data: bytes, name: str) -> None:
    assert isinstance(decoded(data, name), bytes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("base64", b"A=" * 5_000_000),
        ("base64", b"A\n" * 3_000_000 + b"a b\n" * 1_000_000),
        ("base64", (b"A" * 60 + b"\n__\n") * 200_000),
        ("quoted-printable", b"=" * 10_000_000),
        ("quoted-printable", b"= " * 5_000_000),
        ("quoted-printable", b"=" + b" " * 10_000_000),
        ("uuencode", b"begin 644 a\n" + b"M\n" * 3_000_000),
    ],
)
def test_nothing_takes_long_to_decode(name: str, content: bytes) -> None:
    with in_linear_time():
        decoded(content, name)
