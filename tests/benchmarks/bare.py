"""Bare Celery, the yardstick: threads, no results, everything else as it comes.

BARE_BROKER=redis://… celery -A tests.benchmarks.bare worker -P threads -c 4 -Q bare
"""

from __future__ import annotations

import os
import time

import redis
from celery import Celery
from celery.signals import worker_ready

QUEUE = "bare"
NOTHING = "nothing"
STAMP = "stamp"
STARTS = "bare:starts"


def create_app(broker: str) -> Celery:
    app = Celery("bare", broker=broker, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True
    )
    return app


if broker := os.environ.get("BARE_BROKER"):
    app = create_app(broker)
    starts = redis.Redis.from_url(broker)

    @app.task(name=NOTHING)  # type: ignore[untyped-decorator]
    def nothing() -> None:
        pass

    @app.task(name=STAMP)  # type: ignore[untyped-decorator]
    def stamp() -> None:
        """Tell when this task started (CLOCK_MONOTONIC)."""
        starts.rpush(STARTS, time.monotonic())

    @worker_ready.connect  # type: ignore[untyped-decorator]
    def say_so(**_: object) -> None:
        print("worker ready", flush=True)
