"""`ponderd doctor`: check everything that ponderd needs. Changes nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ponderd.channels.errors import (
    DeliveryError,
    ModelError,
    Refused,
    StartupError,
    Unavailable,
)
from ponderd.channels.mail.out.relay import Relay
from ponderd.channels.own_secrets import hide
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.storage import place_of
from ponderd.daemon import configuration
from ponderd.daemon.commands.api_client import Api, base_url, listening_host
from ponderd.daemon.commands.checks import Check, Severity
from ponderd.daemon.commands.doctor_safety import safety_checks
from ponderd.daemon.commands.doctor_slack import slack_checks
from ponderd.daemon.commands.doctor_sms import sms_check
from ponderd.daemon.configuration import Configuration, without_credentials
from ponderd.daemon.routing import load_routes
from ponderd.daemon.schedule_table import load_schedules
from ponderd.workers.agents.config import load_family
from ponderd.workers.agents.discovery import discover
from ponderd.workers.llm.canary import problems
from ponderd.workers.llm.connect import connect as connect_model
from ponderd.workers.llm.http import Http
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.redis_client import server_infos

PATIENCE = 5.0
"""Seconds that one check may take."""

THINKING_PATIENCE = 60.0
"""Seconds that the model may take for its three short answers."""

LITTLE_SPACE = 1_000_000_000
"""Free bytes in the data folder below which doctor warns."""

NO_SPACE = 200_000_000
"""Free bytes in the data folder below which `ponderd up` does not start."""

OLDEST_STATE_SERVER = (7, 0)
"""Major and minor version."""

START = "start it with `ponderd up`"


def examine() -> list[Check]:
    """Run all checks. What they say holds no secrets."""
    return [
        check.model_copy(update={"found": hide(check.found), "advice": hide(check.advice)})
        for check in _checks()
    ]


def _checks() -> list[Check]:
    python = Check(name="Python", level="ok", found=platform.python_version())
    try:
        settings = configuration.load()
    except StartupError as error:
        wrong = [
            Check(name="settings", level="fail", found=line, advice="correct it, or unset it")
            for line in str(error).splitlines()
        ]
        return [python, *wrong]
    return [python, *_settings(settings), *asyncio.run(_examine_parts(settings))]


async def _examine_parts(settings: Configuration) -> list[Check]:
    http, parts = await _http_api(settings)
    channels = settings.channels
    relay = [_within(_relay(channels), "mail relay")] if channels.smtp_relay else []
    slack = asyncio.create_task(slack_checks(channels))
    checks = await asyncio.gather(
        _within(_state(settings.workers.redis_url, parts), "state server"),
        _within(_model(settings.workers, parts), "model server"),
        _within(_thinking(settings.workers), "thinking", THINKING_PATIENCE),
        _within(_mail(settings), "SMTP"),
        _within(_deliveries(settings), "deliveries"),
        _within(sms_check(channels), "SMS"),
        *relay,
    )
    state, model, thinking, mail, deliveries, sms, *relays = checks
    return [
        _data_folder(settings.daemon.data_dir),
        state,
        model,
        *([thinking] if settings.workers.model_url else []),
        http,
        _workers(parts),
        mail,
        *relays,
        deliveries,
        *await slack,
        sms,
    ]


DEGRADED = "degraded"
"""What keeps single runs from going on, beside the daemon's parts."""

STRANDED = (
    "bring back what it names: an agent by a worker that has it, a log by its file; whom nobody "
    "misses, end with `ponderd runs cancel ID`"
)


async def _within(check: Awaitable[Check], name: str, patience: float = PATIENCE) -> Check:
    try:
        async with asyncio.timeout(patience):
            return await check
    except TimeoutError:
        found = f"no answer within {patience:.0f} s"
        return Check(name=name, level="fail", found=found, advice="is it overloaded, or blocked?")


def _settings(settings: Configuration) -> list[Check]:
    warnings = [Check(name="settings", level="warn", found=line) for line in settings.warnings]
    try:
        workers = settings.workers
        agents = discover(workers.agent_folders, workers.config_file)
        routes = load_routes(workers.config_file, agents)
        schedules = load_schedules(workers.config_file, agents)
        for setting, place in _places(settings):
            place_of(place, setting)
    except StartupError as error:
        return [*warnings, Check(name="settings", level="fail", found=str(error))]
    if workers.redis_url is not None and settings.channels.signing_secret is None:
        found = "PONDERD_SIGNING_SECRET is not set: nobody can approve by link or by mail"
        advice = "set the same one for `ponderd serve` and every `ponderd work`"
        warnings.append(Check(name="signing", level="warn", found=found, advice=advice))
    found = f"valid; agents: {', '.join(sorted(agents))}"
    if schedules:
        found += f"; schedules: {', '.join(sorted(schedules))}"
    safety = safety_checks(settings, routes)
    return [*warnings, Check(name="settings", level="ok", found=found), *safety]


