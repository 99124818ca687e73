"""Keep lines about what strangers send from filling the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import structlog

LINES = 50
"""Lines of one kind that are written in each `WINDOW`. One more says how many were left out."""
WINDOW = 10.0
"""Seconds."""
KINDS = 500
"""Kinds that are told apart at a time. Further ones are one kind."""

_OWN = "ponderd.workers"
"""No stranger makes these write; what they say of a run is in no other line."""

Kind = tuple[str, ...]

_log = structlog.get_logger(__name__)


class FloodFilter(logging.Filter):
    """Lets through at most so many lines of a kind: those of one logger with the same words and,
    of a refusal, the same channel, source and reason."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._written: dict[Kind, int] = {}
        self._timer: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG or record.name.startswith((_OWN, __name__)):
            return True
        kind = _kind(record)
        with self._lock:
            left_out = self._next_window() if self._clock() - self._since >= WINDOW else {}
            if kind not in self._written and len(self._written) >= KINDS:
                kind = ("others",)
            count = self._written[kind] = self._written.get(kind, 0) + 1
            if count > LINES and self._timer is None:
                self._timer = threading.Timer(WINDOW, self.tell)
                self._timer.daemon = True
                self._timer.start()
        _tell(left_out)
        return count <= LINES

    def tell(self) -> None:
        """Say what was left out until now."""
        with self._lock:
            left_out = self._next_window()
        _tell(left_out)

    def _next_window(self) -> dict[Kind, int]:
        written, self._written, self._since = self._written, {}, self._clock()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return {kind: count - LINES for kind, count in written.items() if count > LINES}


def _kind(record: logging.LogRecord) -> Kind:
    said = record.msg
    if not isinstance(said, dict):
        return record.name, str(said)[:200]
    names = ("event", "channel", "source", "reason")
    return (record.name, *(str(said.get(name, ""))[:200] for name in names))


def _tell(left_out: dict[Kind, int]) -> None:
    for kind, count in left_out.items():
        _log.warning("lines like this were left out", lines=count, like=" ".join(kind).strip())
