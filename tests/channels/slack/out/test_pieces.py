import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.slack.out.inline import size
from ponderd.channels.slack.out.markdown import lines, mrkdwn
from ponderd.channels.slack.out.pieces import Line, beginning, packed


def pieces(source: str, limit: int) -> list[str]:
    return packed(lines(source), limit)


def test_a_text_is_cut_between_lines() -> None:
    text = "\n".join(f"{number:02} " + "word " * 15 for number in range(20))
    assert "\n".join(pieces(text, 500)) == "\n".join(line.strip() for line in text.split("\n"))


def test_code_that_is_cut_is_closed_and_opened_again() -> None:
    code = "\n".join(f"line {number}" for number in range(100))
    cut = pieces(f"before\n```\n{code}\n```\nafter", 300)
    assert len(cut) > 2
    assert all(piece.count("```") == 2 for piece in cut)
    inside = "\n".join(piece.split("```")[1].strip("\n") for piece in cut)
    assert inside == code and cut[0].startswith("before\n```\n") and cut[-1].endswith("```\nafter")


def test_code_that_fits_into_one_piece_stays_together() -> None:
    cut = pieces("word " * 50 + "\n```\n" + "code\n" * 30 + "```", 300)
    assert [piece.count("code") for piece in cut] == [0, 30]


@pytest.mark.parametrize("source", ["", " \n ", "\u200b", "\ufeff\n\u00ad", "&nbsp;", "#"])
def test_what_nobody_sees_is_no_piece(source: str) -> None:
    assert pieces(source, 300) == []


def test_no_row_of_a_table_is_cut() -> None:
    rows = [f"| {number} | {'x' * 30} |" for number in range(60)]
    cut = pieces("| a | b |\n|---|---|\n" + "\n".join(rows), 400)
    shown = [line for piece in cut for line in piece.split("\n") if "x" in line]
    assert shown == [f"{number:<2}  {'x' * 30}" for number in range(60)]


@pytest.mark.parametrize(
    "word", ["w" * 3_000, "&" * 3_000, "**b** " * 900, "`c` d " * 900, "日" * 3_000, "👍" * 2_500]
)
def test_a_long_line_is_cut_inside(word: str) -> None:
    for text in (word, f"**{word.replace('*', '')}**", f"```\n{word}"):
        cut = pieces(text, 900)
        assert len(cut) > 1 and all(size(piece) <= 1_100 for piece in cut)
        whole = html.unescape("".join(cut)).replace("\u200b", "")
        for sign in ("w", "&", "b", "c", "d", "日", "👍"):
            assert whole.count(sign) == text.count(sign)
        assert "```" in text or all(piece.count("*") % 2 == 0 for piece in cut)


def test_a_long_line_that_fits_is_not_parted() -> None:
    text = "some words and **more of them** " * 60
    assert mrkdwn(text) == "some words and *more of them* " * 59 + "some words and *more of them*"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.text("ab &", max_size=90), st.sampled_from([None, 1, 2])), max_size=40)
)
def test_pieces_keep_every_line_in_order(given: list[tuple[str, int | None]]) -> None:
    kept = [Line(text, code) for text, code in given]
    cut = packed(kept, 200)
    assert all(size(piece) <= 200 for piece in cut)
    assert "".join("".join(cut).replace("```", "").split()) == "".join(
        "".join(text for text, _ in given).split()
    )


def test_the_beginning_of_a_message_is_well_formed() -> None:
    shown = beginning("a\n```\n" + "code\n" * 100 + "```\nb", 200)
    assert len(shown) <= 200 and shown.count("```") == 2 and shown.endswith("\n…")
    assert beginning("a\nb", 200) == "a\nb"
