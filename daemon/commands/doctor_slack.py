"""What `ponderd doctor` says of Slack: tokens, scopes, events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.errors import DeliveryError
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.failures import CALL_ERRORS
from ponderd.channels.slack.installation import VITAL_SCOPES, missing_events, missing_scopes
from ponderd.channels.slack.web_api import Workspaces, is_configured, reason_of, web_client
from ponderd.daemon.commands.checks import Check

PATIENCE = 5.0
"""Seconds that Slack has for all of it."""

_APPS = "https://api.slack.com/apps"
_REINSTALL = 'then "Reinstall to Workspace" under OAuth & Permissions'
_KINDS = {
    "xoxb-": "a bot token",
    "xoxe.xoxb-": "a bot token",
    "xoxp-": "a user token, with which ponderd would write as a person",
    "xoxe.xoxp-": "a configuration token of the app, or a user token",
    "xapp-": "an app-level token",
    "xoxe-": "a refresh token",
}


async def slack_checks(settings: ChannelSettings) -> list[Check]:
    """All checks. One that gets no answer in time fails."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _checks(settings)
    except TimeoutError:
        found = f"no answer within {PATIENCE:.0f} s"
        return [_failed("Slack", found, "is it overloaded, or blocked?")]


async def _checks(settings: ChannelSettings) -> list[Check]:
    app, signing = settings.slack_app_token, settings.slack_signing_secret
    if not is_configured(settings):
        if app is None and signing is None:
            return [Check(name="Slack", level="ok", found="off: no PONDERD_SLACK_BOT_TOKEN")]
        found = "PONDERD_SLACK_BOT_TOKEN is not set, so no answer can be sent"
        return [_failed("Slack", found, "set it")]
    try:
        tokens = Workspaces(settings).tokens()
    except DeliveryError as error:
        return [_failed("Slack", str(error), "see docs/slack.md")]
    checks, clients = [], []
    for place, token in tokens.items():
        of_place, client = await _workspace(settings, place, token)
        checks += of_place
        clients += [client] if client else []
    if not clients:
        return checks
    if app is None and signing is None:
        advice = "set PONDERD_SLACK_APP_TOKEN (Socket Mode) or PONDERD_SLACK_SIGNING_SECRET (HTTP)"
        found = "ponderd can answer, but nothing comes in"
        checks.append(_warning("Slack", found, advice))
    if app is not None and (wrong := await _socket(settings, app)):
        checks.append(wrong)
    return [*checks, *await _events(settings, clients[0])]


async def _workspace(
    settings: ChannelSettings, place: str, token: str
) -> tuple[list[Check], AsyncWebClient | None]:
    """The checks of one bot token, and a client if it is valid."""
    name = f"Slack {place}".strip()
    which = f"the token for {place}" if place else "PONDERD_SLACK_BOT_TOKEN"
    if (kind := _kind(token)) not in (None, _KINDS["xoxb-"]):
        advice = "take the Bot User OAuth Token (xoxb-…) under OAuth & Permissions"
        return [_failed(name, f"{which} is {kind}", advice)], None
    client = web_client(settings, token)
    try:
        who = await client.auth_test()
    except CALL_ERRORS as error:
        return [_refused(name, settings, which, error)], None
    found = f"{who.get('user')} in {who.get('team')}"
    ids = (who.get("team_id"), who.get("enterprise_id"))
    if place and place not in ids:
        found = f"{which} is that of {who.get('team_id')} ({who.get('team')})"
        return [_failed(name, found, "put each token behind its own workspace")], None
    checks = [Check(name=name, level="ok", found=found)]
    granted = {key.lower(): value for key, value in who.headers.items()}.get("x-oauth-scopes")
    if granted is not None:
        checks += _scopes(f"{name} scopes", str(granted))
    return checks, client


def _scopes(name: str, granted: str) -> list[Check]:
    missing = missing_scopes(granted)
    if not missing:
        return [Check(name=name, level="ok", found="all of the manifest's")]
    advice = f"add them at {_APPS}, under OAuth & Permissions, {_REINSTALL}"
    return _without(name, missing, advice)


