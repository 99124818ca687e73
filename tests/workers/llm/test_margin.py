"""How sure a model was: only what one can be wrong about counts."""

import math

import pytest

from ponderd.workers.llm.margin import comparable, margin
from ponderd.workers.llm.probe import NEEDS_THOUGHT, log_odds, with_question


def values(text: str) -> list[str]:
    return [text[begin:end] for begin, end in comparable(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"answer":42}', ["42"]),
        ('{"answer":-1.5e3,"sure":true}', ["-1.5e3", "true"]),
        ('{"action":"add","a":1}', ["add", "1"]),
        ('{"action":"reply","text":"this can be put in many ways"}', ["reply"]),
        ('{"city":"New York"}', ["New York"]),
        ('{"a" : "b"}', ["b"]),
        ('{"a":""}', []),
        ('{"x\\"y":"a\\"b"}', ['a\\"b']),
        ("no JSON at all", []),
    ],
)
def test_numbers_and_short_words_can_be_wrong(text, found):
    assert values(text) == found


def test_the_least_sure_token_of_them_counts():
    tokens = [('{"', -9.0), ("answer", -8.0), ('":', -7.0), ("4", -0.1), ("2", -1.5), ("}", -6.0)]
    assert margin(tokens) == -1.5


def test_a_token_that_also_holds_a_quote_counts_for_what_is_in_it():
    assert margin([('{"a":"', -5.0), ("Mars", -0.2), ('"}', -3.0)]) == -0.2
    assert margin([('{"a":"M', -5.0), ('ars"}', -0.2)]) == -5.0


def test_where_nothing_can_be_compared_there_is_no_margin():
    assert margin([]) is None
    assert margin([('{"text":"', -1.0), ("a b c d e f", -2.0), ('"}', -1.0)]) is None


# -- log_odds -------------------------------------------------------------------------------------


def test_which_way_a_model_leans_is_read_from_its_first_token():
    sure = [("yes", math.log(0.6)), ("Yes", math.log(0.2)), (" no", math.log(0.1))]
    assert log_odds(sure) == pytest.approx(math.log(0.8 / 0.1))
    assert log_odds([("No", -0.1), ("the", -3.0)]) < 0
    assert log_odds([("the", -0.1)]) == 0


def test_the_question_comes_after_the_real_messages():
    system = {"role": "system", "content": "s"}
    said = with_question([system, {"role": "user", "content": "why?"}], NEEDS_THOUGHT)
    assert said == [system, {"role": "user", "content": f"why?\n\n{NEEDS_THOUGHT}"}]
    after = with_question([{"role": "assistant", "content": "a"}], "q?")
    assert after[-1] == {"role": "user", "content": "q?"}
