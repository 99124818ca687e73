import base64
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.errors import Malformed
from ponderd.channels.mail.wire.header import (
    HEADER_LIMIT,
    NAME_LIMIT,
    SUBJECT_LIMIT,
    Header,
    read_header,
    split,
)
from ponderd.channels.text import clean
from tests.services.cpu import in_linear_time


def header(*fields: str | bytes) -> Header:
    return read_header(
        b"\r\n".join(one if isinstance(one, bytes) else one.encode() for one in fields)
    )


class TestSplit:
    @pytest.mark.parametrize(
        ("content", "head", "body"),
        [
            (b"A: b\r\nC: d\r\n\r\nbody\r\n\r\n", b"A: b\r\nC: d\r\n", b"body\r\n\r\n"),
            (b"A: b\nC: d\n\nbody", b"A: b\nC: d\n", b"body"),
            (b"A: b\r\nC: d\n\r\nbody", b"A: b\r\nC: d\n", b"body"),
            (b"A: b\r\n c\r\n\td\r\n\r\nbody", b"A: b\r\n c\r\n\td\r\n", b"body"),
            (b"\r\nbody", b"", b"body"),
            (b"A: b", b"A: b", b""),
            (b"", b"", b""),
            # Stray lines among the headers: of a mailbox file, or of a fold that lost its blank.
            (b"From ann@x Tue\nA: b\nTo: c\n\nbody", b"From ann@x Tue\nA: b\nTo: c\n", b"body"),
            (b"A: b\nstray\nTo: c\n\nbody", b"A: b\nstray\nTo: c\n", b"body"),
            (b">From x\nstray\nX-A: b\n\nbody", b">From x\nstray\nX-A: b\n", b"body"),
            # The empty line is missing.
            (b"A: b\nHello Ann,\nNote: x\n\nmore", b"A: b\n", b"Hello Ann,\nNote: x\n\nmore"),
            (b"Hello\nthere", b"", b"Hello\nthere"),
            (b" indented\n\nx", b"", b" indented\n\nx"),
            (b"\xef\xbb\xbfA: b\n\nbody", b"A: b\n", b"body"),
        ],
    )  # fmt: skip
    def test_parts_header_and_body(self, content: bytes, head: bytes, body: bytes) -> None:
        assert split(content) == (head, body)

    def test_a_stray_line_is_no_field(self) -> None:
        head, _ = split(b"From ann@x Tue 10:00:00\n folded\nSubject: a\nstray\nTo: b\n\nx")
        assert read_header(head).fields == (("subject", "a"), ("to", "b"))

    def test_a_header_without_end_is_given_up(self) -> None:
        content = b"A: b\n" * 1_000_000
        head, body = split(content)
        assert head + body == content
        with pytest.raises(Malformed, match="larger than 128 KiB"):
            read_header(head)
        assert len(head) < HEADER_LIMIT + 10


