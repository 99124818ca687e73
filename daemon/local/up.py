"""`ponderd up`: everything on one machine. Whatever is not configured comes embedded."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
from pydantic import SecretStr
from rich.console import Console

from ponderd.channels.errors import ModelError, StartupError
from ponderd.channels.settings import ChannelSettings, PonderdSettings
from ponderd.daemon import secrets
from ponderd.daemon.configuration import without_credentials
from ponderd.daemon.local import model_file, model_server, state_server
from ponderd.daemon.local.panel import Panel
from ponderd.daemon.local.processes import free_ports, locked, require_free_port
from ponderd.daemon.local.supervisor import POLL, Service, Supervisor
from ponderd.daemon.routing import DEFAULT_AGENT, load_routes
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.agents.actions import schema
from ponderd.workers.agents.discovery import discover
from ponderd.workers.context.render import render
from ponderd.workers.llm.connect import connect
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.settings import WorkerSettings

MIN_FREE = 200_000_000
"""Bytes that must be free in the data folder."""
REACHABLE_WITHIN = 5.0
"""Seconds that a configured server may take to answer."""
STATE_GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL. The state server writes everything to disk first."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the parts need to know: the settings, and our choices for what they leave open."""

    channels: ChannelSettings
    workers: WorkerSettings
    daemon: DaemonSettings
    data_dir: Path
    api_token: str
    webhook_secret: str
    signing_secret: str
    state_password: str
    model_key: str
    state_port: int
    model_port: int

    @property
    def redis_url(self) -> str:
        return self.workers.redis_url or state_server.url(self.state_port, self.state_password)

    @property
    def model_url(self) -> str:
        return self.workers.model_url or f"http://127.0.0.1:{self.model_port}/v1"

    @property
    def http_url(self) -> str:
        return f"http://{_reachable(self.daemon.host)}:{self.daemon.http_port}"

    @property
    def model_path(self) -> Path:
        return self.daemon.cache_dir.resolve() / model_file.QWEN.name


def run_up(
    channels: ChannelSettings,
    workers: WorkerSettings,
    daemon: DaemonSettings,
    *,
    as_json: bool = False,
) -> int:
    """Run everything until Ctrl-C or SIGTERM. Returns the exit code.

    The panel goes to standard output, as one JSON object if `as_json`. All else goes to standard
    error. Raises `StartupError` if a part does not start or stay alive.
    """
    console = Console(stderr=True)
    data_dir = daemon.data_dir.resolve()
    # Until the supervisor's loop runs, SIGTERM must stop a download as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _require_room(data_dir)
        with locked(data_dir):
            site = _choose(channels, workers, daemon, data_dir, console)
            _run(site, console, as_json)
    except KeyboardInterrupt:
        console.print("stopped; the next start continues from here")
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StartupError(
            f"no space left in {data_dir}; free some, or set PONDERD_DATA_DIR"
        ) from error
    return 0


def _run(site: Site, console: Console, as_json: bool) -> None:
    began = time.monotonic()

    warming: list[asyncio.Task[None]] = []

    def when_ready() -> None:
        show_panel()
        if site.workers.model_url is None:
            warming.append(asyncio.create_task(_warm(site)))

    def show_panel() -> None:
        panel = describe(site, time.monotonic() - began)
        if as_json:
            print(panel.model_dump_json(), flush=True)
        else:
            Console().print(panel.render(), soft_wrap=True)

    supervisor = Supervisor(
        services(site),
        site.data_dir,
        console,
        when_ready=when_ready,
        write_problem=lambda: state_server.write_problem(
            site.redis_url, None if site.workers.redis_url else site.data_dir
        ),
    )
    if site.workers.model_url is None:
        model_server.require_installed()
    agents = discover(site.workers.agent_folders, site.workers.config_file)
    load_routes(site.workers.config_file, agents)  # only to find mistakes before anything starts
    supervisor.end_leftovers()
    require_free_port(site.daemon.host, site.daemon.http_port, "PONDERD_HTTP_PORT")
    require_free_port(site.daemon.host, site.daemon.smtp_port, "PONDERD_SMTP_PORT")
    asyncio.run(_require_configured_servers(site))
    if site.workers.model_url is None:
        model_file.fetch(model_file.QWEN, site.model_path.parent, console)
        began = time.monotonic()
    secrets.write_authorization(site.data_dir, site.api_token)
    asyncio.run(supervisor.run())


