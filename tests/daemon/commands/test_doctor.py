"""What `ponderd doctor` says of a machine on which something is wrong. All well: test_cli_live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ponderd.daemon.commands.checks import Check
from ponderd.daemon.commands.doctor import examine, judge_state_server
from tests.services.model_server import ScriptedModel, Trap
from tests.services.ports import free_port
from tests.services.sinks import MailSink
from tests.services.state_cluster import StateCluster

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _nobody_there(data_dir: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(free_port()))
    monkeypatch.setenv("PONDERD_SMTP_PORT", str(free_port()))


async def checks(name: str) -> list[Check]:
    return [check for check in await asyncio.to_thread(examine) if check.name == name]


async def check(name: str) -> Check:
    (found,) = await checks(name)
    return found


Serve = Callable[[dict[str, Any]], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """An HTTP server that answers each path with JSON, or 401 for None."""
    runners: list[web.AppRunner] = []

    async def start(answers: dict[str, Any]) -> int:
        async def handle(request: web.Request) -> web.Response:
            value = answers.get(request.path)
            return web.json_response(value, status=401 if value is None else 200)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return int(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_machine_on_which_nothing_runs() -> None:
    levels = {check.name: check.level for check in await asyncio.to_thread(examine)}
    assert levels == {
        "Python": "ok",
        "settings": "ok",
        "safety": "ok",
        "data folder": "ok",
        "state server": "ok",  # the embedded ones: `ponderd up` starts them
        "model server": "ok",
        "HTTP API": "fail",
        "workers": "warn",
        "SMTP": "fail",
        "deliveries": "ok",
        "Slack": "ok",
        "SMS": "ok",
    }
    assert "ponderd up" in (await check("HTTP API")).advice


async def test_wrong_settings_are_all_named_and_nothing_else_is_tried(
    monkeypatch: Environment,
) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PORT", "abc")
    monkeypatch.setenv("PONDERD_SLOTS", "0")
    found = await asyncio.to_thread(examine)
    assert [check.name for check in found] == ["Python", "settings", "settings"]
    assert {check.level for check in found[1:]} == {"fail"}


async def test_a_misspelt_variable_is_a_warning(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_HTTP_PROT", "1")
    warning, valid = await checks("settings")
    assert (warning.level, valid.level) == ("warn", "ok")


async def test_a_broken_agent_file_is_named(tmp_path: Path, monkeypatch: Environment) -> None:
    (tmp_path / "broken.py").write_text("agent = 1")
    monkeypatch.setenv("PONDERD_AGENTS_DIR", str(tmp_path))
    found = await check("settings")
    assert found.level == "fail" and "broken.py" in found.found


async def test_a_routes_file_that_is_wrong_is_named(
    tmp_path: Path, monkeypatch: Environment
) -> None:
    (tmp_path / "ponderd.toml").write_text('[slack]\nagent = "butler"\n')
    monkeypatch.setenv("PONDERD_CONFIG", str(tmp_path / "ponderd.toml"))
    found = await check("settings")
    assert found.level == "fail" and "butler" in found.found


@pytest.mark.parametrize("setting", ["PONDERD_BLOBS", "PONDERD_ARCHIVE"])
async def test_a_store_that_is_no_place_is_named(setting: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv(setting, "http://minio:9000/bucket")
    found = await check("settings")
    assert found.level == "fail" and found.found.startswith(f"{setting}: ")


async def test_a_data_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: Environment) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PONDERD_DATA_DIR", str(tmp_path / "file"))
    assert (await check("data folder")).level == "fail"
    monkeypatch.setenv("PONDERD_DATA_DIR", str(tmp_path / "not" / "yet"))
    assert (await check("data folder")).level == "ok" and not (tmp_path / "not").exists()


@pytest.mark.parametrize(("free", "level"), [(100, "fail"), (500, "warn"), (5000, "ok")])
async def test_a_disk_that_fills_up(free: int, level: str, monkeypatch: Environment) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free * 10**6}))
    assert (await check("data folder")).level == level


async def test_a_state_server_that_does_not_answer(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_REDIS_URL", f"redis://:hush@127.0.0.1:{free_port()}/0")
    found = await check("state server")
    assert found.level == "fail" and "hush" not in str(found)


async def test_a_state_server_with_a_wrong_password(
    redis_url: str, monkeypatch: Environment
) -> None:
    monkeypatch.setenv("PONDERD_REDIS_URL", redis_url.replace("secret", "wrong"))
    assert (await check("state server")).level == "fail"


async def test_a_cluster_is_judged_by_its_worst_node(
    redis_cluster: StateCluster, monkeypatch: Environment
) -> None:
    monkeypatch.setenv("PONDERD_REDIS_URL", redis_cluster.url)
    monkeypatch.setenv("PONDERD_BROKER_URL", "redis://127.0.0.1:6379/0")
    found = await check("state server")
    assert (found.level, found.advice) == ("ok", "")
    assert "secret" not in found.found
    redis_cluster.nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert (await check("state server")).level == "fail"
    finally:
        redis_cluster.nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_daemon_that_cannot_sign(redis_url: str, monkeypatch: Environment) -> None:
    assert await checks("signing") == []  # `ponderd up` makes a secret itself
    monkeypatch.setenv("PONDERD_REDIS_URL", redis_url)
    found = await check("signing")
    assert (found.level, "PONDERD_SIGNING_SECRET" in found.found) == ("warn", True)
    monkeypatch.setenv("PONDERD_SIGNING_SECRET", "a secret of the signer")
    assert await checks("signing") == []


async def test_a_state_server_as_it_should_be(redis_url: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_REDIS_URL", redis_url)
    found = await check("state server")
    assert (found.level, found.advice) == ("ok", "")


@pytest.mark.parametrize(
    ("change", "level", "advice"),
    [
        ({}, "ok", ""),
        ({"aof_enabled": 0}, "warn", "appendonly yes"),
        ({"maxmemory_policy": "allkeys-lru"}, "fail", "maxmemory-policy noeviction"),
        ({"aof_last_write_status": "err"}, "fail", "disk full"),
        ({"redis_version": "6.0.16"}, "fail", "7.0 or newer"),
        ({"valkey_version": "9.1.2", "redis_version": "7.2.4"}, "ok", ""),
        ({"aof_enabled": 0, "maxmemory_policy": "allkeys-lru"}, "fail", "appendonly yes"),
    ],
)
def test_a_state_server_that_may_lose_runs(change: dict[str, Any], level: str, advice: str) -> None:
    info = {"redis_version": "7.0.15", "aof_enabled": 1, "maxmemory_policy": "noeviction"} | change
    found = judge_state_server("redis://host", info)
    assert found.level == level and advice in found.advice


async def test_a_model_server_that_does_not_answer(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_MODEL_URL", f"http://127.0.0.1:{free_port()}/v1")
    assert (await check("model server")).level == "fail"


async def test_a_model_server_says_its_dialect_and_its_models(
    serve: Serve, monkeypatch: Environment
) -> None:
    models = [{"id": "Qwen/Qwen3-8B", "owned_by": "vllm"}]
    port = await serve({"/v1/models": {"data": models}})
    monkeypatch.setenv("PONDERD_MODEL_URL", f"http://127.0.0.1:{port}/v1")
    found = await check("model server")
    assert found.level == "ok" and "vLLM" in found.found and "Qwen/Qwen3-8B" in found.found
    models[0]["owned_by"] = "llamacpp"
    assert "llama.cpp" in (await check("model server")).found
    monkeypatch.setenv("PONDERD_MODEL", "another")
    assert "PONDERD_MODEL" in (await check("model server")).advice
    monkeypatch.delenv("PONDERD_MODEL")
    models.clear()
    assert (await check("model server")).level == "fail"


async def test_runs_whose_agent_is_gone_are_told(serve: Serve, monkeypatch: Environment) -> None:
    waits = "2 runs wait for lab, an agent that no worker has"
    ready = {"ready": True, "checks": {"state": "ok", "workers": "ok"}, "degraded": [waits]}
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(await serve({"/readyz": ready, "/runs": {}})))
    found = await check("workers")
    assert (found.level, found.found) == ("warn", f"alive, but {waits}")
    assert "ponderd runs cancel" in found.advice


async def test_no_worker_alive(serve: Serve, monkeypatch: Environment) -> None:
    parts = {"state": "ok", "model": "ok", "workers": "no worker was heard from"}
    port = await serve({"/readyz": {"ready": False, "checks": parts}, "/runs": {"runs": []}})
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(port))
    found = await check("workers")
    assert found.level == "fail" and "ponderd work" in found.advice
    assert (await check("HTTP API")).level == "ok"


async def test_something_else_on_our_ports(serve: Serve, monkeypatch: Environment) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        monkeypatch.setenv("PONDERD_HTTP_PORT", str(await serve({"/readyz": "hello"})))
        monkeypatch.setenv("PONDERD_SMTP_PORT", str(server.sockets[0].getsockname()[1]))
        advice = {check.name: check.advice for check in await asyncio.to_thread(examine)}
    assert advice["HTTP API"] == "set PONDERD_HTTP_PORT"
    assert advice["SMTP"] == "set PONDERD_SMTP_PORT"


@pytest.mark.parametrize(
    ("settings", "level", "said"),
    [
        ({}, "warn", "PONDERD_MAIL_DOMAIN is ponderd.localhost"),
        ({"MAIL_DOMAIN": "agents.test"}, "warn", "nothing proves who wrote a mail"),
        ({"MAIL_DOMAIN": "agents.test", "MAIL_AUTHENTICATION": "relay:mx.test"}, "ok", "answers"),
        ({"SMTP_RELAY_TLS": "verify"}, "fail", "offers no TLS"),
    ],
)
async def test_the_mail_relay_is_asked(
    settings: dict[str, str], level: str, said: str, monkeypatch: Environment
) -> None:
    async with MailSink() as relay:
        monkeypatch.setenv("PONDERD_SMTP_RELAY", f"127.0.0.1:{relay.port}")
        for name, value in settings.items():
            monkeypatch.setenv(f"PONDERD_{name}", value)
        found = await check("mail relay")
    assert (found.level, said in found.found) == (level, True)
    assert bool(found.advice) == (level != "ok")
    assert relay.mails == []


async def test_a_mail_relay_that_is_away(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_SMTP_RELAY", f"127.0.0.1:{free_port()}")
    found = await check("mail relay")
    assert found.level == "fail" and "PONDERD_SMTP_RELAY" in found.advice


async def test_slack_tokens_are_tried(serve: Serve, monkeypatch: Environment) -> None:
    who = {"ok": True, "user": "ponderd", "team": "Acme"}
    opened = {"ok": True, "url": "wss://nowhere"}
    answers = {"/api/auth.test": who, "/api/apps.connections.open": opened}
    port = await serve(answers)
    monkeypatch.setenv("PONDERD_SLACK_API_URL", f"http://127.0.0.1:{port}/api/")
    monkeypatch.setenv("PONDERD_SLACK_BOT_TOKEN", "xoxb-1")
    valid, nothing_in = await checks("Slack")
    assert (
        valid.level == "ok"
        and nothing_in.level == "warn"
        and "PONDERD_SLACK_APP_TOKEN" in nothing_in.advice
    )
    monkeypatch.setenv("PONDERD_SLACK_APP_TOKEN", "xapp-1")
    well = await check("Slack")
    assert (well.level, well.found) == ("ok", "ponderd in Acme")
    answers["/api/apps.connections.open"] = {"ok": False, "error": "invalid_auth"}
    assert "PONDERD_SLACK_APP_TOKEN: invalid_auth" in (await checks("Slack"))[1].found
    answers["/api/auth.test"] = {"ok": False, "error": "token_revoked"}
    assert "PONDERD_SLACK_BOT_TOKEN: token_revoked" in (await check("Slack")).found


async def test_slack_half_set_up(monkeypatch: Environment) -> None:
    monkeypatch.setenv("PONDERD_SLACK_APP_TOKEN", "xapp-1")
    assert (await check("Slack")).level == "fail"
    monkeypatch.setenv("PONDERD_SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("PONDERD_SLACK_API_URL", f"http://127.0.0.1:{free_port()}/api/")
    assert "does not answer" in (await check("Slack")).found


@pytest.mark.parametrize(
    ("traps", "level", "says"),
    [
        (Trap.NONE, "ok", "keeps its budget"),
        (Trap.IGNORES_BUDGET, "warn", "has no effect"),
        (Trap.NO_JSON_AFTER_THOUGHT | Trap.NO_COUNTS, "warn", "estimated"),
        (Trap.IGNORES_SWITCH, "warn", "closes the thought itself"),
        (Trap.IGNORES_SWITCH | Trap.NO_TOKENIZER, "fail", "such calls fail"),
    ],
)
async def test_what_a_model_server_does_with_thinking(
    traps: Trap, level: str, says: str, monkeypatch: Environment
) -> None:
    async with ScriptedModel(traps=traps) as server:
        monkeypatch.setenv("PONDERD_MODEL_URL", server.url)
        found = await check("thinking")
    assert (found.level, says in found.found) == (level, True), found


async def test_thinking_is_not_looked_at_where_no_model_is_configured() -> None:
    assert await checks("thinking") == []