async def _socket(settings: ChannelSettings, app: SecretStr) -> Check | None:
    """What is wrong with the token for Socket Mode, if anything is."""
    token = app.get_secret_value()
    if (kind := _kind(token)) not in (None, _KINDS["xapp-"]):
        advice = "take an app-level token (xapp-…) with connections:write, under Basic Information"
        return _failed("Slack", f"PONDERD_SLACK_APP_TOKEN is {kind}", advice)
    try:
        await web_client(settings, None).apps_connections_open(app_token=token)
    except CALL_ERRORS as error:
        return _refused("Slack", settings, "PONDERD_SLACK_APP_TOKEN", error)
    return None


async def _events(settings: ChannelSettings, client: AsyncWebClient) -> list[Check]:
    """Compare the app's own manifest with ours. Only a configuration token may read it."""
    name, token = "Slack events", settings.slack_config_token
    if token is None:
        found = (
            "not checked: a bot token may not see them; look under Event Subscriptions at "
            f"{_APPS}, or set PONDERD_SLACK_CONFIG_TOKEN for this check"
        )
        return [Check(name=name, level="ok", found=found)]
    try:
        app_id = await _app_id(settings, client)
        config = web_client(settings, token.get_secret_value())
        exported = await config.apps_manifest_export(app_id=app_id)
    except CALL_ERRORS as error:
        why = reason_of(error) if isinstance(error, SlackApiError) else str(error)
        advice = f"a configuration token lives for 12 hours: generate a new one at {_APPS}"
        return [_warning(name, f"not checked: {why}", advice)]
    return _compared(name, settings, exported.get("manifest") or {})


async def _app_id(settings: ChannelSettings, client: AsyncWebClient) -> str:
    app = settings.slack_app_token
    if app and (found := re.match(r"xapp-\d+-([A-Z0-9]+)-", app.get_secret_value())):
        return found[1]
    who = await client.auth_test()
    bot = await client.bots_info(bot=str(who.get("bot_id")))
    return str((bot.get("bot") or {}).get("app_id"))


def _compared(name: str, settings: ChannelSettings, manifest: Mapping[str, Any]) -> list[Check]:
    """The events of the app's manifest, and the ways on which they and clicks come."""
    own = manifest.get("settings") or {}
    subscriptions = own.get("event_subscriptions") or {}
    missing = missing_events(subscriptions.get("bot_events") or ())
    advice = f"subscribe to them at {_APPS}, under Event Subscriptions, {_REINSTALL}"
    wrong = _without(name, missing, advice)
    if not (own.get("interactivity") or {}).get("is_enabled"):
        wrong.append(_warning(name, "buttons do nothing", "turn Interactivity & Shortcuts on"))
    socket = bool(own.get("socket_mode_enabled"))
    if settings.slack_app_token is not None and not socket:
        found = "Socket Mode is off in the app, but PONDERD_SLACK_APP_TOKEN is set"
        wrong.append(_warning(name, found, "turn it on, or unset the token"))
    if settings.slack_app_token is None and socket:
        found = "Socket Mode is on in the app, so nothing comes by HTTP"
        wrong.append(_warning(name, found, "turn it off, or set PONDERD_SLACK_APP_TOKEN"))
    return wrong or [Check(name=name, level="ok", found="all of the manifest's")]


def _without(name: str, missing: Mapping[str, str], advice: str) -> list[Check]:
    """A line for each scope or event that is missing; the last one says what to do."""
    *_, last = missing or [""]
    return [
        Check(
            name=name,
            level="fail" if what in VITAL_SCOPES else "warn",
            found=f"without {what}, {loss}",
            advice=advice if what == last else "",
        )
        for what, loss in missing.items()
    ]


def _warning(name: str, found: str, advice: str) -> Check:
    return Check(name=name, level="warn", found=found, advice=advice)


def _kind(token: str) -> str | None:
    """What a token is by its beginning. None: it has none that is known."""
    return next((kind for start, kind in _KINDS.items() if token.startswith(start)), None)


def _refused(name: str, settings: ChannelSettings, which: str, error: Exception) -> Check:
    if isinstance(error, SlackApiError):
        found = f"Slack refuses {which}: {reason_of(error)}"
        return _failed(name, found, "get a new one, or unset it")
    why = str(error) or type(error).__name__
    found = f"{settings.slack_api_url} does not answer: {why}"
    return _failed(name, found, "is this machine online?")


def _failed(name: str, found: str, advice: str) -> Check:
    return Check(name=name, level="fail", found=found, advice=advice)
