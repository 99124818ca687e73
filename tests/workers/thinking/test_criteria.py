"""What a text tells about the need to think."""

import pytest

from ponderd.workers.thinking.criteria import SEEN, frame, read

STORY = (
    "Anna buys 3 boxes of 12 eggs each and drops 5 eggs on the way home. "
    "How many eggs are left in total?"
)


def test_a_story_with_several_numbers_takes_several_steps():
    criteria = read(STORY)
    assert criteria.several_steps
    assert criteria.numbers == 3
    assert criteria.reasoning >= 0.8
    assert criteria.solution == 0


@pytest.mark.parametrize("text", ["hello", "What is 17 * 23?", "thanks!", "what time is it?", ""])
def test_small_talk_and_one_step_do_not(text):
    criteria = read(text)
    assert not criteria.several_steps
    assert criteria.reasoning <= 0.4
    assert frame(criteria) == ""


def test_a_long_text_without_a_question_of_steps_is_not_one():
    mail = "Subject: Invoice 4711\n\nOn 3 May 2026 you charged 20 euros to card 1234. Thanks. " * 2
    assert not read(mail).several_steps
    assert not read("how many 1 2 3 4 " * 1000).several_steps


@pytest.mark.parametrize(
    ("text", "criterion", "says"),
    [
        (STORY, "reasoning", "several steps"),
        ("Is this kernel deadlock a race condition?", "knowledge", "special knowledge"),
        ("Design and propose a strategy, and discuss it.", "solution", "weigh options"),
        ("But not exactly, except without the trick, although only once.", "intent", "catch"),
    ],
)
def test_each_of_adacots_criteria_has_its_words(text, criterion, says):
    criteria = read(text)
    assert getattr(criteria, criterion) >= 0.6
    assert says in frame(criteria)


def test_a_question_to_look_something_up_has_one_solution():
    assert read("What is the best way to design this?").solution == 0
    assert read("Please design this; explain the best way.").solution > 0.6


def test_code_is_recognised():
    assert read("```\nx = 1\n```").code
    assert read("Traceback (most recent call last):").code
    assert not read("I am in class today").code


def test_a_text_of_any_length_is_read_at_its_beginning_and_end():
    long = f"{STORY}{' ' * 10 * SEEN}Prove it step by step."
    assert read(long).chars == len(long)
    assert read(long).numbers == 3
