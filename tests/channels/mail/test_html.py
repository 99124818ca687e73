from ponderd.channels.mail.html import read_html
from tests.channels.mail.test_quotation import thread


def test_tags_are_no_text() -> None:
    assert read_html("<p>one <b>two</b></p>", thread()).text == "one two"