class TestText:
    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            ("plain", "plain"),
            ("Grüße", "Grüße"),
            (b"Gr\xfc\xdfe aus K\xf6ln", "Grüße aus Köln"),
            ("Привет, как дела".encode("koi8-r"), "Привет, как дела"),
            ("见附件，谢谢".encode("gbk"), "见附件，谢谢"),
            (b"\x1b$B8+@Q\x1b(B", "見積"),
            ("folded\r\n to\r\n\there", "folded to here"),
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?UTF-8?Q?Gr=c3=bc=c3=9fe?=", "Grüße"),
            ("=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
            ("=?utf-8?Q?Gr=C3?=\r\n =?utf-8?B?vMOfZQ==?=", "Grüße"),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?= c =?utf-8?Q?d?=", "ab c d"),
            ("a=?utf-8?Q?b?=c", "abc"),
            ('"=?utf-8?Q?b?="', '"b"'),
            ("=?utf-8?Q?with raw blanks?=", "with raw blanks"),
            ("=?utf-8?Q?Are_you_there??=", "Are you there?"),
            ("=?utf-8?Q?100%_=3D_all?=", "100% = all"),
            ("=?utf-8?Q?a=ZZb=?=", "a=ZZb="),
            ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
            ("=?utf-8?B?R3LD\r\n vMOfZQ==?=", "Grüße"),
            ("=?utf-8?B?R3LDvA==w59l?=", "Grüße"),
            ("=?utf-8?B?R3LDv?= =?utf-8?B?MOfZQ==?=", "Grüße"),
            ("=?utf-8?B?R3LDvMOfZ", "Grüß"),
            ("=?utf-8?Q?Gr=C3=BC=C3", "Grü\ufffd"),
            ("=?utf-8?Q?Gr=?utf-8?Q?=C3=BC?=", "Grü"),
            ("=?gb2312?B?wO6GtLXEsai82w==?=", "李喆的报价"),
            ("=?big5?B?p0Gmbg==?=", "你好"),
            ("=?iso-2022-jp?B?GyRCLSEbKEIgGyRCOCtAURsoQg==?=", "① 見積"),
            ("=?iso-8859-1?q?5_=80_=96_don=92t?=", "5 € – don’t"),
            ("=?nonsense?q?gr=FCn?=", "grün"),
            ("=?unknown-8bit?q?gr=C3=BCn?=", "grün"),
            ("=?us-ascii?q?x?= =?iso-8859-1?q?=FC?=", "xü"),
            ("=?utf-8?x?foo?=", "=?utf-8?x?foo?="),
            ("=?utf-8?q?a=0D=0ABcc=3A_b=00=1B?=", "a Bcc: b"),
            ("=?utf-7?q?+2AA-?=", "\ufffd"),
            ("", ""),
        ],
    )  # fmt: skip
    def test_reads_as_it_was_typed(self, raw: str | bytes, text: str) -> None:
        value = raw if isinstance(raw, bytes) else raw.encode()
        assert header(b"Subject: " + value).subject == text

    def test_every_split_of_a_word_gives_the_whole(self) -> None:
        text = "見積書のご送付について"
        encoded = base64.b64encode(text.encode()).decode()
        for place in range(len(encoded)):
            words = f"=?utf-8?B?{encoded[:place]}?=\r\n =?utf-8?B?{encoded[place:]}?="
            assert header(f"Subject: {words}").subject == text

    def test_raw_bytes_are_in_the_charset_of_the_text(self) -> None:
        content_type = "Content-Type: text/plain; charset=windows-1250"
        subject = b"Subject: " + "Poznámka č. 5".encode("cp1250")
        assert header(subject, content_type).subject == "Poznámka č. 5"

    def test_fields_are_found_in_any_case_and_with_blanks(self) -> None:
        fields = header("SUBJECT : a", "X-A:", "x-a: 2", "subject: b", "nothing")
        assert fields.subject == "a"
        assert fields.all("X-a") == ("", "2")
        assert fields.has("x-a")
        assert not fields.has("nothing")
        assert fields.raw("none") == fields.text("none") == ""

    def test_raw_controls_leave_a_sign(self) -> None:
        fields = header(b"From: ann@te\x00am.test", b"Subject: a\x1b[2Jb\rc")
        assert fields.raw("from") == "ann@te\ufffdam.test"
        assert fields.subject == "a\ufffd[2Jb c"

    def test_a_subject_has_a_limit(self) -> None:
        assert len(header("Subject: " + "x" * 5_000).subject) == SUBJECT_LIMIT

    def test_it_can_be_sent_to_another_process(self) -> None:
        fields = header("Subject: a")
        assert fields.subject == "a"
        assert pickle.loads(pickle.dumps(fields)) == fields


class TestPeople:
    def test_are_read_from_every_field_of_the_name(self) -> None:
        fields = header(
            "To: Ann <a@x.test>, b@x.test", "TO: c@x.test", "Cc: =?utf-8?q?=C3=84?= <d@x>"
        )
        assert [one.address for one in fields.to] == ["a@x.test", "b@x.test", "c@x.test"]
        assert [(one.name, one.address) for one in fields.cc] == [("Ä", "d@x")]
        assert fields.reply_to == ()

    def test_an_address_may_be_raw_utf_8(self) -> None:
        assert header("From: Jürgen <jürgen@team.test>").sender.address == "jürgen@team.test"

    def test_without_one_sender_the_reason_is_told(self) -> None:
        with pytest.raises(Malformed, match="there is no From header"):
            _ = header("Subject: a").sender
        with pytest.raises(Malformed, match="the From header names two addresses"):
            _ = header("From: a@x.test, b@x.test").sender


