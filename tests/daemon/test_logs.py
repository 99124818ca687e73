"""Log lines are short, hold no secrets, and do nothing to a terminal, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ponderd.channels import own_secrets
from ponderd.channels.own_secrets import remember_secrets
from ponderd.daemon import logs
from ponderd.daemon.logs import TRACEBACK_CHARS, VALUE_CHARS, configure_logs, harmless

SECRET = "the token of this daemon"
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202ereversed\nforged\ud800\x00"
LIBRARIES = (
    "aiosmtpd", "asyncio", "celery.worker", "kombu", "mail.log", "py.warnings", "redis",
    "slack_bolt.RequestVerification", "slack_sdk", "uvicorn.error",
)  # fmt: skip


@pytest.fixture(params=["json", "console"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What was written so far."""
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(own_secrets, "_redactor", own_secrets.Redactor())
    remember_secrets([SECRET])
    # What pytest would keep of these lines cannot be sent to another process, as xdist does.
    monkeypatch.setattr("_pytest.logging.LogCaptureHandler.emit", lambda self, record: None)
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    configure_logs("INFO", request.param)
    yield stream.getvalue
    logging.captureWarnings(False)
    structlog.configure(**config)
    sys.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(level)


def assert_harmless(text: str, limit: int = VALUE_CHARS + 1_000) -> None:
    assert text and len(text) < limit
    assert SECRET not in text
    coloured = text.replace("\x1b[0m", "")
    for colour in (*range(1, 8), *range(30, 38)):
        coloured = coloured.replace(f"\x1b[{colour}m", "")
    assert all(char.isprintable() or char == "\n" for char in coloured)
    assert not any(line.startswith("forged") for line in text.splitlines())


@pytest.mark.parametrize("library", LIBRARIES)
def test_lines_of_libraries(written: Any, library: str) -> None:
    logging.getLogger(library).error("client said %r and %s", EVIL, EVIL + SECRET + "x" * 10**6)
    assert_harmless(written())


def test_our_own_lines(written: Any) -> None:
    structlog.get_logger("ponderd.test").warning(
        "said", sender=EVIL + SECRET, many={EVIL: [EVIL, SECRET] * 10}, raw=b"\x1b[2J"
    )  # fmt: skip
    assert_harmless(written())


def test_tracebacks(written: Any) -> None:
    try:
        raise ValueError(EVIL + SECRET + "x" * 10**6)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed %s", SECRET)
    text = written()
    assert_harmless(text, 2 * TRACEBACK_CHARS)


def test_what_ends_the_process(written: Any) -> None:
    error = RuntimeError(EVIL + SECRET)
    sys.excepthook(RuntimeError, error, None)
    assert_harmless(written())
    assert "RuntimeError" in written()


def test_warnings(written: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(EVIL + SECRET, stacklevel=1)
    assert_harmless(written())


def test_a_record_that_cannot_be_formatted(written: Any) -> None:
    record = logging.LogRecord("celery", logging.ERROR, "x.py", 1, "%d", (EVIL + SECRET,), None)
    [ours] = [one for one in logging.getLogger().handlers if isinstance(one, logs._Handler)]
    ours.handle(record)  # not pytest's, which raises
    assert_harmless(written())
    assert "celery" in written()


def test_a_library_has_no_way_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    aside = io.StringIO()
    logger = logging.getLogger("a library with a handler")
    logger.addHandler(logging.StreamHandler(aside))
    logger.propagate = False
    root = logging.getLogger()
    handlers, config = root.handlers[:], structlog.get_config()
    try:
        configure_logs("INFO", "json")
        logger.error("hello")
        assert aside.getvalue() == "" and logger.propagate
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        structlog.configure(**config)
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def test_values_keep_their_types() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    event = harmless(
        None, "", {"n": 3, "f": 1.5, "none": None, "yes": True, "odd": Odd(), "i": 10**40}
    )
    assert (event["n"], event["f"], event["none"], event["yes"]) == (3, 1.5, None, True)
    assert "cannot be shown" in event["odd"]
    assert len(json.dumps(event)) < 300
    assert len(harmless(None, "", {str(i): i for i in range(1_000)})) == logs.VALUES
