import pytest

from ponderd.channels.people import named, principal_of, without_team, without_teams
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Approved by slack:t1/u1.", "Approved by slack:u1."),
        ("Cancelled by slack:t1/u1. slack:t2/u2", "Cancelled by slack:u1. slack:t2/u2"),
        ("this was already denied by slack:t1/u1: x(slack:t1/u2)",
         "this was already denied by slack:u1: x(slack:t1/u2)"),
        ("You may not decide this; it waits for slack:t1/u1 or email:a/b@c.test. x",
         "You may not decide this; it waits for slack:u1 or email:a/b@c.test. x"),
        ("slack:t1/u1: slack:t1/u2", "slack:u1: slack:t1/u2"),
        ("Denied by email:slack:t1/u1@a.test.", "Denied by email:slack:t1/u1@a.test."),
        ("I asked slack:t1/u1.", "I asked slack:t1/u1."),
    ],
)  # fmt: skip
def test_only_whom_a_sentence_names_is_shown_without_a_team(text: str, shown: str) -> None:
    assert without_teams(text) == shown
    assert "".join(part for part, _ in named(text)) == text


def test_a_principal() -> None:
    assert without_team("slack:t1/u1") == without_team("slack:u1") == "slack:u1"
    assert without_team("email:a/u1@b.test") == "email:a/u1@b.test"
    assert principal_of("T1/U1") == "slack:t1/u1"
    assert [principal_of(by) for by in ("ann", "api:ann", "a/U1@b")] == ["ann", "api:ann", "a/U1@b"]


@pytest.mark.parametrize("piece", ["slack:t1/u1 or ", "Approved by ", "a:b.c "])
def test_a_long_sentence_is_read_in_linear_time(piece: str) -> None:
    with in_linear_time():
        without_teams("Approved by " + piece * 50_000)
