"""Tell the operator what was not taken, and why: a log line and a counter for each.

A sender whose every event is refused looks healthy from here otherwise. The counters are this
process's: Prometheus adds those of several daemons, and knows when one starts anew.
"""

from __future__ import annotations

from functools import partial

import structlog
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter

from ponderd.channels.channel import Note
from ponderd.channels.text import one_line

REGISTRY = CollectorRegistry()
"""Both counters, for /metrics."""

UNKNOWN = "unknown"
"""The source of what came to a source that there is not: strangers name no counters."""

_LABELS = ("channel", "source", "reason")
_REFUSED = Counter(
    "ponderd_refused", "Messages and requests that were refused", _LABELS, registry=REGISTRY
)
_IGNORED = Counter(
    "ponderd_ignored", "Genuine messages that start nothing", _LABELS, registry=REGISTRY
)

log = structlog.get_logger(__name__)


def note_refused(channel: str, source: str, reason: str, detail: str = "") -> None:
    """Something was not taken, and its sender was told so.

    `channel`, `source` and `reason` are names of ours, of which there are few: "webhook", the name
    of a route, "unauthenticated". `detail` is for the log alone, and may hold what strangers wrote.
    """
    _REFUSED.labels(channel, source, reason).inc()
    log.warning(
        "refused", channel=channel, source=source, reason=reason, detail=one_line(detail, 300)
    )


def note_ignored(channel: str, source: str, reason: str, detail: str = "") -> None:
    """Something genuine asks for no answer, and was acknowledged. As `note_refused`."""
    _IGNORED.labels(channel, source, reason).inc()
    log.info("ignored", channel=channel, source=source, reason=reason, detail=one_line(detail, 300))


def note_refused_request(request: Request, reason: str, detail: str) -> None:
    """An HTTP request was refused. Whoever finds the route of a webhook writes its name into
    `request.state.source`."""
    path = request.url.path
    channel = next((name for start, name in _CHANNELS if path.startswith(start)), "api")
    source = getattr(request.state, "source", UNKNOWN if channel == "webhook" else "")
    note_refused(channel, source, reason, f"{request.method} {path[:200]}: {detail}")


def refused_by(channel: str) -> Note:
    """`note_refused` for a channel without sources: it takes the reason and the details."""
    return partial(note_refused, channel, "")


def ignored_by(channel: str) -> Note:
    """`note_ignored`, likewise."""
    return partial(note_ignored, channel, "")


_CHANNELS = (("/webhooks/", "webhook"), ("/slack/", "slack"), ("/sms/", "sms"))