def _places(settings: Configuration) -> Iterator[tuple[str, str]]:
    named = {
        "PONDERD_BLOBS": settings.channels.blobs,
        "PONDERD_ARCHIVE": settings.workers.archive,
        "PONDERD_ASLEEP": settings.workers.asleep,
    }
    return ((setting, place) for setting, place in named.items() if place)


def _data_folder(folder: Path) -> Check:
    name, advice = "data folder", "set PONDERD_DATA_DIR to a folder of your own"
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent  # the folder is created at the first start
    try:
        if there == folder:
            with tempfile.TemporaryFile(dir=there):
                pass
        elif not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
        free = shutil.disk_usage(there).free
    except OSError as error:
        found = f"cannot write to {folder}: {error.strerror}"
        return Check(name=name, level="fail", found=found, advice=advice)
    found = f"{folder}, {free / 1e9:.1f} GB free"
    level: Severity = "fail" if free < NO_SPACE else "warn" if free < LITTLE_SPACE else "ok"
    return Check(
        name=name, level=level, found=found, advice="" if level == "ok" else "free some space"
    )


async def _http_api(settings: Configuration) -> tuple[Check, Mapping[str, str]]:
    """Check the HTTP API. Also returns what the daemon reports of the other parts, or nothing."""
    name, url = "HTTP API", base_url(settings.daemon)
    token = settings.daemon.api_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            async with session.get(f"{url}/readyz") as response:
                said = await response.json()
                parts = {**said["checks"], DEGRADED: "; ".join(said.get("degraded", ()))}
            async with session.get(f"{url}/runs", params={"limit": "1"}) as response:
                status = response.status
    except aiohttp.ClientConnectorError:
        found = f"no ponderd answers at {url}"
        return Check(name=name, level="fail", found=found, advice=START), {}
    except TimeoutError:
        found = f"ponderd at {url} does not answer"
        return Check(name=name, level="fail", found=found, advice="restart it"), {}
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        found = f"the program that answers at {url} is not ponderd"
        return Check(name=name, level="fail", found=found, advice="set PONDERD_HTTP_PORT"), {}
    match status:
        case 200:
            return Check(name=name, level="ok", found=url), parts
        case 401:
            found = f"{url} does not accept the API token"
            advice = "set PONDERD_API_TOKEN or PONDERD_DATA_DIR as for the running ponderd"
        case _:
            found, advice = f"{url} answers {status} to GET /runs", "look at its log"
    return Check(name=name, level="fail", found=found, advice=advice), parts


def _workers(parts: Mapping[str, str]) -> Check:
    said = parts.get("workers")
    if said == "ok":
        if waits := parts.get(DEGRADED):
            found = f"alive, but {waits}"
            return Check(name="workers", level="warn", found=found, advice=STRANDED)
        return Check(name="workers", level="ok", found="alive")
    if said is None:
        found = "unknown: the HTTP API does not say"
        return Check(name="workers", level="warn", found=found, advice=START)
    return Check(name="workers", level="fail", found=said, advice="start one with `ponderd work`")


def _embedded(name: str, said: str | None) -> Check:
    if said == "ok":
        return Check(name=name, level="ok", found="not configured here; the embedded one works")
    if said is None:
        found = "not configured; `ponderd up` starts an embedded one"
        return Check(name=name, level="ok", found=found)
    return Check(name=name, level="fail", found=said, advice="look at ponderd's log")


async def _state(url: str | None, parts: Mapping[str, str]) -> Check:
    name = "state server"
    if url is None:
        return _embedded(name, parts.get("state"))
    where = without_credentials(url)
    try:
        infos = await server_infos(url)
    except (Unavailable, ValueError) as error:
        found = f"{where}: {error}"
        return Check(
            name=name, level="fail", found=found, advice="start it, or set PONDERD_REDIS_URL"
        )
    levels: tuple[Severity, ...] = ("fail", "warn", "ok")
    checks = [judge_state_server(where, info) for info in infos]
    return min(checks, key=lambda check: levels.index(check.level))


def judge_state_server(where: str, info: Mapping[str, Any]) -> Check:
    """Judge a server by its answer to INFO. Managed servers allow INFO, but not CONFIG."""
    product, version = "Redis", str(info.get("redis_version", "0"))
    if "valkey_version" in info:
        product, version = "Valkey", str(info["valkey_version"])
    level: Severity = "ok"
    advice = []
    if not info.get("aof_enabled"):
        level = "warn"
        advice.append("if it crashes, accepted messages are lost: set appendonly yes")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_STATE_SERVER:
        level = "fail"
        advice.append("ponderd needs 7.0 or newer")
    if info.get("aof_last_write_status", "ok") != "ok":
        level = "fail"
        advice.append("it cannot write its append-only file: is its disk full?")
    if info.get("maxmemory_policy") != "noeviction":
        level = "fail"
        advice.append("it may drop runs when memory is short: set maxmemory-policy noeviction")
    found = f"{product} {version} at {where}"
    return Check(name="state server", level=level, found=found, advice="; ".join(advice))


