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
    for secret in (made.api_token, made.state_password, made.signing_secret, made.model_key):
        assert len(secret) >= 32
    assert len(standard_key(made.webhook_secret)) == 24


@pytest.mark.parametrize("newer", ["signing_secret", "model_key"])
def test_an_old_file_gets_newer_secrets_and_keeps_the_others(tmp_path: Path, newer: str) -> None:
    made = secrets.load_or_create(tmp_path)
    old = made.model_dump_json(exclude={newer})
    secrets.secrets_file(tmp_path).write_text(old)
    found = secrets.read(tmp_path)
    assert found is not None and getattr(found, newer) == ""
    completed = secrets.load_or_create(tmp_path)
    assert completed == made.model_copy(update={newer: getattr(completed, newer)})
    assert len(getattr(completed, newer)) >= 32
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


def test_what_others_can_reach_is_mended_if_it_is_ours(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = secrets.load_or_create(folder)
    secrets.write_authorization(folder, "token")
    folder.chmod(0o777)
    for file in (secrets.secrets_file(folder), secrets.authorization_file(folder)):
        file.chmod(0o666)
    said: list[str] = []
    assert secrets.load_or_create(folder, said.append) == made
    assert mode(folder) == 0o755
    assert mode(secrets.secrets_file(folder)) == 0o600
    assert mode(secrets.authorization_file(folder)) == 0o600
    assert said == [
        f"others could write to {folder}; now only its owner can",
        f"others could read {secrets.secrets_file(folder)}, which holds secrets; "
        "now only its owner can",
        f"others could read {secrets.authorization_file(folder)}, which holds secrets; "
        "now only its owner can",
    ]
    said.clear()
    secrets.load_or_create(folder, said.append)
    assert said == []


def test_a_folder_that_only_others_can_read_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    secrets.load_or_create(tmp_path)
    assert mode(tmp_path) == 0o750


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_another_user_opened_to_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    secrets.load_or_create(tmp_path)
    opened = tmp_path if what == "folder" else secrets.secrets_file(tmp_path)
    opened.chmod(0o777)
    another = 0 if opened.stat().st_uid else 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(StartupError, match=rf"others can .* {opened}, .* set PONDERD_DATA_DIR"):
        secrets.load_or_create(tmp_path)
    assert mode(opened) == 0o777


def test_a_place_without_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows none: all is everybody's there, whatever is set."""
    tmp_path.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    with pytest.raises(StartupError, match="others can write to"):
        secrets.load_or_create(tmp_path)


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path.stat()
    theirs = os.stat_result((stat.S_IFDIR | 0o755, *here[1:4], 12_345, *here[5:]))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: theirs)
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(StartupError, match="belongs to another user; set PONDERD_DATA_DIR"):
        secrets.load_or_create(tmp_path)
