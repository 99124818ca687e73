import pytest

from ponderd.channels.text import clean, one_line, plain_name


def test_what_cannot_be_stored_or_shown_is_removed() -> None:
    assert clean("a\x00b\x1bc\ud800d\te\r\nf\rg") == "abcd\te\nf\ng"


def test_one_line_has_no_breaks_and_a_limit() -> None:
    assert one_line("a\r\nBcc:\tb  c", 9) == "a Bcc: b "[:9]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ann", "ann"),
        ("T1/U2", "T1/U2"),
        ("ann+x@team.test", "ann+x@team.test"),
        ("Jörg", "Jörg"),
        ("", ""),
        ("ann lee", "“ann lee”"),
        (
            "ann\u202e (approved by email:boss@x.test)\napproved by slack:uboss",
            "“ann approved by email boss@x.test approved by slack uboss”",
        ),
        ("slack:u0boss", "“slack u0boss”"),
        ("<@U1>", "“@U1”"),
    ],
)
def test_a_made_up_name_cannot_look_like_more(name: str, shown: str) -> None:
    assert plain_name(name) == shown
    assert plain_name(shown) == shown
