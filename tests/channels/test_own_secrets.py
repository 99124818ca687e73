import pytest

from ponderd.channels import own_secrets
from ponderd.channels.own_secrets import hide, hide_and_cut, remember_secrets
from ponderd.channels.redaction import Redactor


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_secrets, "_redactor", Redactor())


def test_what_is_remembered_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "open-sesame, crabapple and hunter22"
    assert hide(text) == text
    remember_secrets(["open-sesame"])
    monkeypatch.setenv("SOME_PASSWORD", "hunter22")
    remember_secrets(["crabapple"])
    assert hide(text) == "***, *** and ***"


def test_nothing_of_a_secret_is_left_where_text_is_cut() -> None:
    remember_secrets(["a secret that is long"])
    assert hide_and_cut("x" * 10 + " a secret that is long", 16) == "x" * 10 + " ***"
    assert hide_and_cut("x" * 100, 16) == "x" * 16
