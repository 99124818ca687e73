"""The schedules of the world, and the zone by whose clocks one of them goes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

ZONE = "Chaos/Storm"
CHANGES_AFTER = 60
"""Seconds after which its clocks change, at the next full minute."""


@dataclass(frozen=True)
class Planned:
    """A schedule each of whose ticks has a run of its own."""

    name: str
    seconds: int
    """Between two ticks, all of which are multiples of it in Unix time."""
    least: int
    """As many ticks at least must have come before it is paused."""
    address: str
    """Where its answers become visible."""


PLANNED = (
    Planned("tick", 2, 20, "callback:tick"),
    Planned("post", 5, 8, "slack:C9:"),
    Planned("zone", 60, 2, "callback:zone"),
)


def tables(answers: str) -> str:
    """`[schedules]` of ponderd.toml; callbacks go to URLs that begin with `answers`."""
    return f"""
[schedules.tick]
agent = "chaos"
text = '!{{"action": "once", "order": "{{name}} {{scheduled_at}}"}}'
every = "2s"
missed = "all"
overlap = "allow"
answer = "{answers}tick"

[schedules.post]
agent = "chaos"
text = '!{{"action": "keep", "order": "{{name}} {{scheduled_at}}"}}'
every = "5s"
missed = "all"
overlap = "queue"
answer = "slack:C9"

[schedules.zone]
agent = "chaos"
text = "hello"
cron = "* * * * *"
timezone = "{ZONE}"
missed = "all"
overlap = "allow"
answer = "{answers}zone"
"""


def write_zone(folder: Path, now: float, *, forward: bool) -> None:
    """A file as in /usr/share/zoneinfo (RFC 9636, version 1): at the change the clocks go an hour
    forward or back, in the midst of the storm."""
    change = int((now + CHANGES_AFTER) // 60 + 1) * 60
    names = b"BEFORE\0AFTER\0"
    file = folder / ZONE
    file.parent.mkdir(parents=True)
    file.write_bytes(
        b"TZif"
        + bytes(16)
        + struct.pack(">6l", 0, 0, 0, 1, 2, len(names))
        + struct.pack(">lB", change, 1)
        + struct.pack(">lBB", 7200, 0, 0)
        + struct.pack(">lBB", 10800 if forward else 3600, forward, len(b"BEFORE\0"))
        + names
    )
