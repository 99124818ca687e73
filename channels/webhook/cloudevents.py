"""CloudEvents 1.0 over HTTP: one event in JSON, one in headers and body, or a batch. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ponderd.channels.errors import Malformed, Unsupported
from ponderd.channels.text import one_line

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MOST_EVENTS = 100
"""Events in one batch."""

_NEEDED = ("specversion", "id", "source", "type")
_LONGEST = 150


def refuse_other_formats(kind: str) -> None:
    """Raises Unsupported for an event in another form than JSON."""
    if kind.startswith("application/cloudevents") and kind not in (STRUCTURED, BATCH):
        raise Unsupported(
            f"Content-Type: {kind[:60]!r} is not read; send {STRUCTURED}, {BATCH}, or the event's "
            "attributes in ce- headers"
        )


def from_headers(headers: Mapping[str, str]) -> dict[str, Any] | None:
    """The attributes of an event in binary mode. None: the headers hold no event."""
    if not all(headers.get(f"ce-{name}") for name in _NEEDED):
        return None
    return {
        name[3:].lower(): unquote(value)
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }


def check_event(event: object) -> dict[str, Any]:
    """The event, if it has all that it needs. Raises Malformed."""
    if not isinstance(event, dict):
        raise Malformed("a CloudEvent is a JSON object")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise Malformed(f"a CloudEvent needs the attribute {name}")
    return event


def check_batch(events: object) -> list[dict[str, Any]]:
    """The events of a batch. Raises Malformed, which says which is wrong."""
    if not isinstance(events, list):
        raise Malformed("a batch of CloudEvents is a JSON array")
    if len(events) > MOST_EVENTS:
        raise Malformed(f"the batch has {len(events)} events; at most {MOST_EVENTS} are taken")
    checked = []
    for number, event in enumerate(events, 1):
        try:
            checked.append(check_event(event))
        except Malformed as error:
            raise Malformed(f"event {number} of {len(events)}: {error}") from None
    return checked


def data_of(event: Mapping[str, Any]) -> bytes | None:
    """What `data_base64` holds; None if the event has none. Raises Malformed."""
    encoded = event.get("data_base64")
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Malformed("data_base64 is not base64") from None


def id_of(event: Mapping[str, Any]) -> str:
    """What no two events share: source and id together."""
    whole = json.dumps([event["source"], event["id"]], ensure_ascii=False)
    if len(whole) <= _LONGEST and one_line(whole) == whole and " " not in event["source"]:
        return f"{event['source']} {event['id']}"
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