def services(site: Site) -> tuple[Service, ...]:
    """The services in the order of their start. They stop in reverse order."""
    embedded = []
    if site.workers.redis_url is None:
        config = state_server.write_config(
            site.data_dir, site.state_port, site.state_password, site.daemon.state_fsync
        )
        state = Service(
            "state server",
            state_server.command(config),
            problem=lambda: state_server.problem(site.redis_url),
            grace=STATE_GRACE,
            patient=True,
            restarts=True,
        )
        embedded.append(state)
    if site.workers.model_url is None:
        options = ("--model", str(site.model_path), "--port", str(site.model_port))
        model = Service(
            "model server",
            _python("ponderd.daemon.local.model_server", *options, "--parent", str(os.getpid())),
            _environment(site),
            problem=lambda: _http_problem(f"http://127.0.0.1:{site.model_port}/health"),
            advice="it needs 3 GB of memory: start again, or set PONDERD_MODEL_URL",
        )
        embedded.append(model)
    after = ("state server",) if site.workers.redis_url is None else ()
    worker = Service(
        "worker",
        _python("ponderd.daemon.cli", "work"),
        _environment(site),
        after=tuple(service.name for service in embedded),
        grace=site.workers.grace,
        finishes="its model calls",
        restarts=True,
    )
    daemon = Service(
        "daemon",
        _python("ponderd.daemon.cli", "serve"),
        _environment(site),
        problem=lambda: _http_problem(site.http_url + "/readyz"),
        after=after,
        restarts=True,
    )
    return (*embedded, worker, daemon)


def describe(site: Site, seconds: float) -> Panel:
    state = f"embedded, on 127.0.0.1:{site.state_port}, in {site.data_dir / 'state'}"
    model = f"{model_server.MODEL_NAME}, embedded, at {site.model_url}"
    outbox = f"{site.data_dir / 'outbox'} (one .eml file each)"
    return Panel(
        http_url=site.http_url,
        smtp_host=_reachable(site.daemon.host),
        smtp_port=site.daemon.smtp_port,
        mail_domain=site.channels.mail_domain,
        mail_goes_to=site.channels.smtp_relay or outbox,
        state=state if site.workers.redis_url is None else without_credentials(site.redis_url),
        model=model if site.workers.model_url is None else site.model_url,
        slack=site.channels.slack_bot_token is not None,
        data_dir=site.data_dir,
        logs=site.data_dir / "logs",
        secrets=secrets.secrets_file(site.data_dir),
        authorization=secrets.authorization_file(site.data_dir),
        command=_own_command(),
        environment=_not_default(site.daemon, "data_dir", "http_port", "host"),
        seconds=round(seconds, 1),
    )


def _choose(
    channels: ChannelSettings,
    workers: WorkerSettings,
    daemon: DaemonSettings,
    data_dir: Path,
    console: Console,
) -> Site:
    made = secrets.load_or_create(data_dir, partial(console.print, markup=False, soft_wrap=True))
    state_port, model_port = free_ports(2)
    return Site(
        channels=channels,
        workers=workers,
        daemon=daemon,
        data_dir=data_dir,
        api_token=_configured(daemon.api_token) or made.api_token,
        webhook_secret=_configured(channels.webhook_secret) or made.webhook_secret,
        signing_secret=_configured(channels.signing_secret) or made.signing_secret,
        state_password=made.state_password,
        model_key=made.model_key,
        state_port=state_port,
        model_port=model_port,
    )


