"""An answer as it is written: header, plain text and HTML."""

import email.policy
import re
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ponderd.channels.errors import DeliveryError
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.out.compose import CC_LIMIT, compose, envelope, needs_utf8
from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.text import clean, one_line
from tests.channels.mail.mails import DATE, NAMES, OWN_ID, opened, page, plain, reply
from tests.services.cpu import in_linear_time


def composed(answer: Reply, **options: Any) -> EmailMessage:
    return compose(answer, **{"names": NAMES, "date": DATE, **options})


def sent(answer: Reply, **options: Any) -> EmailMessage:
    """The mail as it arrives."""
    return opened(composed(answer, **options).as_bytes())


def fresh(text: str = "hello", **headers: str) -> Reply:
    """What begins a thread of its own."""
    to = Address(channel="email", to="ann@team.test", headers=headers)
    return reply(text=text).model_copy(update={"to": to})


def without_id(**headers: str) -> Reply:
    """An answer to a mail that had no Message-ID."""
    return fresh(**{"answers": "yes", "subject": "Question", **headers})


class TestHeader:
    def test_no_header_can_be_smuggled_in(self) -> None:
        message = sent(
            reply(subject="a\r\nBcc: eve@evil.test", references="<a@b>\r\nBcc: e@e.test")
        )
        assert message["Bcc"] is None
        assert message["Subject"] == "Re: a Bcc: eve@evil.test"

    @pytest.mark.parametrize(
        ("given_", "expected"),
        [
            ("Question", "Re: Question"),
            ("Re: Question", "Re: Question"),
            ("RE: Question", "RE: Question"),
            ("AW: Frage", "AW: Frage"),
            ("Antw: Vraag", "Antw: Vraag"),
            ("SV: Fråga", "SV: Fråga"),
            ("Odp: Pytanie", "Odp: Pytanie"),
            ("R: Domanda", "R: Domanda"),
            ("RE[2]: Question", "RE[2]: Question"),
            ("回复：问题", "回复：问题"),
            ("答复: 问题", "答复: 问题"),
            ("[team] Re: Question", "[team] Re: Question"),
            ("[team] Question", "Re: [team] Question"),
            ("Re: Re: RE: Re[3]: x", "Re: x"),
            ("Re: AW: x", "Re: AW: x"),
            ("Fwd: Question", "Re: Fwd: Question"),
            ("转发: 问题", "Re: 转发: 问题"),
            ("Regarding: x", "Re: Regarding: x"),
            ("Result: 5", "Re: Result: 5"),
            ("", "Re: your message"),
            ("Re:", "Re: your message"),
            (" \u200b\t", "Re: your message"),
        ],
    )
    def test_the_subject_is_the_threads_own_with_one_mark(self, given_: str, expected: str) -> None:
        assert sent(reply(subject=given_))["Subject"] == expected
        assert sent(without_id(subject=given_))["Subject"] == expected

    def test_a_mail_without_an_id_is_answered_too(self) -> None:
        for references in ("<new@agents.test>", ""):
            message = sent(without_id(references=references))
            assert message["Auto-Submitted"] == "auto-replied"
            assert message["In-Reply-To"] is None and message["References"] is None
        message = sent(without_id(references="<root@team.test> <a@team.test>"))
        assert message["References"] == "<root@team.test> <a@team.test>"

    def test_what_nobody_asked_for_says_so(self) -> None:
        message = sent(fresh("all done"))
        assert message["Subject"] == "assistant: all done"
        assert message["Auto-Submitted"] == "auto-generated"

    def test_the_answered_mail_is_always_among_the_references(self) -> None:
        for given_ in ("", "<root@team.test>", "<root@team.test> <m1@team.test>", "nonsense"):
            message = sent(reply(references=given_))
            assert message["In-Reply-To"] == "<m1@team.test>"
            assert message["References"].split()[-1] == "<m1@team.test>"

    def test_long_message_ids_survive(self) -> None:
        long = [f"<{'x' * 150}{number}@mail.team.test>" for number in range(20)]
        content = composed(reply(references=" ".join(long))).as_bytes()
        assert opened(content)["References"].split() == [*long, "<m1@team.test>"]
        assert max(map(len, content.splitlines())) <= 998

    def test_references_have_an_end(self) -> None:
        many = [f"<{number}@team.test>" for number in range(500)]
        kept = sent(reply(references=" ".join(many)))["References"].split()
        assert (kept[0], kept[-2:], len(kept)) == (many[0], [many[-1], "<m1@team.test>"], 31)
        long = [f"<{'x' * 890}{number}@a>" for number in range(30)]
        assert len(sent(reply(references=" ".join(long)))["References"]) < 9_000

    @pytest.mark.parametrize(
        "own_id", ["<ü@team.test>", "<a\x00b@team.test>", "<" + "x" * 990 + "@a>"]
    )
    def test_an_id_that_no_header_can_hold_is_left_out(self, own_id: str) -> None:
        answer = reply(references=own_id)
        answer = answer.model_copy(update={"to": answer.to.model_copy(update={"thread": own_id})})
        message = sent(answer)
        assert message["In-Reply-To"] is None and message["References"] is None
        assert message["Subject"] == "Re: Question"

    def test_machines_are_asked_not_to_answer(self) -> None:
        assert sent(reply())["X-Auto-Response-Suppress"] == "OOF, AutoReply"

    @pytest.mark.parametrize(
        ("template", "shown"),
        [
            ("{agent}", "assistant"),
            ("{agent} at Exämple, Inc.", "assistant at Exämple, Inc."),
            ("Support {team}", "Support {team}"),
            ('"Ann" <boss@evil.test>', '"Ann" <boss@evil.test>'),
            ("", ""),
        ],
    )
    def test_the_display_name_is_the_operators(self, template: str, shown: str) -> None:
        (box,) = sent(reply(), from_name=template)["From"].addresses
        assert (box.display_name, box.addr_spec) == (shown, "assistant@agents.test")

    def test_an_answer_comes_back_to_its_run_without_references(self) -> None:
        address = str(sent(reply())["Reply-To"])
        local, _, domain = address.upper().partition("@")
        mailbox, _, tag = local.partition("+")
        assert (mailbox, domain) == ("ASSISTANT", "AGENTS.TEST")
        assert str(NAMES.run_of_tag(tag)) == "run1:7"
        for forged in ("run2" + tag[4:], tag[:-1], tag + "0", "invoices", "", "ü" * 50, tag + "\n"):
            assert NAMES.run_of_tag(forged) is None
        assert MailNames("agents.test", b"another secret").run_of_tag(tag) is None
        nobody = MailNames("agents.test", b"")
        assert nobody.reply_address("run1:7", "assistant") is None
        assert nobody.run_of_tag(tag) is None
        assert sent(reply(), names=nobody)["Reply-To"] is None

    def test_that_address_is_short_enough_for_every_mail_system(self) -> None:
        key = "0c-mha1v2k8-9f3c1a2b7d34:9999"
        address = NAMES.reply_address(key, "a" * 16)
        assert address is not None and len(address.partition("@")[0]) <= 64
        assert NAMES.reply_address(key, "a" * 40) is None
        assert NAMES.reply_address("Run_1:7", "assistant") is None


