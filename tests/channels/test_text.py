import pytest

from ponderd.channels.mail.text import latest_reply, text_of_html
from ponderd.channels.text import clean, one_line
from tests.services.cpu import in_linear_time


def test_what_cannot_be_stored_or_shown_is_removed() -> None:
    assert clean("a\x00b\x1bc\ud800d\te\r\nf\rg") == "abcd\te\nf\ng"


def test_one_line_has_no_breaks_and_a_limit() -> None:
    assert one_line("a\r\nBcc:\tb  c", 9) == "a Bcc: b "[:9]


@pytest.mark.parametrize(
    "history",
    [
        "On Mon, Jan 5, 2026 at 9:00 AM Bot <bot@agent.test> wrote:\n> do it?\n> yes",
        "On Mon, Jan 5, 2026 at 9:00 AM Bot\n<bot@agent.test>\nwrote:\n\n> do it?",
        "Am Mo., 5. Jan. 2026 um 09:00 Uhr schrieb Bot <bot@agent.test>:\n> do it?",
        "Le lun. 5 janv. 2026 à 09:00, Bot <bot@agent.test> a écrit :\n> do it?",
        "El lun, 5 ene 2026 a las 9:00, Bot (<bot@agent.test>) escribió:\n> do it?",
        "-----Original Message-----\nFrom: Bot\nSent: Monday\n\ndo it?",
        "________________________________\nFrom: Bot <bot@agent.test>\nSent: Monday\n\ndo it?",
        "Von: Bot <bot@agent.test>\nGesendet: Montag\nAn: mich\n\ndo it?",
        "> do it?\n> yes",
    ],
)
def test_quoted_history_is_left_out(history: str) -> None:
    assert latest_reply(f"Yes, please.\n\n  - indented\n\n{history}\n") == (
        "Yes, please.\n\n  - indented"
    )


def test_an_answer_below_the_quotation_is_kept() -> None:
    text = "On Monday, Bot <b@x> wrote:\n> one?\nyes\n> two?\nno\n"
    assert latest_reply(text) == "yes\nno"


def test_a_mail_that_is_all_quotation_is_kept() -> None:
    assert latest_reply("> please read this") == "> please read this"


def test_a_sentence_that_begins_like_an_introduction_is_kept() -> None:
    text = "On Monday we deploy.\nFrom: now on\nAm I late?"
    assert latest_reply(text) == text


@pytest.mark.parametrize(
    "piece",
    ["\n", "On ", "On\n", "> x\n", " \n", "From: a\n", "On x wrote:\n> a\n", "Am 1 schrieb "],
)
def test_a_megabyte_of_anything_is_read_quickly(piece: str) -> None:
    with in_linear_time():
        latest_reply(piece * (1_000_000 // len(piece)))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one</p><DIV>two</DIV>", "one\n\ntwo"),
        ("a<br/>b<!-- <p>hidden</p> -->c", "a\nbc"),
        ("<STYLE>p {}</style><script>if (1 < 2) x()</Script>seen", "seen"),
        ("2 &lt; 3 < 4 &amp; <b>bold</b>\nword", "2 < 3 < 4 & bold word"),
        ("<!doctype html><?xml?><html>x</html>", "x"),
        ("cut <a href=", "cut"),
        ("İ<script>x</script>y", "İy"),
    ],
)
def test_html_is_read_as_text(source: str, text: str) -> None:
    assert text_of_html(source).strip() == text
