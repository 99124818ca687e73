"""The commands that need no daemon, and what all commands have in common."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from ponderd.daemon import cli, secrets
from tests.daemon.commands.commands import Ponderd, ponderd
from tests.services.ports import free_port

__all__ = ["ponderd"]


@pytest.fixture(autouse=True)
def _nobody_there(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(free_port()))


def every_command() -> list[tuple[str, ...]]:
    group = typer.main.get_command(cli.app)
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        nested = getattr(command, "commands", None)
        found += [(name, inner) for inner in nested] if nested else [(name,)]
    return found


def test_these_are_the_commands() -> None:
    assert {" ".join(names) for names in every_command()} == {
        *("up", "serve", "work", "chat", "launch", "settings", "doctor", "version"),
        *("runs list", "runs show", "runs tail", "runs answer"),
        *("runs pause", "runs resume", "runs cancel", "runs retry", "runs fork", "runs event"),
        *("runs check", "runs prompt", "runs replay", "runs rate", "approvals"),
        *("deliveries list", "deliveries retry", "store show", "store move"),
        *("schedules show", "schedules run", "schedules pause", "schedules resume"),
        *("thinking report", "thinking tune", "thinking evaluate", "thinking export"),
        "thinking reset",
    }


@pytest.mark.parametrize("names", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(
    names: tuple[str, ...], ponderd: Ponderd
) -> None:
    result = ponderd(*names, "--help")
    assert result.code == 0 and "--json" in result.out
    example = re.search("Example: (.*)", result.out)
    assert example and f"ponderd {' '.join(names)}" in example.group(1)


def test_help_lists_the_exit_codes(ponderd: Ponderd) -> None:
    listed = re.findall(r"^ +(\d) ", ponderd("--help").out, re.MULTILINE)
    assert listed == ["0", "1", "2", "3", "4", "5"]


def test_wrong_usage_is_exit_code_2(ponderd: Ponderd) -> None:
    assert ponderd("launch", "assistant").code == 2
    assert ponderd("runs", "list", "--status", "BUSY").code == 2
    assert ponderd("juggle").code == 2


@pytest.mark.parametrize(
    "command",
    ["launch a b", "runs list", "runs show 00-a-b", "runs tail 00-a-b", "runs pause 00-a-b"],
)
def test_without_a_daemon_there_is_one_line_and_exit_code_5(command: str, ponderd: Ponderd) -> None:
    result = ponderd(*command.split())
    assert (result.code, result.out) == (5, "")
    port = os.environ["PONDERD_HTTP_PORT"]
    assert result.err == (
        f"ponderd: no ponderd answers at http://127.0.0.1:{port}; start it with `ponderd up`\n"
    )


def test_chat_without_a_daemon_is_exit_code_5(ponderd: Ponderd) -> None:
    assert ponderd("chat", stdin="hello\n").code == 5


def test_a_wrong_setting_is_one_line_and_exit_code_2(
    ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PORT", "abc")
    for command in (["runs", "list"], ["settings"], ["serve"], ["up"]):
        result = ponderd(*command)
        assert (result.code, result.out) == (2, "")
        assert result.err == "ponderd: PONDERD_HTTP_PORT: 'abc' is not a valid integer\n"


def test_serve_and_work_say_what_they_need(ponderd: Ponderd) -> None:
    serve, work = ponderd("serve"), ponderd("work")
    assert (serve.code, work.code) == (2, 2)
    assert "serve needs PONDERD_REDIS_URL and PONDERD_API_TOKEN" in serve.err
    assert "work needs PONDERD_REDIS_URL and PONDERD_MODEL_URL" in work.err
    assert "`ponderd up`" in serve.err and "`ponderd up`" in work.err


def test_serve_finds_the_token_that_up_made(ponderd: Ponderd, data_dir: Path) -> None:
    secrets.load_or_create(data_dir)
    assert "needs PONDERD_REDIS_URL; set" in ponderd("serve").err


def test_settings_show_value_source_and_meaning_but_no_secret(
    ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDERD_MAIL_ALLOW", "@example.org,eve@example.com")
    monkeypatch.setenv("PONDERD_API_TOKEN", "hush")
    text = ponderd("settings").out
    assert "PONDERD_MAIL_ALLOW = @example.org,eve@example.com (environment)\n    senders" in text
    assert "PONDERD_SMTP_PORT = 8725\n" in text and "hush" not in text
    listed = {entry["name"]: entry for entry in ponderd("settings", "--json").json}
    assert listed["PONDERD_API_TOKEN"]["value"] == "**********"
    assert listed["PONDERD_SMTP_PORT"]["source"] == "default"


def test_settings_warn_of_a_misspelt_variable_on_stderr(
    ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PROT", "1")
    result = ponderd("settings", "--json")
    assert result.code == 0 and result.json
    assert "did you mean PONDERD_HTTP_PORT?" in result.err


def test_settings_print_an_environment_file(ponderd: Ponderd) -> None:
    assert "\n#PONDERD_HTTP_PORT=8700\n" in ponderd("settings", "--env").out


def test_version(ponderd: Ponderd) -> None:
    number = ponderd("version", "--json").json["version"]
    assert ponderd("version").out == f"ponderd {number}\n"


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "ponderd.daemon.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage: ponderd" in done.stdout and "\x1b" not in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, ponderd.daemon.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"fastapi", "celery", "aiohttp", "redis", "slack_bolt", "uvicorn", "rich", "pydantic"}
    heavy |= {"numpy", "matplotlib"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "ponderd.daemon.cli", "settings"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.stderr == ""
