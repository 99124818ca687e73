import os
import stat
from pathlib import Path

import pytest

from ponderd.channels.errors import StartupError
from ponderd.channels.signature import standard_key
from ponderd.daemon import secrets


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_secrets_and_later_ones_find_them(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = secrets.load_or_create(folder)
    assert secrets.load_or_create(folder) == made == secrets.read(folder)
    for secret in (made.api_token, made.state_password, made.signing_secret):
        assert len(secret) >= 32
    assert len(standard_key(made.webhook_secret)) == 24


def test_a_file_from_before_signing_gets_its_secret_and_keeps_the_others(tmp_path: Path) -> None:
    made = secrets.load_or_create(tmp_path)
    old = made.model_dump_json(exclude={"signing_secret"})
    secrets.secrets_file(tmp_path).write_text(old)
    found = secrets.read(tmp_path)
    assert found is not None and found.signing_secret == ""
    completed = secrets.load_or_create(tmp_path)
    assert completed == made.model_copy(update={"signing_secret": completed.signing_secret})
    assert len(completed.signing_secret) >= 32
    assert secrets.load_or_create(tmp_path) == completed
    assert mode(secrets.secrets_file(tmp_path)) == 0o600


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    one, two = secrets.load_or_create(tmp_path / "1"), secrets.load_or_create(tmp_path / "2")
    assert not set(one.model_dump().values()) & set(two.model_dump().values())


def test_only_the_owner_can_read_them_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        secrets.load_or_create(folder)
        secrets.write_authorization(folder, "token")
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(secrets.secrets_file(folder)) == 0o600
    assert mode(secrets.authorization_file(folder)) == 0o600


def test_a_readable_file_of_that_name_is_replaced_not_filled(tmp_path: Path) -> None:
    secrets.authorization_file(tmp_path).write_text("old")
    secrets.authorization_file(tmp_path).chmod(0o644)
    secrets.write_authorization(tmp_path, "new")
    assert mode(secrets.authorization_file(tmp_path)) == 0o600


def test_clients_read_the_token_that_the_last_start_used(tmp_path: Path) -> None:
    assert secrets.read_token(tmp_path) is None
    secrets.write_authorization(tmp_path, "abc")
    assert secrets.read_token(tmp_path) == "abc"
    assert secrets.authorization_file(tmp_path).read_text() == "Authorization: Bearer abc\n"


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert secrets.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", '{"api_token": "x"}', "[]"])
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, content: str) -> None:
    secrets.secrets_file(tmp_path).write_text(content)
    with pytest.raises(StartupError, match=r"secrets\.json is damaged; delete it"):
        secrets.load_or_create(tmp_path)
    assert secrets.secrets_file(tmp_path).read_text() == content
