import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponderd.channels.mail.wire.flowed import unflow
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("one \ntwo \nthree\nfour", "one two three\nfour"),
        ("one\n\ntwo", "one\n\ntwo"),
        # A blank in front was put there to protect what follows it.
        (" From here\n  - indented\n > no quotation", "From here\n - indented\n> no quotation"),
        ("> one \n> two\n> three", "> one two\n> three"),
        (">> deep \n>> er\n> less", ">> deep er\n> less"),
        ("> asked \nanswered", "> asked\nanswered"),  # other depths are other paragraphs
        (">one \n>two", "> one two"),
        ("> > one", "> > one"),
        ("text \n-- \nAnn \nExample", "text\n-- \nAnn Example"),
        ("> text \n> -- \n> Ann", "> text\n> -- \n> Ann"),
        ("last ", "last"),
        ("one \r\ntwo\r\n", "one two\n"),
        (" \nx", "\nx"),
        (">\n> x", ">\n> x"),
        ("", ""),
    ],
)
def test_paragraphs_are_whole(text: str, meant: str) -> None:
    assert unflow(text) == meant


def test_with_delsp_the_blank_goes() -> None:
    text = "See https://docs.team.test/quarter- \none/page and  \nthis\n-- \nAnn"
    assert unflow(text, delsp=True) == (
        "See https://docs.team.test/quarter-one/page and this\n-- \nAnn"
    )
    assert unflow("日本 \n語", delsp=True) == "日本語"


@given(st.text(alphabet="> -a\n", max_size=60), st.booleans())
def test_nothing_but_blanks_and_breaks_is_lost(text: str, delsp: bool) -> None:
    def written(text: str) -> str:
        return "".join(char for char in text if char not in "> \n")

    assert written(unflow(text, delsp=delsp)) == written(text)


@pytest.mark.parametrize("line", ["a \n", "> \n", ">" * 100_000 + " \n", "-- \n", " "])
def test_takes_linear_time(line: str) -> None:
    with in_linear_time():
        unflow(line * (1_000_000 // len(line)))
