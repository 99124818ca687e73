"""What makes a mail look like a program's, beside its header."""

from __future__ import annotations

import pytest

from ponderd.channels.mail.sender.brake import ALIKE, likeness, suspicion


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I am away.", "I  am\naway."),
        ("I am away.", "I AM AWAY."),
        ("Subject: First\n\nI am away.", "Subject: Second\n\nI am away."),
        ("I am away.\n\n> heard: one", "I am away.\n\n> heard: two"),
    ],
    ids=["blanks", "case", "subjects", "quoted"],
)
def test_texts_that_are_the_same(one: str, other: str) -> None:
    assert likeness(one).same == likeness(other).same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ticket #1234 was opened.", "Ticket #1235 was opened."),
        ("Sent 5.5.2026 10:15", "Sent 6.5.2026 9:07"),
        ("Case 9f3c1a2b7d is closed", "Case 00ffee11 is closed"),
        ("No. 0f4e-beef-9d is closed", "No. cafe-beef-12 is closed"),
        ("您的编号是1234，谢谢", "您的编号是77，谢谢"),
    ],
)
def test_texts_that_are_alike(one: str, other: str) -> None:
    assert likeness(one).alike == likeness(other).alike
    assert likeness(one).same != likeness(other).same


def test_texts_that_are_neither() -> None:
    one, other = likeness("Please check room seven."), likeness("Please check room eight.")
    assert one.alike != other.alike


def test_words_are_counted_in_every_script() -> None:
    assert likeness("We got your mail 42 and ticket").words == 6
    assert likeness("我们已经收到您的邮件").words == 5


NOTICE = "We received your message. Your ticket has the number 4711."
MORE = ALIKE + 1


@pytest.mark.parametrize(
    ("text", "same", "alike", "in_thread", "suspected"),
    [
        (NOTICE, MORE, MORE, True, "loop"),
        (NOTICE, ALIKE, ALIKE, True, ""),
        (NOTICE, 1, MORE, True, "loop if quick"),
        (NOTICE, 1, MORE, False, "loop if quick"),
        (NOTICE, MORE, MORE, False, "loop if quick"),
        ("next", MORE, MORE, True, "loop if quick"),
        ("hello", MORE, MORE, False, ""),
        ("And what does number 5 say there?", 1, MORE, True, ""),
        ("Can you check room 7?", MORE, MORE, False, ""),
        ("Please add item 7 to the list, thank you.", 1, MORE, True, ""),
        ("Please cancel order 4711.", 1, MORE, True, "loop if quick"),
        ("I am away until Monday (7).", 1, MORE, True, "loop if quick"),
        ("您好，我们已收到您的邮件，编号 7。", 1, MORE, True, "loop if quick"),
        ("Order 4711", 1, MORE, True, ""),
    ],
)
def test_what_is_suspected(
    text: str, same: int, alike: int, in_thread: bool, suspected: str
) -> None:
    found = suspicion(likeness(text), same=same, alike=alike, in_thread=in_thread)
    assert found == suspected


@pytest.mark.parametrize("text", ["a" * 10**6, "1." * 10**6, "> " * 10**6, "\ud800", ""])
def test_any_text_can_be_compared(text: str) -> None:
    assert likeness(text).words <= 20_000
