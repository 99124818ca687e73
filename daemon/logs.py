"""Structured logs: one line per event, as JSON or, on a terminal, for people.

The executor binds the ids of run and step. They appear on every line while a run advances.
Whatever a line holds, from us or from a library, is cut, without secrets, and harmless to a
terminal. A flood of lines is bounded: see log_flood.py.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog

from ponderd.channels.own_secrets import hide_and_cut
from ponderd.daemon.log_flood import FloodFilter

VALUE_CHARS = 2_000
"""Most characters of one value in a log line."""
TRACEBACK_CHARS = 8_000
"""Most characters of a traceback: its end, which says the most."""
VALUES = 50
"""Most values of a log line, and of a list or mapping in it."""


_OWN = ("level", "logger", "timestamp")
"""Values that the processors write themselves, whatever an event brought under these names."""


def configure_logs(level: str, log_format: str) -> None:
    """`log_format` is json, console, or auto: console if standard error is a terminal."""
    if log_format == "auto":
        log_format = "console" if sys.stderr.isatty() else "json"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sys.stderr)
    handler.addFilter(flood := FloodFilter())
    atexit.register(flood.tell)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                harmless,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in list(root.manager.loggerDict):  # no library has a way of its own to the terminal
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [], True
    for chatty in ("slack_bolt", "slack_sdk", "aiosmtpd", "mail.log", "uvicorn.access", "celery"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    sys.excepthook = _fell_through


def harmless(logger: object, method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A processor of structlog: every value is cut, without secrets and control characters."""
    found: dict[str, Any] = {}
    for key, value in list(event.items())[:VALUES]:
        if key in _OWN:
            found[key] = value
        elif key in ("exception", "stack") and isinstance(value, str):
            found[key] = _traceback(value)
        else:
            found[_printable(str(key))[:100]] = _harmless(value)
    return found


def _harmless(value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**30 else "a huge number"
    if isinstance(value, list | tuple | set | frozenset) and depth < 3:
        return [_harmless(one, depth + 1) for one in list(value)[:VALUES]]
    if isinstance(value, dict) and depth < 3:
        return {
            _printable(str(key))[:100]: _harmless(one, depth + 1)
            for key, one in list(value.items())[:VALUES]
        }
    text = value if isinstance(value, str) else _repr(value)
    return _cut(_printable(hide_and_cut(text, VALUE_CHARS)))


def _traceback(text: str) -> str:
    """Its lines stay lines, but each is indented: none of them looks like an event of its own."""
    ending = hide_and_cut(text[-TRACEBACK_CHARS:], TRACEBACK_CHARS)
    lines = ("  " + _printable(line) for line in ending.split("\n"))
    return "\n".join(lines).strip()


def _cut(text: str) -> str:
    return text if len(text) < VALUE_CHARS else text[: VALUE_CHARS - 1] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a value of somebody else's
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def _printable(text: str) -> str:
    """`text` with escapes in place of what moves a cursor, hides text or turns it around."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class _Handler(logging.StreamHandler[Any]):
    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.closed:  # by a tool, or a library
            with contextlib.suppress(OSError):
                self.stream = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A record that cannot be written is named, without the arguments that the standard
        library would print as they are."""
        kind = sys.exc_info()[0]
        try:
            where = f"{record.name}:{record.lineno}"
            self.stream.write(f"log record of {where} cannot be written: {kind}\n")
        except (OSError, ValueError):
            pass  # standard error is closed or full


def _fell_through(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("ponderd").critical("ended", exc_info=(kind, error, traceback))