def _require_room(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = data_dir / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise StartupError(
            f"cannot write to {data_dir}: {error.strerror}; set PONDERD_DATA_DIR to a folder "
            "of your own"
        ) from error
    free = shutil.disk_usage(data_dir).free
    if free < MIN_FREE:
        raise StartupError(
            f"{data_dir} has only {free / 1e6:.0f} MB free and needs {MIN_FREE / 1e6:.0f}; "
            "free some, or set PONDERD_DATA_DIR"
        )


async def _require_configured_servers(site: Site) -> None:
    if site.workers.redis_url is not None:
        url = site.workers.redis_url
        problem = await _until_none(lambda: state_server.problem(url))
        if problem:
            raise StartupError(
                f"the state server at {without_credentials(url)} (PONDERD_REDIS_URL) does not "
                f"answer: {problem}; start it, or unset the variable to use the embedded one"
            )
    if site.workers.model_url is not None:
        url = site.workers.model_url
        key = _configured(site.workers.model_api_key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        problem = await _until_none(lambda: _http_problem(f"{url.rstrip('/')}/models", headers))
        if problem:
            raise StartupError(
                f"the model server at {url} (PONDERD_MODEL_URL) does not answer: {problem}; "
                "start it, or unset the variable to use the embedded one"
            )


async def _warm(site: Site) -> None:
    """Let the model read the beginning that all prompts of the assistant share.

    The embedded model takes about ten seconds for it. The first person need not wait for that.
    """
    settings = site.workers.model_copy(
        update={"model_url": site.model_url, "model_api_key": SecretStr(site.model_key)}
    )
    model = connect(settings)
    assistant = discover(())[DEFAULT_AGENT]
    try:
        await model.complete(
            render((), assistant, limit_chars=1000),
            schema=schema(assistant),
            decision=ThinkingDecision(),
            max_tokens=1,
        )
    except ModelError:
        pass  # then the first message takes longer
    finally:
        await model.close()


async def _until_none(problem: Callable[[], Awaitable[str | None]]) -> str | None:
    deadline = time.monotonic() + REACHABLE_WITHIN
    while True:
        found = await problem()
        if found is None or time.monotonic() > deadline:
            return found
        await asyncio.sleep(POLL)


async def _http_problem(url: str, headers: dict[str, str] | None = None) -> str | None:
    timeout = aiohttp.ClientTimeout(total=REACHABLE_WITHIN)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(url) as response,
        ):
            if response.status == 200:
                return None
            return f"HTTP {response.status} {(await response.text())[:200]}".strip()
    except (aiohttp.ClientError, OSError) as error:
        return str(error) or type(error).__name__


def _environment(site: Site) -> dict[str, str]:
    """The environment of a child. It repeats our choices, so that no default can differ."""
    embedded = {"PONDERD_MODEL_API_KEY": site.model_key} if site.workers.model_url is None else {}
    return (
        os.environ
        | embedded
        | {
            "PYTHONUNBUFFERED": "1",
            "PONDERD_DATA_DIR": str(site.data_dir),
            "PONDERD_HTTP_PORT": str(site.daemon.http_port),
            "PONDERD_SMTP_PORT": str(site.daemon.smtp_port),
            "PONDERD_HOST": site.daemon.host,
            "PONDERD_REDIS_URL": site.redis_url,
            "PONDERD_MODEL_URL": site.model_url,
            "PONDERD_API_TOKEN": site.api_token,
            "PONDERD_WEBHOOK_SECRET": site.webhook_secret,
            "PONDERD_SIGNING_SECRET": site.signing_secret,
            "PONDERD_PUBLIC_URL": site.channels.public_url or site.http_url,
        }
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: a folder `ponderd` where the operator happens to be must not be taken for this package.
    return (sys.executable, "-P", "-m", module, *arguments)


def _own_command() -> str:
    """How a shell in this folder calls ponderd, quoted."""
    beside = Path(sys.executable).with_name("ponderd")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m ponderd.daemon.cli"
    on_path = shutil.which("ponderd")
    if on_path is not None and Path(on_path).samefile(beside):
        return "ponderd"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def _not_default(settings: PonderdSettings, *names: str) -> dict[str, str]:
    fields = type(settings).model_fields
    return {
        f"PONDERD_{name.upper()}": str(value.resolve() if isinstance(value, Path) else value)
        for name in names
        if (value := getattr(settings, name)) != fields[name].get_default(call_default_factory=True)
    }


def _configured(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _reachable(host: str) -> str:
    """The address to connect to, as it stands in a URL, for one that we listen on."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