class TestRecipients:
    def test_the_others_get_a_copy_each_once(self) -> None:
        others = "Bob@team.test, ann@team.test, bob@TEAM.test, assistant@agents.test, , no address"
        message = composed(reply(cc=others))
        assert sent(reply(cc=others))["Cc"] == "Bob@team.test"
        assert envelope(message) == ("assistant@agents.test", ("ann@team.test", "Bob@team.test"))

    def test_they_are_not_without_number(self) -> None:
        message = composed(reply(cc=",".join(f"p{number}@team.test" for number in range(200))))
        assert len(envelope(message)[1]) == 1 + CC_LIMIT

    def test_other_letters_are_carried_and_domains_become_ascii(self) -> None:
        message = composed(reply("jürgen@bücher.test", cc="ann@team.test,øre@team.test"))
        assert needs_utf8(message)
        assert envelope(message)[1] == (
            "jürgen@xn--bcher-kva.test",
            "ann@team.test",
            "øre@team.test",
        )
        content = message.as_bytes()
        assert "To: jürgen@xn--bcher-kva.test\r\n".encode() in content
        assert email.message_from_bytes(content, policy=email.policy.SMTPUTF8)["To"]
        plainly = composed(reply(cc="bob@team.test,øre@team.test"), ascii_only=True)
        assert envelope(plainly)[1] == ("ann@team.test", "bob@team.test")
        assert not needs_utf8(plainly)

    @pytest.mark.parametrize(
        "answer", [reply(""), reply("ann"), reply(**{"from": "a b@agents.test"})]
    )
    def test_an_address_that_is_none_is_refused_for_good(self, answer: Reply) -> None:
        with pytest.raises(DeliveryError, match="not a mail address") as failed:
            composed(answer)
        assert failed.value.permanent


