"""Counters of a worker process. The store adds them up, so that one page shows all workers."""

from __future__ import annotations

from collections import defaultdict

import structlog

from ponderd.workers.run import events as e
from ponderd.workers.run.model_call import ModelCall

log = structlog.get_logger(__name__)

SECONDS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the histogram of model latency. The last bucket, +Inf, is implied."""


END_OF_THOUGHT = 1
"""Tokens that a thought takes to close, beyond its budget."""


class Metrics:
    """Counts since the last `take`. Names are `name|label`; `daemon.api.health` reads them."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, float] = defaultdict(float)

    def model_called(self, call: ModelCall, status: str) -> None:
        """`status`: answered, rejected or doubted."""
        mode = call.decision.mode
        bucket = next((le for le in SECONDS_BUCKETS if call.seconds <= le), "+Inf")
        self._add(f"model_seconds_bucket|{mode}|{bucket}", 1)
        self._add(f"model_seconds_sum|{mode}", call.seconds)
        self._add(f"tokens|{mode}|prompt", call.prompt_tokens)
        self._add(f"tokens|{mode}|cached", call.cached_tokens)
        self._add(f"tokens|{mode}|completion", call.completion_tokens)
        self._add(f"tokens|{mode}|reasoning", call.reasoning_tokens)
        self._add(f"decisions|{call.decision.arm}|{status}", 1)
        if call.reasoning_tokens > call.decision.budget + END_OF_THOUGHT:
            self._add(f"budget_overruns|{call.decision.arm}", 1)

    def model_failed(self) -> None:
        self._add("model_failures", 1)

    def delivery_failed(self, channel: str, error: str) -> None:
        """`error`: passing, mendable or permanent."""
        self._add(f"delivery_failures|{channel}|{error}", 1)

    def unconfirmed(self) -> None:
        self._add("unconfirmed", 1)

    def recorded(self, event: e.Event) -> None:
        """Count and log an event that a worker decided on, if operators watch for it."""
        if isinstance(event, e.RunSetAside):
            log.warning("run set aside", question=event.text)
            self._add("runs_set_aside", 1)

    def step_failed(self) -> None:
        self._add("steps_failed", 1)

    def log_not_understood(self) -> None:
        self._add("logs_not_understood", 1)

    def snapshot_wrong(self) -> None:
        self._add("snapshots_wrong", 1)

    def take(self) -> dict[str, float]:
        counts = dict(self._counts)
        self._counts.clear()
        return counts

    def put_back(self, counts: dict[str, float]) -> None:
        """Add counts again that could not be handed over."""
        for name, value in counts.items():
            self._add(name, value)

    def _add(self, name: str, value: float) -> None:
        if value:
            self._counts[name] += value
