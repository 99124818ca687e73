"""Server-sent events, as a client reads them from a live stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class ServerSentEvent(NamedTuple):
    """One event of a stream. `id` stays that of the last event that had one."""

    id: str
    name: str
    data: str


def parse_events(lines: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Parse server-sent events from the lines of a stream. Comments are dropped."""
    identifier, name, data = "", "message", list[str]()
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if not line:
            if data:
                yield ServerSentEvent(identifier, name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "id":
                identifier = value
            case "event":
                name = value
            case "data":
                data.append(value)
