"""Who asks again for the same, and who asks something else."""

import pytest

from ponderd.workers.run.repeats import repeats


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("how many bells are there", "how many bells are there?!"),
        ("What is the capital of France?", "/think What is the capital of France"),
        ("what is 31 + 4?", "no, that is wrong"),
        ("what is 31 + 4?", "Wrong!"),
        ("what is 31 + 4?", "wrong answer, look again"),
        ("what is 31 + 4?", "Hm, not what I asked for"),
        ("was ist 3 + 4?", "Das stimmt nicht."),
        ("a long mail " * 100_000, "a long mail " * 100_000),
    ],
)
def test_the_same_again(before, now):
    assert repeats(before, now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("What is 31 + 4?", "What is 31 + 5?"),
        ("deploy api 1.2", "deploy api 1.3"),
        ("deploy the api to production", "deploy the web to production"),
        ("invoice 11 is right", "Wrong address on invoice 12"),
        ("how many bells are there", "and what is the weather like?"),
        ("hello", "hello"),
        ("what is it?", "falsch geliefert: zwei Pakete"),
    ],
)
def test_something_else(before, now):
    assert not repeats(before, now)
