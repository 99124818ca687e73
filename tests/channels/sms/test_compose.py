"""The text of messages, and how a long one is cut."""

import time

import pytest

from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.sms.compose import LIMIT, MOST_PIECES, compose, numbered, size

TO = Address(channel="sms", to="+15557777")
APPROVAL = Inquiry(id="run1:7", kind="approval", call="mail(to='a*b*c')")


def reply(text: str, kind: str = "answer", inquiry: Inquiry | None = None) -> Reply:
    return Reply.model_validate(
        {"key": "k", "run_id": "run1", "agent": "a", "conversation": "c", "kind": kind,
         "text": text, "to": TO, "inquiry": inquiry}
    )  # fmt: skip


def test_markdown_is_plain() -> None:
    assert compose(reply("**Two** [docs](https://a.test/x):\n\n- one\n- two")) == [
        "Two docs (https://a.test/x):\n\n- one\n- two"
    ]


@pytest.mark.parametrize("kind", ["notice", "failure"])
def test_our_own_words_are_no_markdown(kind: str) -> None:
    assert compose(reply("ran *x* and **y**", kind)) == ["ran *x* and **y**"]


def test_a_question_lists_its_choices() -> None:
    asked = Inquiry(id="i", kind="question", choices=("red", "blue"))
    assert compose(reply("Which?", "question", asked)) == ["Which?\n- red\n- blue"]


def test_an_approval_shows_the_call_as_it_is_and_a_link() -> None:
    text = "May I run this? mail(to='a*b*c') Please answer yes or no."
    assert compose(reply(text, "question", APPROVAL)) == [text]
    [linked] = compose(reply(text, "question", APPROVAL), "https://p.test", b"key")
    assert linked.startswith(f"{text}\nOr decide here: https://p.test/approvals/run1:7?as=sms%3A")


def test_an_empty_answer_says_so() -> None:
    assert compose(reply(" \n")) == ["(The answer is empty.)"]


@pytest.mark.parametrize("text", ["a" * LIMIT, "😀" * (LIMIT // 2), "é\n" * (LIMIT // 2)])
def test_what_fits_is_one_message(text: str) -> None:
    assert numbered(text) == [text]


@pytest.mark.parametrize(
    "text",
    ["word " * 1_000, "line of words\n" * 400, "x" * 5_000, "😀" * 3_000, "a😀" * 2_000,
     "para\n\n" * 900, "中文" * 3_000, "  indented\n" * 500],
)  # fmt: skip
def test_no_word_gets_lost_and_each_piece_fits(text: str) -> None:
    pieces = numbered(text)
    marks = [f"({number}/{len(pieces)}) " for number in range(1, len(pieces) + 1)]
    assert len(pieces) > 1
    assert all(piece.startswith(mark) for piece, mark in zip(pieces, marks, strict=True))
    assert max(map(size, pieces)) <= LIMIT
    said = "".join(piece.removeprefix(mark) for piece, mark in zip(pieces, marks, strict=True))
    assert "".join(said.split()) == "".join(text.split())


def test_pieces_end_between_words() -> None:
    pieces = numbered("word " * 1_000)
    assert all(piece.endswith("word") for piece in pieces)


def test_a_text_without_end_ends_with_where_the_rest_is() -> None:
    pieces = compose(reply("word " * 40_000))
    assert len(pieces) == MOST_PIECES and max(map(size, pieces)) <= LIMIT
    assert pieces[-1].endswith("word …\nThe rest is in the run run1.")


@pytest.mark.parametrize("unit", ["😀", "\n", "a ", " ", "\n\n "])
def test_cutting_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = f"a{unit * length}a"
        begin = time.process_time()
        numbered(text)
        return time.process_time() - begin

    assert min(seconds(400_000) for _ in range(3)) < 20 * min(
        seconds(100_000) + 0.005 for _ in range(3)
    )
