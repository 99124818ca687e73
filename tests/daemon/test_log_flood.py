"""A flood of refused requests writes few lines, and one that says how many were left out."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from ponderd.daemon import logs
from ponderd.daemon.log_flood import KINDS, LINES, WINDOW, FloodFilter
from ponderd.daemon.refusals import note_refused


class Log:
    """A handler with the filter, and a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self.flood = FloodFilter(lambda: self.now)

    def written(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def left_out(self) -> list[object]:
        return [line["lines"] for line in self.written() if "left out" in str(line["event"])]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    log = Log()
    monkeypatch.setattr(sys, "stderr", log.stream)
    monkeypatch.setattr(logs, "FloodFilter", lambda: log.flood)
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    structlog.reset_defaults()  # whatever other tests left there
    logs.configure_logs("INFO", "json")
    structlog.configure(cache_logger_on_first_use=False)
    yield log
    log.flood.tell()
    logging.captureWarnings(False)
    structlog.configure(**config)
    sys.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_flood_is_cut_and_counted(log: Log) -> None:
    for _ in range(1_000):
        note_refused("api", "", "unauthenticated", "x" * 5_000)
    assert len(log.written()) == LINES
    log.flood.tell()
    assert log.left_out() == [1_000 - LINES]
    assert "unauthenticated" in str(log.written()[-1]["like"])
    log.flood.tell()
    assert len(log.written()) == LINES + 1


def test_the_next_line_after_the_window_tells_too(log: Log) -> None:
    for _ in range(LINES + 7):
        note_refused("api", "", "unauthenticated")
    log.now += WINDOW
    note_refused("api", "", "unauthenticated")
    assert log.left_out() == [7]
    assert log.written()[-1]["event"] == "refused"


def test_it_hides_no_other_kind_of_line(log: Log) -> None:
    for _ in range(LINES * 2):
        note_refused("api", "", "unauthenticated")
    note_refused("api", "", "malformed")
    note_refused("webhook", "shop", "unauthenticated")
    logging.getLogger("uvicorn.error").warning("something else")
    assert len(log.written()) == LINES + 3


def test_libraries_are_held_to_it_whatever_they_fill_in(log: Log) -> None:
    for number in range(LINES * 2):
        logging.getLogger("mail.log").warning("peer %s said too much", number)
    assert len(log.written()) == LINES


def test_so_are_very_many_kinds(log: Log) -> None:
    for number in range(KINDS * 2):
        logging.getLogger("mail.log").warning(f"peer {number} said too much")
    assert len(log.written()) == KINDS + LINES


def test_what_workers_say_of_runs_is_all_there(log: Log) -> None:
    logger = structlog.get_logger("ponderd.workers.execution.x")
    for number in range(LINES * 2):
        logger.info("tool called", run=number)
    assert len(log.written()) == LINES * 2
