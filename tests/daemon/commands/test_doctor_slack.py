from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.installation import EVENTS, SCOPES
from ponderd.daemon.commands.checks import Check
from ponderd.daemon.commands.doctor_slack import slack_checks
from tests.services import slack_api
from tests.services.slack_api import SlackApi

APP = "xapp-1-A7-123-abc"


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        api.scopes = ",".join(SCOPES)
        yield api


async def examine(api: SlackApi, **given: Any) -> dict[str, Check]:
    """The checks by name, those of one name together."""
    secrets = {"slack_bot_token": "xoxb-1", "slack_app_token": APP} | given
    settings = ChannelSettings(
        slack_api_url=api.url,
        **{
            name: SecretStr(value) if isinstance(value, str) else value
            for name, value in secrets.items()
        },
    )
    checks = await slack_checks(settings)
    return {
        name: Check(
            name=name,
            level=max(found, key=lambda check: ("ok", "warn", "fail").index(check.level)).level,
            found="\n".join(check.found for check in found),
            advice="".join(check.advice for check in found),
        )
        for name in dict.fromkeys(check.name for check in checks)
        for found in [[check for check in checks if check.name == name]]
    }


def manifest(**changes: Any) -> dict[str, Any]:
    settings = {
        "event_subscriptions": {"bot_events": [*EVENTS]},
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    }
    return {"settings": settings | changes}


async def test_an_app_as_in_the_manifest(api: SlackApi) -> None:
    checks = await examine(api)
    assert {name: check.level for name, check in checks.items()} == {
        "Slack": "ok",
        "Slack scopes": "ok",
        "Slack events": "ok",
    }
    assert checks["Slack"].found == "ponderd in Acme"


async def test_missing_scopes_are_named_with_what_does_not_work(api: SlackApi) -> None:
    api.scopes = ", ".join(SCOPES.keys() - {"files:read", "users:read"})
    found = (await examine(api))["Slack scopes"]
    assert found.level == "warn"
    assert "without files:read, files are only named, not read" in found.found
    assert "users:read" in found.found and "chat:write" not in found.found
    assert "Reinstall" in found.advice


@pytest.mark.parametrize("vital", ["chat:write", "app_mentions:read"])
async def test_without_a_vital_scope_nothing_works(vital: str, api: SlackApi) -> None:
    api.scopes = ",".join(SCOPES.keys() - {vital})
    assert (await examine(api))["Slack scopes"].level == "fail"


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ({"slack_bot_token": APP}, "PONDERD_SLACK_BOT_TOKEN is an app-level token"),
        ({"slack_bot_token": "xoxp-1"}, "PONDERD_SLACK_BOT_TOKEN is a user token"),
        ({"slack_bot_token": "xoxe.xoxp-1"}, "PONDERD_SLACK_BOT_TOKEN is a configuration token"),
        ({"slack_app_token": "xoxb-1"}, "PONDERD_SLACK_APP_TOKEN is a bot token"),
        ({"slack_app_token": "xoxp-1"}, "PONDERD_SLACK_APP_TOKEN is a user token"),
    ],
)
async def test_tokens_that_were_mixed_up(tokens: dict[str, str], says: str, api: SlackApi) -> None:
    found = (await examine(api, **tokens))["Slack"]
    assert (found.level, says in found.found) == ("fail", True), found
    assert tokens.popitem()[1] not in found.found, "a token is a secret"


async def test_a_rotated_bot_token_is_one(api: SlackApi) -> None:
    assert (await examine(api, slack_bot_token="xoxe.xoxb-1"))["Slack"].level == "ok"


async def test_each_workspace_has_its_check(api: SlackApi, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("T1=xoxb-1\nT2=xoxb-2\nT3=xoxb-3\nE1=xoxb-4\n")
    api.workspaces = {
        "xoxb-2": {"team": "Buro", "team_id": "T2"},
        "xoxb-4": {"team": "Acme Group", "team_id": "E1", "enterprise_id": "E1"},
    }
    checks = await examine(api, slack_bot_token_file=file)
    assert checks["Slack T1"].found == "ponderd in Acme"
    assert checks["Slack T2"].found == "ponderd in Buro"
    assert checks["Slack E1"].found == "ponderd in Acme Group"
    assert checks["Slack T3"].level == "fail"
    assert "the token for T3 is that of T1 (Acme)" in checks["Slack T3"].found
    assert checks["Slack T2 scopes"].level == "ok"


async def test_a_file_without_tokens(api: SlackApi, tmp_path: Path) -> None:
    found = (await examine(api, slack_bot_token_file=tmp_path / "none"))["Slack"]
    assert found.level == "fail" and "No such file" in found.found


async def test_events_cannot_be_seen_without_a_configuration_token(api: SlackApi) -> None:
    found = (await examine(api))["Slack events"]
    assert "PONDERD_SLACK_CONFIG_TOKEN" in found.found and "Event Subscriptions" in found.found


async def test_events_are_compared_with_the_manifest(api: SlackApi) -> None:
    api.manifest = manifest()
    assert (await examine(api, slack_config_token="xoxe.xoxp-1"))["Slack events"].level == "ok"
    assert api.calls[-1] == ("apps.manifest.export", {"app_id": "A7"})
    api.manifest = manifest(event_subscriptions={"bot_events": ["app_mention", "message.im"]})
    found = (await examine(api, slack_config_token="xoxe.xoxp-1"))["Slack events"]
    assert found.level == "warn"
    assert "without message.channels, in public channels, replies" in found.found
    assert "app_mention" not in found.found


@pytest.mark.parametrize(
    ("changes", "app_token", "says"),
    [
        ({"socket_mode_enabled": False}, APP, "Socket Mode is off in the app"),
        ({}, None, "nothing comes by HTTP"),
        ({"interactivity": {"is_enabled": False}}, APP, "buttons do nothing"),
        ({"event_subscriptions": None, "interactivity": None}, APP, "app_mention"),
    ],
)
async def test_the_way_in_is_compared_too(
    changes: dict[str, Any], app_token: str | None, says: str, api: SlackApi
) -> None:
    api.manifest = manifest(**changes)
    found = await examine(
        api,
        slack_app_token=app_token,
        slack_signing_secret="a secret",
        slack_config_token="xoxe.xoxp-1",
    )
    assert (found["Slack events"].level, says in found["Slack events"].found) == ("warn", True)


async def test_a_configuration_token_that_ran_out(api: SlackApi) -> None:
    api.errors["apps.manifest.export"] = "token_expired"
    found = (await examine(api, slack_config_token="xoxe.xoxp-1"))["Slack events"]
    assert (found.level, found.found) == ("warn", "not checked: token_expired")
    assert "12 hours" in found.advice


async def test_a_slack_that_hangs(api: SlackApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponderd.daemon.commands.doctor_slack.PATIENCE", 0.05)
    api.delays["auth.test"] = 3600
    [found] = (await examine(api)).values()
    assert found.level == "fail" and "no answer within" in found.found
