"""Which parts of a mail are its text, and which are files."""

from __future__ import annotations

from email.message import EmailMessage, MIMEPart

import pytest

from ponderd.channels.documents import with_text
from ponderd.channels.mail.content import (
    CUT_LIMIT,
    LOGO_LIMIT,
    TEXT_LIMIT,
    Content,
    read_content,
)
from ponderd.channels.mail.text.quotation import Thread

ALONE = Thread(is_ours=lambda address: False)
REPLY = Thread(is_ours=lambda address: "agents.test" in address, answers_us=True, knows_us=True)


def read(message: EmailMessage, thread: Thread = ALONE) -> Content:
    return read_content(message.as_bytes(), thread)


def names(content: Content) -> list[str]:
    return [file.name for file in content.files]


def mixed(*parts: tuple[str, bytes | str, dict[str, str]]) -> EmailMessage:
    """A multipart/mixed of (content type, content, headers)."""
    message = EmailMessage()
    message.make_mixed()
    for kind, content, headers in parts:
        part = MIMEPart()
        main, sub = kind.split("/")
        if isinstance(content, str):
            part.set_content(content, subtype=sub)
        else:
            part.set_content(content, main, sub)
        for name, value in headers.items():
            del part[name]
            part[name] = value
        message.attach(part)
    return message


def pictured(size: int, *, name: str = "image001.png", named: bool = True) -> EmailMessage:
    """HTML that shows a picture of its own."""
    message = EmailMessage()
    message.set_content("plain")
    shown = '<img src="cid:pic@x">' if named else ""
    message.add_alternative(f"<p>words {shown}</p>", subtype="html")
    _, html = message.iter_parts()
    html.add_related(b"\x89PNG" * (size // 4), "image", "png", cid="<pic@x>", filename=name)
    return message


class TestText:
    def test_of_alternatives_the_richest_with_words_is_read(self) -> None:
        message = EmailMessage()
        message.set_content("plain")
        message.add_alternative("<p>rich</p>", subtype="html")
        assert read(message).text == "rich"
        message = EmailMessage()
        message.set_content("plain")
        message.add_alternative("<p> </p>", subtype="html")
        assert read(message).text == "plain"

    def test_the_order_of_alternatives_does_not_matter(self) -> None:
        message = EmailMessage()
        message.set_content("<p>rich</p>", subtype="html")
        message.add_alternative("plain")
        assert read(message).text == "rich"

    def test_files_inside_an_alternative_that_is_not_shown_are_kept(self) -> None:
        message = EmailMessage()
        message.set_content("<p>rich</p>", subtype="html")
        message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
        whole = EmailMessage()
        whole.set_content("plain")
        whole.make_alternative()
        whole.attach(message)
        assert (read(whole).text, names(read(whole))) == ("rich", ["a.pdf"])

    def test_texts_beside_each_other_are_read_in_order(self) -> None:
        read_ = read(mixed(("text/plain", "one", {}), ("text/html", "<p>two</p>", {})))
        assert read_.text.split() == ["one", "two"]

    def test_a_text_with_a_name_behind_a_text_is_a_file(self) -> None:
        name = {"Content-Disposition": 'inline; filename="notes.txt"'}
        content = read(mixed(("text/plain", "one", {}), ("text/plain", "two", name)))
        assert (content.text, names(content)) == ("one", ["notes.txt"])

    def test_a_text_that_says_attachment_and_has_no_name_is_the_text(self) -> None:
        message = EmailMessage()
        message.set_content("words")
        message["Content-Disposition"] = "attachment"
        assert read(message).text == "words"

    def test_a_text_too_long_for_the_agent_comes_as_a_file_too(self) -> None:
        message = EmailMessage()
        message.set_content("a line of text\n" * (TEXT_LIMIT // 10))
        content = read(message)
        assert len(content.text) < TEXT_LIMIT + 100
        assert content.text.endswith("[the mail goes on in the attached mail.txt]")
        [file] = content.files
        assert (file.name, file.content.count(b"a line of text")) == ("mail.txt", TEXT_LIMIT // 10)

    def test_what_is_cut_is_kept_within_a_limit(self) -> None:
        quoted = "> an old line\n" * (CUT_LIMIT // 8)
        message = EmailMessage()
        message.set_content(f"Thanks!\n\nOn Monday, a <a@agents.test> wrote:\n{quoted}")
        content = read(message, REPLY)
        assert (content.text, content.own) == ("Thanks!", "Thanks!")
        assert content.cut.startswith("On Monday") and len(content.cut) == CUT_LIMIT


class TestFiles:
    @pytest.mark.parametrize(
        ("message", "found"),
        [
            (pictured(400), []),
            (pictured(400, named=False), ["image001.png"]),
            (pictured(LOGO_LIMIT * 2), ["image001.png"]),
            (pictured(400, name="Screenshot 3.png"), ["Screenshot 3.png"]),
        ],
        ids=["logo", "nobody shows it", "large", "screenshot"],
    )
    def test_a_picture_that_only_decorates_is_none(
        self, message: EmailMessage, found: list[str]
    ) -> None:
        assert names(read(message)) == found

    @pytest.mark.parametrize(
        "kind", ["application/pgp-signature", "application/pkcs7-signature", "text/x-amp-html"]
    )
    def test_what_serves_the_transport_or_the_display_is_none(self, kind: str) -> None:
        content = b"x" if kind.startswith("application") else "x"
        assert names(read(mixed(("text/plain", "words", {}), (kind, content, {})))) == []

    def test_a_file_without_a_name_gets_one_that_says_what_it_is(self) -> None:
        assert names(read(mixed(("text/plain", "w", {}), ("image/png", b"x", {})))) == ["image.png"]

    def test_an_attached_mail_is_read_with_its_files(self) -> None:
        inner = mixed(("text/plain", "room 7 is cold", {}), ("application/pdf", b"%PDF-", {}))
        inner["Subject"], inner["From"] = "Heating", "bob@team.test"
        message = EmailMessage()
        message.set_content("see below")
        message.add_attachment(inner)
        content = read(message)
        assert content.text == "see below"
        mail, file = content.files
        assert mail.name == "Heating.eml" and mail.content_type == "message/rfc822"
        assert mail.text is not None and "From: bob@team.test" in mail.text
        assert "room 7 is cold" in mail.text
        assert file.content_type == "application/pdf"

    def test_in_an_attached_mail_no_history_is_cut(self) -> None:
        inner = EmailMessage()
        inner.set_content("Yes.\n\nOn Monday, a <a@agents.test> wrote:\n> old words\n")
        message = EmailMessage()
        message.set_content("see below")
        message.add_attachment(inner)
        [mail] = read(message, REPLY).files
        assert mail.text is not None and "old words" in mail.text

    def test_a_saved_mail_that_goes_over_a_limit_stays_a_file(self) -> None:
        hostile = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(40)
        )
        name = {"Content-Disposition": 'attachment; filename="a.eml"'}
        content = read(
            mixed(("text/plain", "words", {}), ("application/octet-stream", hostile, name))
        )
        [file] = content.files
        assert (content.text, file.name) == ("words", "a.eml")
        assert "nested" in with_text(file).unread
