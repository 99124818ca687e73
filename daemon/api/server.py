"""The daemon process: HTTP, mail and Slack on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import socket
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import Depends, FastAPI

from ponderd.channels.blobs import open_blobs
from ponderd.channels.channel import Accept
from ponderd.channels.errors import StartupError
from ponderd.channels.mail.server import MailServer
from ponderd.channels.own_secrets import remember_secrets
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.webhook.intake import Intake
from ponderd.daemon import archive_duty, lease_time, list_duty, schedule_duty
from ponderd.daemon.api.approvals import approval_page_routes, approval_routes, mark_first
from ponderd.daemon.api.connections import Connections, limited
from ponderd.daemon.api.deliveries import delivery_routes
from ponderd.daemon.api.description import describe_api
from ponderd.daemon.api.guard import Guard
from ponderd.daemon.api.health import health_routes
from ponderd.daemon.api.http import (
    BodyLimit,
    install_errors,
    require_token,
    token_first,
)
from ponderd.daemon.api.ingress import proof_first, slack_first, slack_routes, webhook_routes
from ponderd.daemon.api.lists import list_routes
from ponderd.daemon.api.queries import known_parameters
from ponderd.daemon.api.retries import retry_routes
from ponderd.daemon.api.runs import run_routes
from ponderd.daemon.api.schedules import schedule_routes
from ponderd.daemon.api.snapshot_checks import check_routes
from ponderd.daemon.api.thinking import thinking_routes
from ponderd.daemon.background import running
from ponderd.daemon.mail_brake import MailBrake
from ponderd.daemon.mail_report import recording
from ponderd.daemon.refusals import ignored_by, refused_by
from ponderd.daemon.routing import Routes, load_routes, route_to
from ponderd.daemon.schedule_table import load_schedules
from ponderd.daemon.settings import DaemonSettings
from ponderd.daemon.slack import slack_intake
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.deliveries import Deliveries
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.retries import Retries
from ponderd.workers.control.run_lists import RunLists
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.schedules import Schedules
from ponderd.workers.control.snapshot_checks import SnapshotChecks
from ponderd.workers.control.stranded import StrandedRuns
from ponderd.workers.execution.archive_readers import misplaced
from ponderd.workers.execution.author_code import MEGABYTE, InProcesses
from ponderd.workers.execution.garbage import collect_rarely
from ponderd.workers.execution.pokes import Poker
from ponderd.workers.execution.threads import new_event_loop
from ponderd.workers.execution.waking import waking
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.archive import open_archive, open_asleep
from ponderd.workers.store.redis_store import RedisStore, connect

log = structlog.get_logger(__name__)

GOODBYE_SECONDS = 3
"""How long open requests may continue after the daemon was told to stop."""

WAITING_CHECKS = 100
"""Most decisions that may wait for code of agents to check their arguments."""


def serve(channels: ChannelSettings, workers: WorkerSettings, daemon: DaemonSettings) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT. Returns the exit code.

    Needs `workers.redis_url` and `daemon.api_token`. Raises `StartupError`.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(channels, workers, daemon))


async def _serve(channels: ChannelSettings, workers: WorkerSettings, daemon: DaemonSettings) -> int:
    assert workers.redis_url is not None and daemon.api_token is not None
    agents = discover(workers.agent_folders, workers.config_file)
    routes = load_routes(workers.config_file, agents)
    remember_secrets(routes.secrets())
    planned = load_schedules(workers.config_file, agents)
    # Listen first: a taken port must fail here, with one clear line, and not inside uvicorn.
    listening = listen(daemon.host, daemon.http_port)
    archive = open_archive(workers)
    asleep = open_asleep(workers)
    redis = RedisStore(connect(workers.redis_url), replicas=workers.state_replicas)
    store = waking(redis, asleep)
    poker = Poker(workers.broker)
    blobs = open_blobs(channels)
    hooks = Intake(blobs, channels.callback_allow)
    code = InProcesses(
        workers.agent_folders,
        channels,
        memory=workers.function_memory * MEGABYTE,
        isolated=1,
        waiting=WAITING_CHECKS,
    )
    try:
        run_log = RunLog(store, poker.poke, archive)
        runs, inquiries = Runs(run_log, agents), Inquiries(run_log, agents, code)
        accept = route_to(runs, routes)
        if any(route.templates() for route in routes.webhooks.values()):
            await hooks.start()
        app = create_app(run_log, runs, inquiries, accept, routes, channels, daemon, hooks)
        schedules = Schedules(store, runs, planned.values())
        deliveries = Deliveries(run_log, runs)
        app.include_router(
            health_routes(
                store,
                poker,
                workers,
                deliveries,
                schedules,
                StrandedRuns(run_log),
                partial(misplaced, store, asleep),
            )
        )
        needs_token = [Depends(require_token(daemon.api_token)), Depends(known_parameters)]
        app.include_router(thinking_routes(store, agents), dependencies=needs_token)
        app.include_router(schedule_routes(schedules, runs), dependencies=needs_token)
        brake = MailBrake(run_log, routes.agent_for, channels.mail_hourly)
        mail = MailServer(
            channels,
            brake.noting(accept),
            answer=inquiries.answer,
            bounced=recording(runs, store),
            check=brake.check,
            agents=lambda: routes.mailboxes(agents),
            aliases=routes.mail.mailboxes,
            blobs=blobs,
            refused=refused_by("mail"),
            ignored=ignored_by("mail"),
        )
        slack = slack_intake(channels, routes, accept, runs, inquiries, run_log, blobs)
        async with (
            _mail(mail, daemon),
            slack as intake,
            running(collect_rarely()),
            running(schedule_duty.keep(schedules)),
            running(lease_time.keep(store)),
            running(list_duty.keep(RunLists(run_log))),
            running(archive_duty.keep(store, asleep)),
        ):
            app.include_router(slack_routes(channels, intake))
            limits = Connections(daemon.http_connections, daemon.http_peer_connections)
            config = uvicorn.Config(
                app,
                http=limited(limits),
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GOODBYE_SECONDS,
                server_header=False,
            )
            server = uvicorn.Server(config)
            log.info("listening", http=daemon.http_port, smtp=daemon.smtp_port)
            await server.serve(sockets=[listening])
    finally:
        await code.close()
        await poker.close()
        await archive.close()
        await asleep.close()
        await hooks.close()
        await blobs.close()
        await store.close()
    return 0


def create_app(
    run_log: RunLog,
    runs: Runs,
    inquiries: Inquiries,
    accept: Accept,
    routes: Routes,
    channels: ChannelSettings,
    daemon: DaemonSettings,
    intake: Intake | None = None,
) -> FastAPI:
    """All routes except health, thinking and Slack. Needs `daemon.api_token`."""
    assert daemon.api_token is not None
    app = FastAPI(
        title="ponderd",
        version=importlib.metadata.version("ponderd"),
        summary="One message in, exactly one answer back.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead clients of a proxy to http, with their tokens
    )
    describe_api(app)
    checks = (
        token_first(daemon.api_token),
        proof_first(routes, channels, daemon.api_token),
        slack_first(channels),
        mark_first(channels.signing_secret),
    )
    app.add_middleware(BodyLimit, checks=checks)
    app.add_middleware(Guard, hosts=_hosts(channels, daemon))
    install_errors(app)
    # Before approval_routes, which has the same paths.
    app.include_router(approval_page_routes(inquiries, channels.signing_secret))
    for router in (
        run_routes(run_log, runs, accept, channels.callback_allow),
        list_routes(RunLists(run_log, runs.agents)),
        retry_routes(Retries(run_log)),
        check_routes(SnapshotChecks(run_log)),
        approval_routes(inquiries),
        delivery_routes(Deliveries(run_log, runs)),
    ):
        needs = [Depends(require_token(daemon.api_token)), Depends(known_parameters)]
        app.include_router(router, dependencies=needs)
    hooks = intake or Intake(open_blobs(channels), channels.callback_allow)
    app.include_router(webhook_routes(accept, routes, channels, daemon.api_token, hooks))
    return app


def _hosts(channels: ChannelSettings, daemon: DaemonSettings) -> tuple[str, ...]:
    public = urlsplit(channels.public_url or "").hostname
    return (*daemon.http_hosts, daemon.host, socket.gethostname(), *([public] if public else []))


@contextlib.asynccontextmanager
async def _mail(server: MailServer, daemon: DaemonSettings) -> AsyncIterator[None]:
    try:
        await server.start(daemon.host, daemon.smtp_port)
    except OSError as error:
        raise _port_taken(daemon.smtp_port, "PONDERD_SMTP_PORT", error) from error
    try:
        yield
    finally:
        await server.stop()


def listen(host: str, port: int) -> socket.socket:
    """Listen for HTTP. Raises `StartupError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise _port_taken(port, "PONDERD_HTTP_PORT", error) from error


def _port_taken(port: int, variable: str, error: OSError) -> StartupError:
    return StartupError(
        f"cannot listen on port {port}: {error.strerror}; stop the program that uses it, or set "
        f"{variable}"
    )
