from pathlib import Path

import pytest

from ponderd.daemon import configuration, secrets
from ponderd.daemon.commands.doctor_safety import safety_checks
from ponderd.daemon.routing import load_routes

STRONG = "a token that nobody guesses"


@pytest.fixture(autouse=True)
def safe(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PONDERD_API_TOKEN", STRONG)
    data_dir.chmod(0o700)
    secrets.load_or_create(data_dir)


def named(routes: Path | None = None) -> list[str]:
    found = safety_checks(configuration.load(), load_routes(routes, ["assistant"]))
    return [check.found for check in found if check.level == "warn"]


def test_a_safe_installation() -> None:
    assert named() == []


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("PONDERD_API_TOKEN", "a", "PONDERD_API_TOKEN has less than 16"),
        ("PONDERD_WEBHOOK_SECRET", "whsec_AA==", "PONDERD_WEBHOOK_SECRET has less than 24"),
        ("PONDERD_HOST", "0.0.0.0", "PONDERD_HOST is 0.0.0.0"),
    ],
)
def test_what_is_weak_is_named(
    name: str, value: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    [found] = named()
    assert found.startswith(what)


def test_a_proxy_with_tls_may_stand_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_HOST", "0.0.0.0")
    monkeypatch.setenv("PONDERD_PUBLIC_URL", "https://agents.example.com")
    assert named() == []


def test_a_weak_secret_of_a_route_is_named(tmp_path: Path) -> None:
    routes = tmp_path / "ponderd.toml"
    routes.write_text('[webhooks.git]\nverify = "github"\nsecret = "x"\n')
    assert named(routes) == ["a secret of [webhooks.git] is shorter than 16"]


def test_folders_and_files_that_others_reach_are_named(data_dir: Path) -> None:
    data_dir.chmod(0o777)
    assert named() == [f"others can write to {data_dir}"]
    data_dir.chmod(0o700)
    secrets.secrets_file(data_dir).chmod(0o644)
    assert named() == [f"others can read {secrets.secrets_file(data_dir)}"]