class TestIds:
    @pytest.mark.parametrize(
        ("value", "own"),
        [
            ("<4711.abc@team.test>", "<4711.abc@team.test>"),
            ("4711.abc@team.test", "<4711.abc@team.test>"),
            ("<4711.abc@team.test", "<4711.abc@team.test>"),
            ("4711.abc@team.test>", "<4711.abc@team.test>"),
            ("<<4711@team.test>>", "<4711@team.test>"),
            ('"<4711@team.test>"', "<4711@team.test>"),
            ("<4711\r\n @team.test>", "<4711@team.test>"),
            ("< 4711@team.test >", "<4711@team.test>"),
            ("<4711@team.test> (added by the server)", "<4711@team.test>"),
            ("(x) 4711@team.test", "<4711@team.test>"),
            ("<a(b)c@team.test>", "<a(b)c@team.test>"),
            ("<4711@[192.0.2.1]>", "<4711@[192.0.2.1]>"),
            ("<no-host>", "<no-host>"),
            ("&lt;4711@team.test&gt;", "<4711@team.test>"),
            ("<1@a.test> <2@a.test>", "<1@a.test>"),
            ("", None),
            ("<>", None),
            ("<undefined>", None),
            ("<null@team.test>", None),
            ("4711", None),
            ("see 4711@team.test", None),
            ("<ann@team.test>", None),  # the sender's address is no id
            ("ann@team.test", None),
            ("<" + "x" * 2_000 + "@a.test>", None),
            ("<a\x00b@team.test>", None),
        ],
    )
    def test_of_the_mail(self, value: str, own: str | None) -> None:
        assert header("From: Ann <ann@team.test>", f"Message-Id: {value}").own_id == own

    @pytest.mark.parametrize(
        ("value", "ids"),
        [
            ("<1@a.test> <2@a.test>", ("<1@a.test>", "<2@a.test>")),
            ("1@a.test 2@a.test, 3@a.test", ("<1@a.test>", "<2@a.test>", "<3@a.test>")),
            ("Message from Ann of Tue <1@a.test>", ("<1@a.test>",)),
            ('Message from Ann <ann@team.test> of "Tue, 5 May" <1@a.test>', ("<1@a.test>",)),
            ('Message from Bob <bob@b.test> of "Tue, 5 May" <1@a.test>', ("<1@a.test>",)),
            ("Your message <1@a.test> to Ann <ann@team.test>", ("<1@a.test>",)),
            ('Your message of "Tue, 05 May 2026 10:00:00 +0200." <1@a.test>', ("<1@a.test>",)),
            ("<1@a.test> (Ann's message of Monday <x@y.test>)", ("<1@a.test>",)),
            ('"Your message of Monday" ann@team.test', ()),
            ('"Your message of Monday" bob@b.test', ()),
            ("Your message to bob@b.test", ()),
            ("ann@team.test", ()),
            ("assistant@agents.test", ()),
            ("Re: <ann@team.test>", ()),
        ],
    )
    def test_of_what_it_answers(self, value: str, ids: tuple[str, ...]) -> None:
        mail = ("From: ann@team.test", "To: assistant@agents.test", f"In-Reply-To: {value}")
        assert header(*mail).ancestors == ids

    def test_of_its_thread_come_oldest_first_and_once(self) -> None:
        fields = header(
            "In-Reply-To: <3@a.test>",
            "References: <1@a.test>\r\n <2@a.test>",
            "References: <3@a.test> <4@a.test>",
            "Message-ID: <4@a.test>",
        )
        assert fields.ancestors == ("<1@a.test>", "<2@a.test>", "<3@a.test>")


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("Tue, 5 May 2026 10:20:00 +0200", datetime(2026, 5, 5, 8, 20, tzinfo=UTC)),
        ("5 May 2026 10:20 GMT (summer)", datetime(2026, 5, 5, 10, 20, tzinfo=UTC)),
        ("Tue, 5 May 2026 10:20:00 -0000", datetime(2026, 5, 5, 10, 20, tzinfo=UTC)),
        ("2026-05-05T10:20:00+02:00", datetime(2026, 5, 5, 8, 20, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Tue, 99 May 2026 10:20:00 +0200", None),
        ("Tue, 5 May 9999999999 10:20:00 +9999999999", None),
    ],
)
def test_the_date(value: str, date: datetime | None) -> None:
    assert header(f"Date: {value}").date == date