async def _model(settings: WorkerSettings, parts: Mapping[str, str]) -> Check:
    name, url = "model server", settings.model_url
    if url is None:
        return _embedded(name, parts.get("model"))
    key = settings.model_api_key
    http = Http(url.rstrip("/").removesuffix("/v1"), key.get_secret_value() if key else None)
    try:
        models = await http.get("/v1/models", lambda listing: list(listing["data"]))
        names = [str(model["id"]) for model in models]
    except (ModelError, KeyError, TypeError) as error:
        found = f"{without_credentials(url)}: {error}"
        advice = "start it, or set PONDERD_MODEL_URL (and PONDERD_MODEL_API_KEY)"
        return Check(name=name, level="fail", found=found, advice=advice)
    finally:
        await http.close()
    if not models or settings.model not in (None, *names):
        found = f"{without_credentials(url)} serves {', '.join(names) or 'no model'}"
        return Check(name=name, level="fail", found=found, advice="set PONDERD_MODEL to one it has")
    dialect = "llama.cpp" if models[0].get("owned_by") == "llamacpp" else "vLLM"
    found = f"{dialect} at {without_credentials(url)}, models: {', '.join(names)}"
    return Check(name=name, level="ok", found=found)


async def _thinking(settings: WorkerSettings) -> Check:
    """Check that thinking can be turned off, that its budget holds, that answers are valid JSON and
    that thinking tokens are counted."""
    name = "thinking"
    if settings.model_url is None:
        return Check(name=name, level="ok", found="not configured")
    client = connect_model(settings, load_family(settings.config_file))
    try:
        examined = await client.examine(thoroughly=True)
    finally:
        await client.close()
    found, lost, advice = [], False, "docs/operations.md says how to start vLLM"
    for arm, able in examined.items():
        if isinstance(able, ModelError):
            lost, lines, advice = True, [str(able)], "see the model server above"
        else:
            lost |= not able.continues and not able.switch_off
            lines = problems(able)
        found += [f"arm {arm}: {line}" if arm else line for line in lines]
    if not found:
        done = "can be turned off, keeps its budget, answers in JSON, counts its tokens"
        return Check(name=name, level="ok", found=done)
    return Check(name=name, level="fail" if lost else "warn", found="; ".join(found), advice=advice)


async def _mail(settings: Configuration) -> Check:
    host, port = listening_host(settings.daemon), settings.daemon.smtp_port
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        found = f"nothing listens at {host}:{port}"
        return Check(name="SMTP", level="fail", found=found, advice=START)
    try:
        greeting = await reader.readline()
    finally:
        writer.close()
    if not greeting.startswith(b"220"):
        found = f"the program that listens at {host}:{port} is not a mail server"
        return Check(name="SMTP", level="fail", found=found, advice="set PONDERD_SMTP_PORT")
    goes = settings.channels.smtp_relay or f"the folder {settings.channels.outbox}"
    return Check(name="SMTP", level="ok", found=f"{host}:{port}; outgoing mail goes to {goes}")


async def _deliveries(settings: Configuration) -> Check:
    """Say what does not arrive, and why."""
    name = "deliveries"
    api = Api(settings.daemon, pauses=())
    try:
        listed = await asyncio.to_thread(api.get, "/deliveries")
    except (Refused, Unavailable):
        return Check(name=name, level="ok", found="not known: the daemon does not tell")
    found: list[dict[str, Any]] = listed["deliveries"]
    stuck = [one for one in found if one["mendable"] or one["state"] == "undelivered"]
    if not stuck:
        trying = f"; {len(found)} are tried again" if found else ""
        return Check(name=name, level="ok", found=f"nothing is stuck{trying}")
    first = stuck[0]
    return Check(
        name=name,
        level="warn",
        found=f"{len(stuck)} did not arrive, the first at {first['to']}: {first['error']}",
        advice="mend that, then `ponderd deliveries retry --all`",
    )


async def _relay(settings: ChannelSettings) -> Check:
    """Check that the relay answers, with the TLS and the login that are set."""
    name = "mail relay"
    try:
        async with Relay(settings).connected():
            pass
    except DeliveryError as error:
        advice = "see PONDERD_SMTP_RELAY, _TLS, _USER and _PASSWORD"
        return Check(name=name, level="fail", found=str(error), advice=advice)
    found = f"{settings.smtp_relay} answers"
    if settings.mail_domain == ChannelSettings.model_fields["mail_domain"].default:
        advice = "set it to the domain that your mail server sends to ponderd"
        found += f", but PONDERD_MAIL_DOMAIN is {settings.mail_domain}: no answer reaches us"
        return Check(name=name, level="warn", found=found, advice=advice)
    if settings.mail_authentication == "off":
        found += "; nothing proves who wrote a mail"
        advice = "set PONDERD_MAIL_AUTHENTICATION, unless only trusted machines reach the mail port"
        return Check(name=name, level="warn", found=found, advice=advice)
    return Check(name=name, level="ok", found=found)
