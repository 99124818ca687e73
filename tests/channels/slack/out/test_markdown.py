import random

import pytest

from ponderd.channels.slack.out.markdown import TEXT_LIMIT, mrkdwn, split, with_mentions
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("[page](https://a.test/?x=1&y=2)", "<https://a.test/?x=1&amp;y=2|page>"),
        ("## Title ##\ntext", "*Title*\ntext"),
        ("`**code** <b>`", "`**code** &lt;b&gt;`"),
        (
            "```\n**code** & [a](https://b.test)\n```",
            "```\n**code** &amp; [a](https://b.test)\n```",
        ),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("2 ** 3 ** 4", "2 ** 3 ** 4"),
    ],
)
def test_markdown_becomes_slacks_markup(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


@pytest.mark.parametrize("piece", ["x", "&", "**a** ", "`", "[a](", "# "])
def test_a_long_answer_is_cut_quickly(piece: str) -> None:
    with in_linear_time():
        assert len(mrkdwn(piece * 300_000)) <= TEXT_LIMIT


def test_the_end_of_a_text_that_is_cut_can_be_kept() -> None:
    text = mrkdwn("<" * 5_000 + "\nApproved by <U1>.", 3_900, keep_end=20)
    assert len(text) <= 3_900
    assert text.startswith("&lt;") and text.endswith("\nApproved by &lt;U1&gt;.")
    whole = "x" * 3_900
    assert mrkdwn(whole, 3_900, keep_end=20) == whole


def test_a_text_is_split_between_lines() -> None:
    lines = [f"{number:02} " + "word " * 15 for number in range(20)]
    assert "\n".join(split("\n".join(lines), 500)) == "\n".join(lines)


def test_code_that_is_split_stays_code() -> None:
    pieces = split("```\n" + "line\n" * 200 + "```", 300)
    assert len(pieces) > 2
    for piece in pieces:
        assert piece.startswith("```\n") and piece.endswith("```")


@pytest.mark.parametrize("seed", range(20))
def test_pieces_fit_and_nothing_is_lost_or_torn(seed: int) -> None:
    parts = ["a", " ", "\n", "&amp;", "<https://a.test/?q|a page>", "w" * 3_000]
    text = "".join(random.Random(seed).choices(parts, k=2_000))
    pieces = split(text, 3_000)
    assert all(0 < len(piece) <= 3_000 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert sum(piece.count("&amp;") for piece in pieces) == text.count("&amp;")
    assert sum(piece.count("a page>") for piece in pieces) == text.count("a page>")


@pytest.mark.parametrize("piece", ["x", "&", "<", "`", "\n", " ", "```", "<a"])
def test_a_long_text_is_split_quickly(piece: str) -> None:
    with in_linear_time():
        assert all(len(part) <= 3_000 for part in split(piece * 100_000, 3_000))


def test_people_are_mentioned_as_slack_does() -> None:
    said = "Approved by slack:u0123ab, not slack:U2. Denied by email:a@b.test, slack:general"
    assert with_mentions(said) == (
        "Approved by <@U0123AB>, not <@U2>. Denied by email:a@b.test, slack:general"
    )
