"""What deploy/ says fits what the code is."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import typer
import yaml

from ponderd.channels.slack import installation
from ponderd.daemon.cli import app
from ponderd.daemon.configuration import describe, env_example
from ponderd.daemon.local.state_server import find_binary
from ponderd.workers.settings import WorkerSettings
from tests.services.eventually import PATIENCE
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS = {setting.name for setting in describe()}
COMMANDS = typer.main.get_command(app).commands.keys()  # type: ignore[attr-defined]
GRACE = WorkerSettings(drain_seconds=None, model_timeout=300).grace
"""What `ponderd settings --grace` prints for the default settings."""

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def test_env_example_is_what_the_settings_command_prints() -> None:
    assert (DEPLOY / "env.example").read_text() == env_example()


# -- Docker ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def services_of_ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in compose["services"].items() if part["image"] == "ponderd"}


def test_compose_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    named = {name for part in services_of_ours(compose).values() for name in part["environment"]}
    assert named
    assert named <= SETTINGS


def test_compose_names_only_settings_that_exist_in_its_variables() -> None:
    assert set(re.findall(r"PONDERD_\w+", (DEPLOY / "compose.yaml").read_text())) <= SETTINGS


def test_compose_runs_the_two_commands(compose: dict[str, Any]) -> None:
    commands = {name: part["command"] for name, part in services_of_ours(compose).items()}
    assert commands == {"daemon": ["serve"], "worker": ["work"]}
    assert {"serve", "work"} <= COMMANDS


def test_compose_files_and_volumes_exist(compose: dict[str, Any]) -> None:
    for part in compose["services"].values():
        for volume in part["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists()
            else:
                assert source in compose["volumes"]
    build = services_of_ours(compose)["daemon"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_compose_publishes_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for part in compose["services"].values() for port in part.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_only_ponderd_shares_a_network_with_redis(compose: dict[str, Any]) -> None:
    assert compose["networks"]["state"] == {"internal": True}
    on_it = {name for name, part in compose["services"].items() if "state" in part["networks"]}
    assert on_it == {"redis", *services_of_ours(compose)}
    assert "ports" not in compose["services"]["redis"]


def test_workers_can_be_scaled_and_get_the_time_to_drain(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert worker["stop_grace_period"] == f"${{WORKER_GRACE:-{GRACE}}}s"


def test_the_model_server_thinks_and_answers_in_json(compose: dict[str, Any]) -> None:
    command = compose["services"]["vllm"]["command"]
    assert command[0] == "Qwen/Qwen3-8B"
    for flag in (
        "--reasoning-parser=qwen3",
        "--tool-call-parser=hermes",
        "--enable-prefix-caching",
        '--structured-outputs-config={"backend":"xgrammar","disable_any_whitespace":true}',
    ):
        assert flag in command


def test_the_image_copies_what_exists_and_what_the_context_lets_in() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M)
        for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore
    assert set(re.findall(r"PONDERD_\w+", dockerfile)) <= SETTINGS


# -- Redis -------------------------------------------------------------------------------------


@pytest.fixture
def state_server(tmp_path: Path) -> Iterator[redis.Redis]:
    port = free_port()
    command = [find_binary(), DEPLOY / "redis.conf", "--port", str(port), "--dir", tmp_path]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout
    client = redis.Redis(port=port, decode_responses=True)
    try:
        line = ""
        while "Ready to accept connections" not in line:
            line = server.stdout.readline()
            assert line, "the server ended"
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(PATIENCE)
        server.stdout.close()


def test_redis_conf_is_accepted_and_keeps_everything(state_server: redis.Redis) -> None:
    config = state_server.config_get("*")
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(2 * 1024**3),
        "maxmemory-policy": "noeviction",
        "save": "",
        "protected-mode": "yes",
        "bind": "127.0.0.1",
    }
    assert {name: config[name] for name in wanted} == wanted


def test_memory_and_connections_are_limited_alike(compose: dict[str, Any]) -> None:
    conf = dict(re.findall(r"^(\w+) (\d+)\w*$", (DEPLOY / "redis.conf").read_text(), re.M))
    redis_part = compose["services"]["redis"]
    assert int(redis_part["mem_limit"].removesuffix("g")) >= 2 * int(conf["maxmemory"])
    assert redis_part["ulimits"]["nofile"] > int(conf["maxclients"])


# -- systemd -----------------------------------------------------------------------------------


def read_unit(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_runs_a_command_that_exists(unit: Path) -> None:
    service = read_unit(unit)["Service"]
    binary, command = service["ExecStart"].split()
    assert Path(binary).name == "ponderd"
    assert command in COMMANDS
    assert set(re.findall(r"PONDERD_\w+", service["Environment"])) <= SETTINGS


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_restarts_it_hardens_it_and_lets_it_drain(unit: Path) -> None:
    service = read_unit(unit)["Service"]
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "ponderd"
    works = service["ExecStart"].endswith(" work")
    assert int(service["TimeoutStopSec"]) == (GRACE if works else 30)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_itself_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace(
            "/opt/ponderd/.venv/bin/ponderd", shutil.which("true") or ""
        )
        (tmp_path / unit.name.replace("@", "@1")).write_text(text)
    units = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if "ponderd" in line] == []


# -- Slack -------------------------------------------------------------------------------------

HISTORY = {"channels:history", "groups:history", "im:history", "mpim:history"}

# From Slack's reference pages of these methods and events: any bot may open a socket.
NEEDED = {
    "apps_connections_open": set(),
    "assistant_threads_setStatus": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_postMessage": {"chat:write"},
    "chat_update": {"chat:write"},
    # Its other two scopes are for direct messages, which nobody mentions.
    "conversations_info": {"channels:read", "groups:read"},
    "conversations_open": {"im:write"},
    "conversations_history": HISTORY,
    "conversations_replies": HISTORY,
    "files_info": {"files:read"},
    "reactions_add": {"reactions:write"},
    "reactions_remove": {"reactions:write"},
    "usergroups_list": {"usergroups:read"},
    "users_info": {"users:read"},
    "include_all_metadata": {"metadata.message:read"},
    "app_mention": {"app_mentions:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "reaction_added": {"reactions:read"},
    "slash_commands": {"commands"},
    "shortcuts": {"commands"},
}


@pytest.fixture
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "slack-manifest.yaml").read_text())
    return found


def test_the_slack_manifest_covers_what_the_channel_calls(manifest: dict[str, Any]) -> None:
    source = "".join(path.read_text() for path in (ROOT / "channels" / "slack").rglob("*.py"))
    used = set(re.findall(r"client\.([a-z]+_\w+)\(", source))
    used |= set(re.findall(r"include_all_metadata", source))
    used |= set(manifest["settings"]["event_subscriptions"]["bot_events"])
    used |= {"slash_commands", "shortcuts"} & set(manifest["features"])
    assert used == NEEDED.keys()
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert set(scopes) == set().union(*NEEDED.values())
    assert len(scopes) == len(set(scopes))
    assert manifest["settings"]["interactivity"]["is_enabled"]


def test_the_doctor_asks_for_what_the_manifest_has(manifest: dict[str, Any]) -> None:
    assert installation.SCOPES.keys() == set(manifest["oauth_config"]["scopes"]["bot"])
    assert installation.EVENTS.keys() == set(
        manifest["settings"]["event_subscriptions"]["bot_events"]
    )
    [command] = manifest["features"]["slash_commands"]
    assert command["command"] == installation.COMMAND


def test_the_manifest_keeps_to_slacks_limits(manifest: dict[str, Any]) -> None:
    """From https://docs.slack.dev/reference/app-manifest, in characters."""
    features = manifest["features"]
    [command], [shortcut] = features["slash_commands"], features["shortcuts"]
    about = manifest["display_information"]
    assert len(about["name"]) <= 35 and len(about["description"]) <= 140
    assert len(command["command"]) <= 32 and len(command["description"]) <= 2_000
    assert len(command["usage_hint"]) <= 1_000
    assert len(shortcut["name"]) <= 24 and len(shortcut["description"]) <= 150