class TestMime:
    @pytest.mark.parametrize(
        ("value", "kind", "params"),
        [
            ("text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
            ("", "text/plain", {}),
            ("text", "text/plain", {}),
            ("html", "text/html", {}),
            ("image", "application/octet-stream", {}),
            ("text/plain;;", "text/plain", {}),
            ("Text / HTML ; Charset = utf-8 ;", "text/html", {"charset": "utf-8"}),
            ("text/html charset=utf-8 format=flowed", "text/html",
             {"charset": "utf-8", "format": "flowed"}),
            ('"text/html"; charset="utf-8', "text/html", {"charset": "utf-8"}),
            ('text/plain; charset="utf-8; name="a.txt"', "text/plain",
             {"charset": "utf-8", "name": "a.txt"}),
            ('text/plain; charset="utf-8" format=flowed', "text/plain",
             {"charset": "utf-8", "format": "flowed"}),
            ("text/plain; charset=a; charset=b", "text/plain", {"charset": "a"}),
            ("charset=utf-8", "text/plain", {"charset": "utf-8"}),
            ("text/plain (a comment); charset=utf-8", "text/plain", {"charset": "utf-8"}),
            ('multipart/mixed; boundary="a  =?b"', "multipart/mixed", {"boundary": "a  =?b"}),
            ("multipart", "multipart/mixed", {}),
            ('a/b; x="c;d"; y="e\\"f"', "a/b", {"x": "c;d", "y": 'e"f'}),
            ("a/b; x=c d.txt; y=e", "a/b", {"x": "c d.txt", "y": "e"}),
            ("a/b\r\n\t; x=c", "a/b", {"x": "c"}),
        ],
    )  # fmt: skip
    def test_the_content_type(self, value: str, kind: str, params: dict[str, str]) -> None:
        fields = header(f"Content-Type: {value}")
        assert (fields.content_type, fields.params) == (kind, params)

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ("attachment; filename=a.pdf", "a.pdf"),
            ('attachment; filename="a b.pdf"', "a b.pdf"),
            ("attachment; filename=a b.pdf; size=5", "a b.pdf"),
            ('attachment; filename="a "b" c.pdf"', 'a "b" c.pdf'),
            ('attachment filename="a;b.pdf"', "a;b.pdf"),
            ('attachment; filename="grün.pdf', "grün.pdf"),
            (b'attachment; filename="gr\xfcn.pdf"', "grün.pdf"),
            ('attachment; filename="=?utf-8?B?6KaL56mNLnBkZg==?="', "見積.pdf"),
            ("attachment; filename==?utf-8?B?6KaL56mNLnBkZg==?=", "見積.pdf"),
            ('attachment; filename="=?utf-8?Q?gr=C3?=\r\n =?utf-8?Q?=BCn.pdf?="', "grün.pdf"),
            ("attachment; filename*=utf-8'de'gr%C3%BCn.pdf", "grün.pdf"),
            ("attachment; filename=x; filename*=utf-8''gr%C3%BCn.pdf", "grün.pdf"),
            ("attachment; filename*=gr%C3%BCn.pdf", "grün.pdf"),
            ("attachment; filename*1*=%86%B4;\r\n filename*0*=gb2312''%C0%EE; filename*2=.pdf",
             "李喆.pdf"),
            ("attachment; filename*0=\"a b\"; filename*1=\"c.pdf\"", "a bc.pdf"),
            ('a; filename*0="=?utf-8?Q?gr=C3?=";filename*1=" =?utf-8?Q?=BCn?="', "grün"),
            ('attachment; filename="C:\\temp\\new.pdf"', "new.pdf"),
            ('attachment; filename="../../etc/passwd"', "passwd"),
            ("attachment; filename*=utf-8''a%2Fb%00%0D%0Ac.pdf", "b c.pdf"),
            ('attachment; filename="a\u202efdp.exe"', "afdp.exe"),
            ('attachment; filename=".."', "of the type"),
            ("inline", "of the type"),
        ],
    )  # fmt: skip
    def test_a_file_name(self, disposition: str | bytes, name: str) -> None:
        value = disposition if isinstance(disposition, bytes) else disposition.encode()
        fields = header(b"Content-Disposition: " + value, 'Content-Type: a/b; name="of the type"')
        assert fields.filename == name
        assert fields.disposition in ("inline", "attachment", "a")

    def test_a_long_file_name_keeps_its_ending(self) -> None:
        name = header(f"Content-Disposition: attachment; filename={'x' * 900}.pdf").filename
        assert name == "x" * (NAME_LIMIT - 4) + ".pdf"

    @pytest.mark.parametrize(
        ("value", "encoding"),
        [
            ("quoted-printable ", "quoted-printable"),
            ("Quoted Printable", "quoted-printable"),
            ("8 bit", "8bit"),
            ("8BIT (said the server)", "8bit"),
            ("(x) base64", "base64"),
            ('"base64";', "base64"),
            ("x-uue", "x-uuencode"),
            ("binary", "binary"),
            ("", "7bit"),
        ],
    )
    def test_the_encoding(self, value: str, encoding: str) -> None:
        assert header(f"Content-Transfer-Encoding: {value}").encoding == encoding


