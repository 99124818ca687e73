from pathlib import Path

import pytest

from ponderd.channels.errors import StartupError
from ponderd.daemon import configuration, secrets
from ponderd.daemon.configuration import unknown

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _fresh_data_folder(data_dir: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_DATA_DIR", str(data_dir))


def refusal() -> list[str]:
    with pytest.raises(StartupError) as error:
        configuration.load()
    assert error.value.exit_code == 2
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("HTTP_PORT", "abc", "PONDERD_HTTP_PORT: 'abc' is not a valid integer"),
        ("HTTP_PORT", "0", "PONDERD_HTTP_PORT: '0' must be at least 1"),
        ("SMTP_PORT", "70000", "PONDERD_SMTP_PORT: '70000' must be at most 65535"),
        ("MODEL_TIMEOUT", "soon", "PONDERD_MODEL_TIMEOUT: 'soon' is not a valid number"),
        ("MODEL_TIMEOUT", "0", "PONDERD_MODEL_TIMEOUT: '0' must be more than 0"),
        ("AGENTS_DIR", "/none", "PONDERD_AGENTS_DIR: '/none' is not valid: /none is not a folder"),
    ],
)
def test_a_wrong_setting_is_one_line(
    name: str, value: str, line: str, monkeypatch: Environment
) -> None:
    monkeypatch.setenv(f"PONDERD_{name}", value)
    assert refusal() == [line]


