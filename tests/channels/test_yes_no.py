import pytest

from ponderd.channels.yes_no import read_first_line, read_yes_no


@pytest.mark.parametrize(
    "text", ["yes", "Yes, please.", "OK!", "go ahead", "👍", "ja", "yes\n-- \nAnn"]
)
def test_a_clear_yes(text: str) -> None:
    assert read_yes_no(text) is True


@pytest.mark.parametrize("text", ["no", "No.", "Don’t", "nein", "no, stop"])
def test_a_clear_no(text: str) -> None:
    assert read_yes_no(text) is False


@pytest.mark.parametrize(
    "text", ["", "thanks", "yes and no", "yes, but only staging", "maybe", "-- \nyes"]
)
def test_anything_else_is_neither(text: str) -> None:
    assert read_yes_no(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes\n\nSent from my phone", (True, "Sent from my phone")),
        ("\n\nNo.\nuse staging\n-- \nAnn", (False, "use staging")),
        ("yes", (True, "")),
        ("yes, but only staging\nyes", (None, "yes")),
        ("Hello,\nyes", (None, "yes")),
        ("yes\n-- \nno", (True, "")),
        ("no\nyes", (False, "yes")),
        ("Thanks!\n\nYes\nAnn", (True, "Ann")),
        ("Danke,\nnein", (False, "")),
        ("Thanks!", (None, "")),
        ("", (None, "")),
    ],
)
def test_the_first_line_of_a_letter_decides(text: str, found: tuple[bool | None, str]) -> None:
    assert read_first_line(text) == found


@pytest.mark.parametrize("rest", ["no", "No, wait!", "I mean: no.\nDon't", "ok\nstop that"])
def test_a_yes_that_is_taken_back_below_is_none(rest: str) -> None:
    assert read_first_line(f"yes\n\n{rest}")[0] is None