NAMES = ["From", "To", "Subject", "Message-ID", "References", "In-Reply-To", "Date", "Content-Type",
         "Content-Disposition", "Content-Transfer-Encoding"]  # fmt: skip
BITS = st.sampled_from(
    [b'"', b";", b"<", b">", b"(", b")", b"=", b"@", b",", b":", b"\\", b"*0*=", b"''", b"%FF",
     b"\r\n ", b"a@b.test", b"=?utf-8?q?", b"=?x?B?", b"?=", b"=00", b"\xff", b"\xc3\xbc",
     b"\x1b$B", b"\x00", b"name", b"filename", b"text/plain", b" ", b"\xe2\x80\xa8"]
)  # fmt: skip


def everything(fields: Header) -> list[str]:
    sender = []
    try:
        sender.append(fields.sender)
    except Malformed as error:
        assert "From" in str(error)
    mailboxes = (*fields.to, *fields.cc, *fields.reply_to, *sender)
    people = [text for one in mailboxes for text in (one.name, one.address)]
    params = [text for pair in fields.params.items() for text in pair]
    ids = [*filter(None, [fields.own_id]), *fields.ancestors]
    mime = [fields.content_type, fields.filename, fields.disposition, fields.encoding]
    assert fields.date is None or fields.date.tzinfo
    return [fields.subject, *people, *params, *ids, *mime, *(fields.text(name) for name in NAMES)]


@settings(max_examples=1_000, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.lists(BITS, max_size=12).map(b"".join)), max_size=4
    )
)
def test_whatever_arrives_is_read_as_clean_lines(fields: list[tuple[str, bytes]]) -> None:
    head, _ = split(b"\r\n".join(f"{name}: ".encode() + value for name, value in fields))
    for text in everything(read_header(head)):
        text.encode()
        assert clean(text) == text
        assert "\n" not in text


@settings(max_examples=1_000, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=80), st.lists(BITS, max_size=20).map(b"".join)))
def test_whatever_arrives_is_parted_and_kept(content: bytes) -> None:
    head, body = split(content)
    assert content.removeprefix(b"\xef\xbb\xbf").startswith(head)
    assert content.endswith(body)
    everything(read_header(head))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "bit",
    [b'"', b'"; ', b";", b"(", b"<", b"=", b"*", b",,;", b'a="b ', b'a="b"" ', b"a*0*=x;", b"a@b:",
     b"\\", b"=?a?q?", b"=?x?q?=FF?= ", b"=?x?q?=FF?= <a@b>,", b"\xff", b"\xff\r\n ", b"\x1b$B",
     b"a@b.test ", b"a/", b" ", b"1 ", b"\xc3\xbc\xff "],
)  # fmt: skip
def test_takes_linear_time(name: str, bit: bytes) -> None:
    value = bit * ((HEADER_LIMIT - 100) // len(bit))
    with in_linear_time():
        everything(read_header(f"{name}: text/plain; a=".encode() + value))


def test_many_raw_fields_take_linear_time() -> None:
    with in_linear_time():
        everything(read_header(b"To: \xfc\xe4\r\n" * 14_000))
