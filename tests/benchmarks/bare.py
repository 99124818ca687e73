"""Bare Celery, the yardstick: threads, no results, everything else as it comes.

    BARE_BROKER=redis://… celery -A tests.benchmarks.bare worker -P threads -c 4
"""

from __future__ import annotations

import os
import time

import redis
from celery import Celery

QUEUE = "bare"
STARTS = "bare:starts"

_url = os.environ.get("BARE_BROKER", "redis://127.0.0.1:6379/0")
app = Celery("bare", broker=_url, set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True
)
_redis = redis.Redis.from_url(_url)


@app.task(name="nothing")  # type: ignore[untyped-decorator]
def nothing() -> None:
    pass


@app.task(name="stamp")  # type: ignore[untyped-decorator]
def stamp() -> None:
    """Tell when this task started (CLOCK_MONOTONIC)."""
    _redis.rpush(STARTS, time.monotonic())