def test_a_value_that_does_not_fit_is_told_what_is_expected(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_SMTP_RELAY", "mail.example.org")
    (line,) = refusal()
    assert line.startswith(
        "PONDERD_SMTP_RELAY: 'mail.example.org' is not valid; expected: host:port"
    )


@pytest.mark.parametrize("how", ["on", "relay", "relay:", "relay:a b", "DKIM"])
def test_how_mail_is_authenticated_is_one_of_three(how: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_MAIL_AUTHENTICATION", how)
    (line,) = refusal()
    assert line.startswith(f"PONDERD_MAIL_AUTHENTICATION: {how!r} is not valid; expected: ")


@pytest.mark.parametrize(
    "entry", ["example.com", "*@example.com", "*", "Ann <ann@example.com>", "@"]
)
def test_who_may_write_is_named_by_address_or_domain(entry: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_MAIL_ALLOW", f"@partner.example, {entry}")
    (line,) = refusal()
    assert line.startswith("PONDERD_MAIL_ALLOW: ")
    assert line.endswith(f"{entry!r} is no address; for a whole domain write @example.com")


@pytest.mark.parametrize(
    ("name", "entry", "examples"),
    [
        ("SLACK_ALLOW", "ann", "guests, T0123, U0123 or C0123"),
        ("SLACK_ALLOW", "#ops", "guests, T0123, U0123 or C0123"),
        ("SLACK_ALLOW", "B0123", "guests, T0123, U0123 or C0123"),
        ("SLACK_BOTS", "Alertmanager", "B0123, A0123, U0123 or workflows"),
        ("SLACK_BOTS", "guests", "B0123, A0123, U0123 or workflows"),
    ],
)
def test_slack_knows_people_bots_and_channels_by_id(
    name: str, entry: str, examples: str, monkeypatch: Environment
) -> None:
    monkeypatch.setenv(f"PONDERD_{name}", f"U0123ABCD, {entry}")
    (line,) = refusal()
    assert line.startswith(f"PONDERD_{name}: ")
    assert line.endswith(f"{entry!r} is no id of Slack; write {examples}")


@pytest.mark.parametrize("domain", ["@agents.test", "a.test, b.test", "https://a.test", "*.a.test"])
def test_the_mail_domain_is_one(domain: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_MAIL_DOMAIN", domain)
    (line,) = refusal()
    assert line.startswith(f"PONDERD_MAIL_DOMAIN: {domain!r} is not valid; expected: mail domain")


def test_a_relay_is_reached_at_a_port_and_with_a_name(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_SMTP_RELAY", "mail.example.org:99999")
    monkeypatch.setenv("PONDERD_SMTP_RELAY_PASSWORD", "open sesame")
    assert refusal() == [
        "PONDERD_SMTP_RELAY: 'mail.example.org:99999' is not valid: there is no such port",
        "PONDERD_SMTP_RELAY_PASSWORD: the value is not valid: "
        "needs PONDERD_SMTP_RELAY_USER, without which nobody logs in",
    ]


def test_proof_of_all_mail_needs_a_way_to_prove_it(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_MAIL_REQUIRE_PROOF", "true")
    (line,) = refusal()
    assert line.startswith("PONDERD_MAIL_REQUIRE_PROOF: ")
    assert "needs PONDERD_MAIL_AUTHENTICATION" in line
    monkeypatch.setenv("PONDERD_MAIL_AUTHENTICATION", "relay:microsoft365")
    assert configuration.load().channels.mail_require_proof


def test_all_wrong_settings_are_told_at_once(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PORT", "abc")
    monkeypatch.setenv("PONDERD_SLOTS", "0")
    monkeypatch.setenv("PONDERD_WEBHOOK_SECRET", "not-standard")
    names = {line.partition(":")[0] for line in refusal()}
    assert names == {"PONDERD_HTTP_PORT", "PONDERD_SLOTS", "PONDERD_WEBHOOK_SECRET"}


def test_secrets_are_never_repeated(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_WEBHOOK_SECRET", "hush")
    monkeypatch.setenv("PONDERD_SIGNING_SECRET", "hush")
    monkeypatch.setenv("PONDERD_REDIS_URL", "http://user:hush@host:6379")
    assert not any("hush" in line for line in refusal())


def test_an_empty_variable_is_not_set(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PORT", "")
    assert configuration.load().daemon.http_port == 8700


def test_overrides_go_before_the_environment(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_LOG_FORMAT", "console")
    assert configuration.load(log_format="json").workers.log_format == "json"


def test_secrets_that_up_made_are_found(data_dir: Path) -> None:
    made = secrets.load_or_create(data_dir)
    found = configuration.load()
    assert found.daemon.api_token and found.channels.webhook_secret
    assert found.daemon.api_token.get_secret_value() == made.api_token
    assert found.channels.webhook_secret.get_secret_value() == made.webhook_secret
    assert found.channels.signing_key == made.signing_secret.encode()
    assert found.made == {"api_token", "webhook_secret", "signing_secret"}


def test_a_folder_from_before_signing_signs_nothing(data_dir: Path) -> None:
    made = secrets.load_or_create(data_dir)
    old = made.model_dump_json(exclude={"signing_secret"})
    secrets.secrets_file(data_dir).write_text(old)
    found = configuration.load()
    assert (found.channels.signing_secret, found.channels.signing_key) == (None, b"")
    assert "signing_secret" not in found.made


def test_configured_secrets_go_before_those_that_up_made(
    data_dir: Path, monkeypatch: Environment
) -> None:
    secrets.load_or_create(data_dir)
    monkeypatch.setenv("PONDERD_API_TOKEN", "mine")
    found = configuration.load()
    assert found.daemon.api_token and found.daemon.api_token.get_secret_value() == "mine"
    assert found.made == {"webhook_secret", "signing_secret"}


def test_each_value_says_where_it_comes_from(data_dir: Path, monkeypatch: Environment) -> None:
    secrets.load_or_create(data_dir)
    monkeypatch.setenv("PONDERD_HTTP_PORT", "8701")
    monkeypatch.setenv("PONDERD_REDIS_URL", "redis://user:hush@host:6379/0")
    values = {
        value.setting.name: (value.value, value.source) for value in configuration.load().values()
    }
    assert values["PONDERD_HTTP_PORT"] == ("8701", "environment")
    assert values["PONDERD_SMTP_PORT"] == ("8725", "default")
    assert values["PONDERD_API_TOKEN"] == ("**********", "data folder")
    assert values["PONDERD_REDIS_URL"] == ("redis://***@host:6379/0", "environment")
    assert values["PONDERD_MODEL_URL"] == (None, "default")


def test_an_unknown_variable_is_named_with_the_likely_one() -> None:
    assert unknown({"PONDERD_HTTP_PROT": "1", "PONDERD_HTTP_PORT": "1", "HOME": "/"}) == (
        "PONDERD_HTTP_PROT is not a setting; did you mean PONDERD_HTTP_PORT?",
    )
    assert unknown({"PONDERD_XYZZY": "1"}) == ("PONDERD_XYZZY is not a setting",)


def test_a_cluster_needs_a_broker_beside_it(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_REDIS_URL", "rediss+cluster://user:hush@host:6379")
    with pytest.raises(StartupError, match="set PONDERD_BROKER_URL") as error:
        configuration.load()
    assert "hush" not in str(error.value)
    monkeypatch.setenv("PONDERD_BROKER_URL", "redis://broker:6379/0")
    assert configuration.load().workers.broker == "redis://broker:6379/0"
    monkeypatch.setenv("PONDERD_REDIS_URL", "redis://host:6379/0")
    monkeypatch.delenv("PONDERD_BROKER_URL")
    assert configuration.load().workers.broker == "redis://host:6379/0"


def test_what_a_process_needs_is_named() -> None:
    with pytest.raises(
        StartupError, match="needs PONDERD_REDIS_URL and PONDERD_MODEL_URL"
    ) as error:
        configuration.load().require("ponderd work", "redis_url", "model_url")
    assert error.value.exit_code == 2


def test_the_example_environment_names_every_setting_and_means_the_defaults(
    monkeypatch: Environment,
) -> None:
    monkeypatch.delenv("PONDERD_DATA_DIR")
    before = configuration.load()
    entries = [
        line.removeprefix("#").partition("=")
        for line in configuration.env_example().splitlines()
        if line.startswith("#PONDERD_")
    ]
    assert [name for name, _, _ in entries] == [s.name for s in configuration.describe()]
    for name, _, value in entries:
        monkeypatch.setenv(name, value)
    after = configuration.load()
    assert (after.channels, after.workers, after.daemon) == (
        before.channels,
        before.workers,
        before.daemon,
    )


def test_every_setting_is_described() -> None:
    assert [setting.name for setting in configuration.describe() if not setting.description] == []
