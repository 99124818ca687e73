from __future__ import annotations

import base64
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.errors import Malformed, Refused, TooLarge
from ponderd.channels.mail.wire.mime import DEPTH_LIMIT, MAIL_LIMIT, PART_LIMIT, Part, read_mime
from tests.services.cpu import in_linear_time

HELLO = "--b\nContent-Type: text/plain\n\nhello\n"


def leaves(part: Part) -> list[tuple[str, bytes]]:
    if not part.parts:
        return [(part.header.content_type, part.content)]
    return [leaf for child in part.parts for leaf in leaves(child)]


def read(*lines: str, kind: str = "multipart/mixed; boundary=b", **headers: str) -> Part:
    head = [f"Content-Type: {kind}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return read_mime("\n".join([*head, "", *lines]).encode())


def texts(*lines: str, **options: str) -> list[bytes]:
    return [content for _, content in leaves(read(*lines, **options))]


class TestMultiparts:
    def test_the_tree_is_that_of_the_mail(self) -> None:
        message = EmailMessage()
        message["Subject"] = "outer"
        message.set_content("plain ü")
        message.add_alternative("<p>html</p>", subtype="html")
        message.add_attachment(b"\x00\xff", maintype="image", subtype="png", filename="a.png")
        for policy in (email.policy.SMTP, email.policy.default):
            root = read_mime(message.as_bytes(policy=policy))
            assert root.header.content_type == "multipart/mixed"
            assert root.header.subject == "outer"
            alternative, image = root.parts
            assert alternative.header.content_type == "multipart/alternative"
            plain, html = alternative.parts
            assert plain.content.strip() == "plain ü".encode()
            assert html.content.strip() == b"<p>html</p>"
            assert (image.content, image.header.filename) == (b"\x00\xff", "a.png")

    def test_a_mail_without_parts_is_a_leaf(self) -> None:
        assert leaves(read_mime(b"Subject: x\r\n\r\nhello\r\n")) == [("text/plain", b"hello\r\n")]

    @pytest.mark.parametrize(
        "body",
        [
            "--b\n\nhello\n--b--\n",
            "--b\n\nhello\n--b--",
            "--b\n\nhello",  # cut off
            "--b\n\nhello\n--b\n",
            "--b \t\n\nhello\n--b-- \n",
            "--b\r\n\r\nhello\r\n--b--\r\n",
            "--b\r\n\nhello\n--b--\r\n",
            "This is a MIME mail.\n--b\n\nhello\n--b--\nan epilogue\n",
            "--b\n--b\n\nhello\n--b\n--b\n--b--\n",  # empty parts
            "--b\nhello\n--b--\n",  # neither header nor blank line
            "--b\nContent-Type: text/plain\nhello\n--b--\n",  # no blank line
            "\n\n--b\n\nhello\n\n--b--\n\n",
            "--b--\n--b\n\nhello\n--b--\n",
        ],
    )
    def test_parts_are_found_however_they_are_divided(self, body: str) -> None:
        assert [text.strip() for text in texts(body)] == [b"hello"]

    def test_the_line_end_before_a_boundary_is_not_the_parts(self) -> None:
        assert texts("--b\n\none\n\n--b\n\ntwo\n--b--\n") == [b"one\n", b"two"]
        assert texts("--b\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\n") == [b"one\r\n", b"two"]

    def test_lines_that_only_begin_like_the_boundary_are_text(self) -> None:
        assert texts("--b\n\none\n--bb\n--b-\n--b x\n --b\nx--b\n--b--\n") == [
            b"one\n--bb\n--b-\n--b x\n --b\nx--b"
        ]

    def test_a_boundary_may_begin_like_the_one_around_it(self) -> None:
        inner = "--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--bb--\n"
        assert texts(f"{inner}--b\n\ntwo\n--b--\n") == [b"one", b"two"]

    def test_a_boundary_may_be_that_of_the_multipart_around_it(self) -> None:
        inner = "--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b\n\ntwo\n"
        root = read(f"{inner}--b--\n--b\n\nthree\n--b--\n")
        assert [len(part.parts) for part in root.parts] == [2, 0]
        assert [text for _, text in leaves(root)] == [b"one", b"two", b"three"]

    def test_an_inner_multipart_ends_with_the_outer_part(self) -> None:
        inner = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n"
        assert texts(f"{inner}--b\n\ntwo\n--c\n--b--\n") == [b"one", b"two\n--c"]

    @pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/mixed; boundary=wrong"])
    @pytest.mark.parametrize(
        "body",
        [
            "--xyz\nContent-Type: text/plain\n\nhello\n--xyz--\n",
            "--xyz\nContent-Type: text/plain\n\nhello\n",
            "--xyz\n\nhello\n--xyz--\n",
            "----=_Part_1.2\n\nhello\n----=_Part_1.2--\n",
            "-- \nno boundary\n-----\n--xyz\nContent-Type: text/plain\n\nhello\n--xyz--\n",
        ],
    )
    def test_a_boundary_that_is_not_told_is_found(self, kind: str, body: str) -> None:
        assert [text.strip() for text in texts(body, kind=kind)] == [b"hello"]

    @pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/mixed; boundary=wrong"])
    def test_without_any_boundary_the_text_is_shown(self, kind: str) -> None:
        body = "Dear all,\n-----\nit is --done--.\n-- \nAnn\n"
        assert leaves(read(body, kind=kind)) == [("text/plain", body.encode())]

    def test_a_multipart_may_be_encoded_as_a_whole(self) -> None:
        body = base64.encodebytes(f"{HELLO}--b--\n".encode()).decode()
        assert texts(body, Content_Transfer_Encoding="base64") == [b"hello"]

    def test_a_multipart_that_only_says_it_is_encoded_is_read_as_it_is(self) -> None:
        assert texts(HELLO, "--b--", Content_Transfer_Encoding="base64") == [b"hello\n"]


class TestMailsInMails:
    def test_a_mail_inside_is_read_and_kept_whole(self) -> None:
        inner = "Subject: inner\n\nhello"
        [part] = read(f"--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n").parts
        assert part.content == inner.encode()
        [mail] = part.parts
        assert (mail.header.subject, mail.content) == ("inner", b"hello")

    @pytest.mark.parametrize("encoding", ["base64", "7bit", "quoted-printable"])
    def test_it_may_be_encoded(self, encoding: str) -> None:
        inner = b"Subject: inner\nContent-Type: text/plain; charset=utf-8\n\nx =3D y"
        body = base64.encodebytes(inner) if encoding == "base64" else inner
        head = f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n"
        [mail] = read_mime(head.encode() + body).parts
        assert (mail.header.subject, mail.content) == ("inner", b"x =3D y")

    def test_one_with_international_headers_is_a_mail_too(self) -> None:
        [mail] = read_mime("Content-Type: message/global\n\nSubject: ü\n\nx".encode()).parts
        assert mail.header.subject == "ü"

    def test_parts_of_a_digest_are_mails(self) -> None:
        body = "--b\n\nSubject: one\n\nhello\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n"
        first, second = read(body, kind="multipart/digest; boundary=b").parts
        assert first.parts[0].header.subject == "one"
        assert second.content == b"two"

    def test_one_that_lies_too_deep_is_a_file(self) -> None:
        part = read_mime(b"Content-Type: message/rfc822\n\n" * (MAIL_LIMIT + 3) + b"x")
        for _ in range(MAIL_LIMIT):
            [part] = part.parts
        assert part.parts == ()
        assert part.content.count(b"message/rfc822") == 2


class TestOldFiles:
    def test_a_uuencoded_file_in_the_text_is_a_file(self) -> None:
        root = read("see:", "begin 644 a b.txt", "%:&5L;&\\", "`", "end", "bye", kind="text/plain")
        before, file, after = root.parts
        assert (before.content, after.content) == (b"see:\n", b"bye")
        assert (file.content, file.header.filename) == (b"hello", "a b.txt")

    def test_text_that_only_begins_like_one_is_text(self) -> None:
        assert texts("begin 644 words", "of a person", "end", kind="text/plain") == [
            b"begin 644 words\nof a person\nend"
        ]


class TestLimits:
    def test_too_deep(self) -> None:
        def nested(depth: int) -> bytes:
            parts = (
                f"Content-Type: multipart/mixed; boundary=b{i}.\n\n--b{i}.\n" for i in range(depth)
            )
            return "".join(parts).encode() + b"\nhello"

        assert leaves(read_mime(nested(DEPTH_LIMIT))) == [("text/plain", b"hello")]
        with pytest.raises(Malformed, match=f"more than {DEPTH_LIMIT} deep"):
            read_mime(nested(DEPTH_LIMIT + 1))

    def test_too_many_parts(self) -> None:
        assert len(read("--b\n\nx\n" * (PART_LIMIT - 1)).parts) == PART_LIMIT - 1
        with pytest.raises(TooLarge, match=f"more than {PART_LIMIT} parts"):
            read("--b\n\nx\n" * PART_LIMIT)

    def test_too_many_boundaries(self) -> None:
        with pytest.raises(TooLarge, match="boundaries"):
            read("--b\n" * 100_000)

    def test_too_large_a_header(self) -> None:
        with pytest.raises(Malformed, match=r"header of a part .* 32 KiB"):
            read(f"--b\nContent-Type: text/plain; x={'y' * 40_000}\n\nx\n--b--")


BITS = [
    "--b\n", "--b--\n", "\n", "\r\n", "--", "b", " ", "--c\n", "--c--\n", "x", "=", "begin 644 a\n",
    "Content-Type: multipart/mixed; boundary=b\n", "Content-Type: multipart/alternative\n",
    "Content-Type: multipart/digest; boundary=c\n", "Content-Type: message/rfc822\n", "%:&5L;&\\\n",
    "Content-Transfer-Encoding: base64\n", "Content-Transfer-Encoding: quoted-printable\n", "end\n",
    "Subject: s\n", "aGVsbG8=\n", ": ", '"', ";",
]  # fmt: skip


@given(st.lists(st.sampled_from(BITS), max_size=60).map("".join))
@settings(deadline=None, max_examples=3_000)
def test_nothing_comes_out_but_parts_or_a_refusal(content: str) -> None:
    try:
        assert leaves(read_mime(content.encode()))
    except Refused as error:
        assert str(error)


@given(st.lists(st.text("abc -\n", max_size=40), min_size=1, max_size=6))
@settings(deadline=None)
def test_what_was_put_into_a_mail_comes_out(parts: list[str]) -> None:
    """No text of a part holds the boundary, as programs see to it."""
    body = "".join(f"--=_1\n\n{text}\n" for text in parts) + "--=_1--\n"
    read = read_mime(b"Content-Type: multipart/mixed; boundary==_1\n\n" + body.encode())
    assert [content for _, content in leaves(read)] == [text.encode() for text in parts]


def levels(count: int, name: str = "b{}.") -> str:
    names = [name.format(i) for i in range(count)]
    return "".join(f"Content-Type: multipart/mixed; boundary={n}\n\n--{n}\n" for n in names)


@pytest.mark.parametrize(
    "content",
    [
        levels(250) + "\n" * 500_000,
        levels(19) + "\n" * 10_000_000,
        levels(19) + "\n--" * 3_000_000,
        levels(19) + "\n--b1" * 2_000_000,
        "Content-Type: multipart/mixed\n\n" + "".join(f"--a{i}\n\n" for i in range(1_000_000)),
        "Content-Type: multipart/mixed\n\n--" + "-" * 10_000_000,
        "Content-Type: multipart/mixed; boundary=b\n\n" + "--b" + " " * 10_000_000 + "x",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + "a: b\n" * 2_000_000,
        "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\nContent-" * 1_000_000,
        "\n" + "begin 644 a\n" * 1_000_000,
        "\nbegin 644 a\n" + "MAAA\n" * 2_000_000,
        "Content-Type: message/rfc822\n\n" * 300_000,
    ],
    ids=range(12),
)
def test_nothing_takes_long_to_divide(content: str) -> None:
    with in_linear_time():
        try:
            read_mime(content.encode())
        except Refused:
            pass
