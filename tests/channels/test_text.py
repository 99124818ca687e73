from ponderd.channels.text import clean, one_line


def test_what_cannot_be_stored_or_shown_is_removed() -> None:
    assert clean("a\x00b\x1bc\ud800d\te\r\nf\rg") == "abcd\te\nf\ng"


def test_one_line_has_no_breaks_and_a_limit() -> None:
    assert one_line("a\r\nBcc:\tb  c", 9) == "a Bcc: b "[:9]
