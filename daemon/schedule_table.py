"""Read the table `[schedules]` of ponderd.toml.

[schedules.standup]
agent = "assistant"
text = "Ask everybody in this channel what they do today."
cron = "0 9 * * mon-fri"             # or every = "15m"
timezone = "Europe/Berlin"           # default: UTC
answer = "slack:C0123456789"         # default: the answer waits in the run
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from ponderd.channels.destination import read_destination
from ponderd.channels.errors import Malformed, StartupError
from ponderd.channels.message import Address, Frozen
from ponderd.workers.agents.config import read_toml, wrong_entry
from ponderd.workers.agents.policies import Seconds
from ponderd.workers.control.schedule import Missed, Overlap, Schedule
from ponderd.workers.control.ticks import Cron, Every, Plan

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Moment = datetime | date


class ScheduleTable(Frozen):
    """`[schedules.NAME]`. docs/schedules.md says what the entries mean."""

    agent: str
    text: str = Field(min_length=1, max_length=100_000)
    timezone: str = "UTC"
    cron: str | None = None
    every: Seconds | None = None
    start: Moment | None = None
    until: Moment | None = None
    jitter: Seconds | None = None
    answer: str | None = None
    conversation: str = Field("", max_length=200)
    missed: Missed = "once"
    overlap: Overlap = "skip"
    paused: bool = False

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        _zone(value)
        return value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None:
            Cron(value, ZoneInfo("UTC"))
        return value

    @field_validator("every", "jitter")
    @classmethod
    def _is_in_seconds(cls, value: float | None) -> float | None:
        if value is not None and not value.is_integer():
            raise ValueError("write whole seconds, such as 30s, 15m or 4h")
        return value

    @field_validator("answer")
    @classmethod
    def _is_a_destination(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                read_destination(value)
            except Malformed as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _has_one_rule(self) -> ScheduleTable:
        if (self.cron is None) == (self.every is None):
            raise ValueError('write either cron = "0 9 * * mon-fri" or every = "15m"')
        start, until = self.bounds()
        if start is not None and until is not None and until < start:
            raise ValueError("until is before start")
        return self

    def bounds(self) -> tuple[float | None, float | None]:
        """`start` and `until` in Unix seconds. A day of `until` is over at its end."""
        zone = _zone(self.timezone)
        return _seconds(self.start, time(), zone), _seconds(self.until, time(23, 59, 59), zone)

    def schedule(self, name: str) -> Schedule:
        zone = _zone(self.timezone)
        start, until = self.bounds()
        rule = (
            Cron(self.cron, zone)
            if self.cron is not None
            else Every(int(self.every or 0), int(start or 0))
        )
        return Schedule(
            name=name,
            agent=self.agent,
            text=self.text,
            plan=Plan(rule, start, until),
            zone=zone,
            written=self._written(),
            answer=self._address(name),
            conversation=self.conversation,
            missed=self.missed,
            overlap=self.overlap,
            paused=self.paused,
            jitter=int(self.jitter or 0),
        )

    def _address(self, name: str) -> Address | None:
        if self.answer is None:
            return None
        to = read_destination(self.answer)
        if to.channel == "email" and not to.headers.get("subject"):
            to = to.model_copy(update={"headers": {**to.headers, "subject": name}})
        return to

    def _written(self) -> str:
        words = (
            f"every {_span(self.every)}"
            if self.every is not None
            else f"{' '.join((self.cron or '').lower().split())} ({self.timezone})",
            f"from {self.start}" if self.start else "",
            f"until {self.until}" if self.until else "",
            f"{self.timezone}" if self.every is not None and (self.start or self.until) else "",
            f"jitter {_span(self.jitter)}" if self.jitter else "",
        )
        return " ".join(filter(None, words))


_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))

_tables = TypeAdapter(dict[Name, ScheduleTable])


def load_schedules(path: Path | None, agents: Collection[str]) -> Mapping[str, Schedule]:
    """The schedules in the file `path`, by name; none if it is None. Raises `StartupError`, which
    names the wrong entry."""
    if path is None:
        return {}
    try:
        tables = _tables.validate_python(read_toml(path).get("schedules", {}))
    except ValidationError as error:
        raise wrong_entry(path, error, "schedules") from error
    for name, table in tables.items():
        if table.agent not in agents:
            known = ", ".join(sorted(agents))
            raise StartupError(
                f"{path}: schedules.{name}.agent names the agent {table.agent!r}; known agents: "
                f"{known}",
                exit_code=2,
            )
    return {name: table.schedule(name) for name, table in tables.items()}


def _span(seconds: float) -> str:
    """A number of whole seconds as one writes it: "15m"."""
    unit, length = next(entry for entry in _UNITS if seconds % entry[1] == 0)
    return f"{seconds / length:.0f}{unit}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ', such as "Europe/Berlin" or "UTC"'
        raise ValueError(f"{name!r} is no time zone{meant}") from None


def _seconds(moment: Moment | None, at: time, zone: ZoneInfo) -> float | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, at)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
