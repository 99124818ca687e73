"""The worker command: a Celery worker whose only task hands a run to the runtime."""

from __future__ import annotations

import contextlib
import resource
import time
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from ponderd.channels.settings import ChannelSettings
from ponderd.workers.execution.pokes import ADVANCE, create_app
from ponderd.workers.execution.runtime import Runtime
from ponderd.workers.settings import WorkerSettings

log = structlog.get_logger(__name__)

SAME_SIGNAL = 0.5
"""Seconds within which a second signal is no second wish."""

PATIENCE = 0.2
"""Seconds that runs that were poked for together wait for a slot in one worker."""

FEEDERS = 4
"""Celery threads. They only hand runs over, so a few are enough."""


OPEN_FILES = 65536
"""How many files and connections a worker may have, where its system lets it: each receiver that
hangs holds one for a while."""


def work(settings: WorkerSettings, channels: ChannelSettings) -> int:
    """Run a worker in the foreground until SIGTERM or SIGINT, and finish what it has begun. Another
    such signal cuts that short. Returns the exit code."""
    allow_open_files()
    app = create_app(settings.broker)
    runtime = Runtime(settings, channels)
    register(app, runtime)
    runtime.start()

    # Celery's warm shutdown waits for its tasks, but ours return at once. So drain here. Celery
    # tells of each signal, also while `finish_drain` waits.
    told_at: list[float] = []

    def begin_drain(**_: Any) -> None:
        told_at.append(time.monotonic())
        # Some parents pass on the signal that a terminal sends to the whole group anyway.
        if told_at[-1] - told_at[0] > SAME_SIGNAL:
            runtime.hurry()
        else:
            runtime.drain()

    def finish_drain(**_: Any) -> None:
        runtime.stop(settings.drain)

    def ready(**_: Any) -> None:
        log.info("worker ready", slots=settings.slots)

    worker_ready.connect(ready, weak=False)
    worker_shutting_down.connect(begin_drain, weak=False)
    worker_shutdown.connect(finish_drain, weak=False)
    worker = app.Worker(
        pool="threads",
        concurrency=FEEDERS,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel=settings.log_level,
    )
    worker.start()
    return int(worker.exitcode or 0)


def register(app: Celery, runtime: Runtime) -> None:
    def advance(*run_ids: str) -> None:
        """Hand the runs over. Those that would have to wait here go back, one by one: another
        worker may have room."""
        for position, run_id in enumerate(run_ids):
            others = run_ids[position + 1 :]
            if runtime.submit(run_id, PATIENCE if others else None):
                continue
            with contextlib.suppress(Exception):  # kombu raises many kinds; sweepers find the runs
                for left in (run_id, *others):
                    app.send_task(ADVANCE, (left,), retry=False)
            return

    app.task(name=ADVANCE, shared=False)(advance)


def allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # the system has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
