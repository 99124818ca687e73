from email.message import EmailMessage

import pytest

from ponderd.channels.errors import Forbidden, Malformed
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.receive import MailRules
from ponderd.channels.message import Address, Ignored, Trigger, Verdict
from ponderd.channels.text import one_line
from tests.channels.mail.mails import (
    OWN_ID,
    RULES,
    mail,
    parse,
)
from tests.services.cpu import in_linear_time


def read(content: bytes, mail_from: str = "ann@team.test") -> Trigger | Ignored:
    parsed = parse(content, mail_from=mail_from)
    assert not isinstance(parsed, Verdict)
    return parsed


def trigger(content: bytes) -> Trigger:
    parsed = read(content)
    assert isinstance(parsed, Trigger)
    return parsed


class TestParse:
    def test_a_mail_becomes_a_trigger(self) -> None:
        read = trigger(mail("What is 2 + 2?\n"))
        assert read == Trigger(
            channel="email",
            keys=("email:<m1@team.test>:assistant",),
            conversation="<m1@team.test>",
            text="Subject: Question\n\nWhat is 2 + 2?",
            sender="ann@team.test",
            agent="assistant",
            reply_to=Address(
                channel="email",
                to="ann@team.test",
                thread="<m1@team.test>",
                headers={
                    "subject": "Question",
                    "references": "<m1@team.test>",
                    "answers": "yes",
                    "from": "assistant@agents.test",
                },
            ),
            digest=read.digest,
        )
        assert read.digest

    def test_what_a_list_does_to_a_mail_makes_no_other_mail_of_it(self) -> None:
        copy = "What is 2 + 2?\n[attachment scrubbed by the list]\n"
        assert trigger(mail(copy, **{"List-Id": "<team.lists.test>"})).digest == ""

    def test_a_reply_belongs_to_the_root_of_its_thread(self) -> None:
        parsed = trigger(
            mail(
                "Thanks.\n\nOn Monday, Bot <assistant@agents.test> wrote:\n> 4\n",
                References=f"<root@team.test> {OWN_ID}",
                In_Reply_To=OWN_ID,
                Message_ID="<m2@team.test>",
            )
        )
        assert parsed.conversation == "<root@team.test>"
        assert parsed.text == "Thanks."
        assert parsed.reply_to is not None
        assert parsed.reply_to.headers["references"] == f"<root@team.test> {OWN_ID} <m2@team.test>"

    def test_without_references_in_reply_to_names_the_thread(self) -> None:
        assert trigger(mail(In_Reply_To="<a@team.test>")).conversation == "<a@team.test>"

    def test_a_forwarded_mail_keeps_what_it_forwards(self) -> None:
        text = "Look:\n\n-----Original Message-----\nFrom: Bob\nSent: Monday\n\nhelp"
        parsed = trigger(mail(text, Subject="Fwd: help", References="<a@team.test>"))
        assert parsed.text.endswith("help")

    def test_without_a_message_id_every_delivery_counts_in_a_thread_of_its_own(self) -> None:
        parsed = trigger(mail(Message_ID=""))
        assert parsed.keys == ()
        assert parsed.conversation == "<new@agents.test>"
        assert parsed.reply_to is not None
        assert parsed.reply_to.headers["references"] == "<new@agents.test>"

    def test_an_answer_to_our_own_mail_is_authentic(self) -> None:
        assert trigger(mail(References=f"<root@team.test> {OWN_ID}")).authentic
        assert trigger(mail(In_Reply_To=OWN_ID)).authentic

    @pytest.mark.parametrize(
        "forged",
        [
            "<run1.8." + OWN_ID.split(".")[2],
            OWN_ID.replace("run1", "run2"),
            OWN_ID.replace("agents.test", "team.test"),
            "<m1@team.test>",
        ],
    )
    def test_a_mail_that_answers_nothing_of_ours_is_not_authentic(self, forged: str) -> None:
        assert not trigger(mail(In_Reply_To=forged, References=forged)).authentic

    def test_without_a_secret_nothing_is_authentic(self) -> None:
        names = MailNames("agents.test", b"")
        rules = MailRules(names, RULES.allow, RULES.agents)
        parsed = parse(mail(In_Reply_To=names.message_id("run1:7")), rules=rules)
        assert isinstance(parsed, Trigger)
        assert not parsed.authentic

    def test_reply_to_is_honoured_only_if_it_is_allowed(self) -> None:
        for given, used in [
            ("bob@team.test", "bob@team.test"),
            ("eve@evil.test", "ann@team.test"),
            ("not an address", "ann@team.test"),
        ]:
            parsed = trigger(mail(Reply_To=given))
            assert parsed.reply_to is not None
            assert parsed.reply_to.to == used

    @pytest.mark.parametrize(
        "headers",
        [
            {"Auto_Submitted": "auto-replied"},
            {"Auto_Submitted": "Auto-Generated; x=y"},
            {"Precedence": "auto_reply"},
            {"X_Autoreply": "yes"},
            {"From": "assistant@agents.test"},
            {"From": "Triage <TRIAGE@Agents.test>"},
            {"Message_ID": OWN_ID},
        ],
    )
    def test_nobody_answers_a_machine(self, headers: dict[str, str]) -> None:
        assert isinstance(read(mail(**headers)), Ignored)

    @pytest.mark.parametrize("mail_from", ["", "<>"])
    def test_nobody_answers_a_bounce(self, mail_from: str) -> None:
        assert isinstance(read(mail(), mail_from), Ignored)

    def test_a_person_says_no_to_auto_submitted(self) -> None:
        assert isinstance(read(mail(Auto_Submitted="no")), Trigger)

    def test_strangers_are_refused_in_the_header_and_in_the_envelope(self) -> None:
        with pytest.raises(Forbidden, match="eve@evil"):
            read(mail(From="eve@evil.test"))
        with pytest.raises(Forbidden, match="eve@evil"):
            read(mail(), "eve@evil.test")

    def test_a_domain_is_allowed_as_a_whole_and_no_other(self) -> None:
        for stranger in ("ann@sub.team.test", "ann@xteam.test", "ann@team.test.evil.test"):
            with pytest.raises(Forbidden):
                read(mail(), stranger)

    @pytest.mark.parametrize(
        "sender",
        [
            "",
            "nobody",
            "<>",
            "a@b@c",
            "undisclosed:;",
            "(" * 900,
            "ann@team.test\r\nFrom: eve@evil.test",
            "boss@team.test, ann@team.test",
            "boss@team.test <ann@team.test>",
            "<boss@team.test> <ann@team.test>",
            "us: boss@team.test; ann@team.test",
        ],
    )
    def test_a_mail_without_a_usable_sender_is_refused(self, sender: str) -> None:
        with pytest.raises(Malformed):
            read(mail(From=sender))

    @pytest.mark.parametrize(
        "name",
        [
            "=?utf-8?q?boss=40team.test?=",
            "=?utf-8?q?boss=40team.test=2C?=",
            "=?utf-8?b?PGJvc3NAdGVhbS50ZXN0Pg==?=",
            '"boss@team.test,"',
        ],
    )
    def test_a_display_name_is_not_the_sender(self, name: str) -> None:
        assert trigger(mail(From=f"{name} <ann@team.test>")).sender == "ann@team.test"

    def test_headers_are_decoded_and_stay_on_one_line(self) -> None:
        parsed = trigger(mail(Subject="=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0ABcc=3A_x?="))
        assert parsed.text.startswith("Subject: Grüße Bcc: x\n\n")

    def test_html_is_read_where_there_is_no_plain_text(self) -> None:
        html = "<style>p{}</style><p>Hello <b>you</b></p><script>x()</script>one<br>two &amp; 3"
        parsed = trigger(mail(html, Subject="", Content_Type="text/html; charset=utf-8"))
        assert parsed.text == "Hello you\n\none\ntwo & 3"

    def test_of_alternatives_the_one_is_read_that_people_see(self) -> None:
        message = EmailMessage()
        message["From"] = "ann@team.test"
        message.set_content("plain")
        message.add_alternative("<p>shown</p>", subtype="html")
        message.add_attachment(b"12345", maintype="application", subtype="pdf", filename="a.pdf")
        message.add_attachment("notes", filename="notes.txt")
        parsed = trigger(message.as_bytes())
        assert parsed.text == "shown"
        files = [(file.name, file.content_type, file.size) for file in parsed.attachments]
        assert files == [("a.pdf", "application/pdf", 5), ("notes.txt", "text/plain", 6)]

    def test_a_mail_inside_the_mail_is_an_attachment(self) -> None:
        inner = EmailMessage()
        inner.set_content("inner secret")
        message = EmailMessage()
        message["From"] = "ann@team.test"
        message.set_content("outer")
        message.add_attachment(inner)
        parsed = trigger(message.as_bytes())
        assert parsed.text == "outer"
        assert [entry.content_type for entry in parsed.attachments] == ["message/rfc822"]

    @pytest.mark.parametrize(
        ("charset", "body", "text"),
        [
            ("iso-8859-1", b"gr\xfcn", "grün"),
            ("nonsense", "grün".encode(), "grün"),
            ("utf-8", b"gr\xfcn", "grün"),
            ("us-ascii", "grün".encode(), "grün"),
            ("punycode", b"x-y", "x-y"),
            ("hex", b"6162", "6162"),
        ],
    )
    def test_text_is_decoded_as_well_as_can_be(self, charset: str, body: bytes, text: str) -> None:
        content = mail("", Subject="", Content_Type=f"text/plain; charset={charset}") + body
        assert trigger(content).text == text

    def test_broken_base64_gives_what_can_be_read(self) -> None:
        content = mail("aGVsbG8*\n", Subject="", Content_Transfer_Encoding="base64")
        assert trigger(content).text

    def test_an_empty_mail_is_a_message_too(self) -> None:
        assert trigger(mail("", Subject="")).text == "(no text)"

    def test_a_huge_header_is_refused(self) -> None:
        with pytest.raises(Malformed, match="header"):
            read(mail(X="y" * 200_000))

    @pytest.mark.parametrize(
        "content",
        [
            mail("\n" * 500_000, References="<a@team.test>"),
            mail("<div>" * 100_000, Content_Type="text/html"),
            mail("<!" * 300_000, Content_Type="text/html"),
            mail("<a " * 300_000, Content_Type="text/html"),
            mail("<!--" * 200_000, Content_Type="text/html"),
            mail("<style>" * 100_000, Content_Type="text/html"),
            mail("&#" + "1" * 900_000, Content_Type="text/html"),
            mail("=" * 900_000, Content_Transfer_Encoding="quoted-printable"),
            mail("x-" * 400_000, Content_Type="text/plain; charset=punycode"),
            mail(Subject="=?utf-8?q?" * 10_000),
            mail(References="<a" * 50_000),
        ],
        ids=[
            "lines",
            "div",
            "decl",
            "attr",
            "comment",
            "style",
            "entity",
            "qp",
            "puny",
            "subject",
            "refs",
        ],
    )
    def test_nothing_takes_long_to_read(self, content: bytes) -> None:
        with in_linear_time():
            trigger(content)


def test_answers_to_clients_are_one_line_of_ascii() -> None:
    assert one_line("a\r\n250 b") == "a 250 b"