class TestBody:
    def test_both_parts_say_the_same(self) -> None:
        message = sent(reply(text="**Total:** 500\n\n| a | b |\n|---|---|\n| 12 | 500 |"))
        assert message.get_content_type() == "multipart/alternative"
        assert plain(message) == "Total: 500\n\na    b\n--   ---\n12   500\n"
        assert "<strong>Total:</strong> 500" in page(message)
        assert ">12</td>" in page(message)

    def test_nothing_is_fetched_and_both_lights_are_fine(self) -> None:
        shown = page(sent(reply(text="![x](http://a.test/p.png) <img src=http://b.test>")))
        assert not re.search(r"<(?:img|link|script|style|iframe|object)", shown)
        assert '<meta name="color-scheme" content="light dark">' in shown

    @pytest.mark.parametrize("readable", [False, True])
    def test_no_line_is_too_long_for_smtp(self, readable: bool) -> None:
        text = "\n".join(["x" * 5_000, "ü" * 600, ".", "From here", "-- "])
        content = composed(reply(text=text), readable=readable).as_bytes()
        assert max(map(len, content.split(b"\r\n"))) <= 998
        assert readable or content.isascii()
        assert plain(opened(content)) == text.replace("-- ", "--") + "\n"

    def test_an_approval_says_who_asked_for_what(self) -> None:
        call = 'deploy(version="*1*")'
        inquiry = Inquiry(
            id="r1:7",
            kind="approval",
            call=call,
            asked_by="slack:t1/u1",
            asked_for="deploy <b>it</b>\nApproved by email:boss@x.test" + " x" * 200,
        )
        text = f"May I run {call}? Please answer yes or no."
        message = sent(reply(text=text).model_copy(update={"kind": "question", "inquiry": inquiry}))
        line = "Asked by slack:t1/u1: “deploy <b>it</b> Approved by email:boss@x.test"
        assert line in plain(message) and call in plain(message)
        assert "deploy &lt;b&gt;it&lt;/b&gt; Approved" in page(message)
        assert " …”" in plain(message)

    def test_readable_is_readable(self) -> None:
        assert "Grüße".encode() in composed(reply(), readable=True).as_bytes()

    def test_the_same_reply_is_the_same_mail(self) -> None:
        assert composed(reply()).as_bytes() == composed(reply()).as_bytes()

    def test_the_signature_stands_below(self) -> None:
        message = sent(reply(text="Fine."), signature="The assistant\n<b>Example</b> GmbH")
        assert plain(message) == "Fine.\n\n-- \nThe assistant\n<b>Example</b> GmbH\n"
        assert "The assistant<br>\n&lt;b&gt;Example&lt;/b&gt; GmbH</div>" in page(message)

    def test_the_original_is_quoted_below_that(self) -> None:
        answer = reply(
            text="Yes.",
            quote="Is it <b>done</b>?\n\nAnn",
            quote_date="Mon, 4 May 2026 10:15:00 +0200",
            quote_from="Ann Lee",
        )
        message = sent(answer, signature="x")
        assert plain(message) == (
            "Yes.\n\n-- \nx\n\nOn Mon, 04 May 2026 at 10:15, Ann Lee wrote:\n"
            "> Is it <b>done</b>?\n>\n> Ann\n"
        )
        assert '<blockquote class="gmail_quote"' in page(message)
        assert "Is it &lt;b&gt;done&lt;/b&gt;?" in page(message)
        assert "wrote:" not in plain(sent(reply(quote=" \n", quote_from="Ann")))
        odd = reply(text="Yes.", quote="x", quote_date="last\nMay", quote_from="Ann")
        assert plain(sent(odd)) == "Yes.\n\nOn last May, Ann wrote:\n> x\n"
        assert len(plain(sent(reply(quote="x" * 100_000)))) < 25_000

    def test_what_could_not_be_read_is_told(self) -> None:
        notes = "scan.tiff: pictures cannot be read\n\n<b>.zip: only 3 of 9 files\n"
        message = sent(reply(text="Fine.", unread=notes))
        assert plain(message) == (
            "Fine.\n\nI could not read:\n- scan.tiff: pictures cannot be read\n"
            "- <b>.zip: only 3 of 9 files\n"
        )
        assert "&lt;b&gt;.zip: only 3 of 9 files</li>" in page(message)
        question = reply(unread=notes).model_copy(update={"kind": "question"})
        assert "could not read" not in plain(sent(question))

    @pytest.mark.parametrize("kind", ["notice", "failure"])
    def test_our_own_words_are_no_markdown(self, kind: str) -> None:
        text = 'Approved by email:a_b_@c.test: *x*\n# f(a="**b**")'
        message = sent(reply(text=text).model_copy(update={"kind": kind}))
        assert plain(message) == f"{text}\n"
        assert "*x*<br>\n# f(a=&quot;" in page(message) or '*x*<br>\n# f(a="**b**")' in page(
            message
        )


TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(categories=("Cs", "Cc", "Cf", "Zl", "Zp", "So")), max_size=60),
    st.sampled_from(
        [
            "=?utf-8?q?x?=",
            "=?gb2312?b?yrLDtA?=",
            "x" * 1_000,
            "ש" * 1_000,
            "Re: " * 300,
            "\ud800" * 9,
        ]
    ),
)
IDS = st.one_of(TEXTS, TEXTS.map(lambda text: f"<{text}>"), st.just("<m1@team.test>"))


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    kind = draw(st.sampled_from(["answer", "question", "failure", "notice"]))
    names = (
        "subject",
        "references",
        "cc",
        "unread",
        "quote",
        "quote_date",
        "quote_from",
        "answers",
    )
    headers = {name: draw(TEXTS) for name in names if draw(st.booleans())}
    inquiry = None
    if kind == "question" and draw(st.booleans()):
        choices = tuple(draw(st.lists(TEXTS, max_size=3)))
        asks = draw(st.sampled_from(["approval", "question"]))
        inquiry = Inquiry(id="run1:7", kind=asks, choices=choices)
    return Reply(
        key="run1:7",
        run_id="run1",
        agent="assistant",
        conversation="c",
        kind=kind,
        text=draw(TEXTS),
        to=Address(
            channel="email", to="ann@team.test", thread=draw(IDS | st.just("")), headers=headers
        ),
        inquiry=inquiry,
        resolves=draw(IDS | st.just("")),
    )


@examples(max_examples=500, deadline=None)
@given(replies(), TEXTS, TEXTS, st.booleans())
def test_every_reply_can_be_sent(answer: Reply, name: str, signature: str, readable: bool) -> None:
    message = composed(
        answer,
        from_name=name,
        signature=signature,
        readable=readable,
        public_url="https://agents.test",
    )
    content = message.as_bytes()
    head = content.partition(b"\r\n\r\n")[0]
    assert needs_utf8(message) or head.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", content)
    parsed = email.message_from_bytes(content, policy=email.policy.SMTPUTF8)
    assert not parsed.defects
    for field in ("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID"):
        assert parsed[field] is None or not parsed[field].defects
    assert parsed["Subject"] == message["Subject"] == one_line(message["Subject"], 3_000)
    assert (parsed["To"], parsed["Message-ID"]) == ("ann@team.test", OWN_ID)
    lines = re.sub(rb"\r\n ", b" ", head).split(b"\r\n")
    for line in lines:
        if line.startswith((b"In-Reply-To:", b"References:")):
            assert re.fullmatch(rb"[A-Za-z-]+:(?: <[!-;=?-~]+>)+", line)
    assert isinstance(parsed, EmailMessage)
    assert plain(parsed).strip() or not clean(answer.text).strip()
    assert "</html>" in page(parsed)


@pytest.mark.parametrize(
    "answer",
    [
        reply(subject="Re: " * 100_000),
        reply(subject="[" * 100_000),
        reply(subject="Re[" * 100_000),
        reply(references="<a" * 100_000),
        reply(references="<a@b> " * 50_000),
        reply(cc="a@b," * 50_000),
        reply(cc="a" * 300_000),
        reply(quote="\n" * 300_000 + "x"),
        reply(unread="- x\n" * 50_000),
        reply("ann@" + "a." * 100_000),
    ],
    ids=range(10),
)
def test_nothing_takes_long_to_write(answer: Reply) -> None:
    with in_linear_time():
        try:
            composed(answer).as_bytes()
        except DeliveryError as error:
            assert error.permanent
