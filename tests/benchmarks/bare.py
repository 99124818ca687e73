"""Bare Celery, the yardstick: threads, no results, everything else as it comes.

BARE_BROKER=redis://… celery -A tests.benchmarks.bare worker -P threads -c 4 -Q bare

`ask` and `use` are the agent of the comparison without any durability: each step is a task that
sends the next one. What was said so far is kept nowhere.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.parse

import redis
from celery import Celery
from celery.signals import worker_ready

QUEUE = "bare"
NOTHING = "nothing"
STAMP = "stamp"
ASK = "ask"
USE = "use"
STARTS = "bare:starts"
DONE = "bare:done"

RESULT = "what the tool found, and every time the same, " * 22


def create_app(broker: str) -> Celery:
    app = Celery("bare", broker=broker, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True
    )
    return app


if broker := os.environ.get("BARE_BROKER"):
    app = create_app(broker)
    starts = redis.Redis.from_url(broker, max_connections=1_000)  # by default 100 for 500 threads
    local = threading.local()

    @app.task(name=NOTHING)  # type: ignore[untyped-decorator]
    def nothing() -> None:
        pass

    @app.task(name=STAMP)  # type: ignore[untyped-decorator]
    def stamp() -> None:
        """Tell when this task started (CLOCK_MONOTONIC)."""
        starts.rpush(STARTS, time.monotonic())

    @app.task(name=ASK)  # type: ignore[untyped-decorator]
    def ask(mark: int, calls: int, found: str) -> None:
        said = chat(f"mark-{mark} calls-{calls}", found)
        if json.loads(said)["action"] == "reply":
            starts.incr(DONE)
        else:
            use.delay(mark, calls, said)

    @app.task(name=USE)  # type: ignore[untyped-decorator]
    def use(mark: int, calls: int, said: str) -> None:
        ask.delay(mark, calls, RESULT)

    def chat(*texts: str) -> str:
        """One streamed model call, on a connection of this thread's own."""
        if not hasattr(local, "http"):
            url = urllib.parse.urlsplit(os.environ["MODEL_URL"])
            local.http = http.client.HTTPConnection(str(url.hostname), url.port)
        messages = [{"role": "user", "content": text} for text in texts]
        body = json.dumps({"model": "nothing", "messages": messages, "stream": True})
        local.http.request("POST", "/v1/chat/completions", body)
        lines = local.http.getresponse().read().splitlines()
        chunks = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        return "".join(choice["delta"].get("content", "") for choice in choices)

    @worker_ready.connect  # type: ignore[untyped-decorator]
    def say_so(**_: object) -> None:
        print("worker ready", flush=True)
