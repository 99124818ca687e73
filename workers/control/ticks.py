"""The ticks of a schedule: cron expressions and intervals. Pure.

A tick is a moment in whole Unix seconds. Which ticks a plan has depends on the plan alone, neither
on who asks nor on when: two daemons name the same ones. So days are looked at as wholes here, and
cronsim is asked only what the fields of an expression mean: where it starts to search decides what
it finds near a change of the clocks.
"""

from __future__ import annotations

import functools
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from cronsim import CronSim, CronSimError

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_FOREVER = 366 * 30
"""Days after which an expression that never came will never come: a 29th of February that is a
fifth Monday comes every 28 years."""

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Ticks(NamedTuple):
    """The ticks in a span of time."""

    total: int
    first: int
    """0 if there is none."""
    newest: tuple[int, ...]
    """The last of them, in order: as many as were asked for."""


NO_TICKS = Ticks(0, 0, ())


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, by the clocks of a zone.

    As in Debian's cron: if the fields for minute and hour both begin with something else than `*`,
    a time that the clocks skip comes when they go on, and one that they show twice comes the first
    time. With a `*` it comes whenever the clocks show it. `0,30 * * * *` is not hurried or held up
    by a change of the clocks.
    """

    expression: str
    zone: tzinfo

    def __post_init__(self) -> None:
        """Raises ValueError, which says what is wrong."""
        _fields(self.expression)

    def after(self, moment: float) -> int | None:
        """The first tick after `moment`. None: there will be none."""
        for tick in self._from(moment):
            if tick > moment:
                return tick
        return None

    def between(self, after: float, until: float, most: int) -> Ticks:
        """The ticks after `after` and not after `until`, the newest `most` of them one by one."""
        count, first, newest = 0, 0, list[int]()
        last_day = _day_of(until, self.zone) + _DAY
        for day in _days(_day_of(after, self.zone) - _DAY, last_day):
            ticks = _of_day(self.expression, self.zone, day)
            found = ticks[bisect_right(ticks, after) : bisect_right(ticks, until)]
            if found:
                first = first or found[0]
                count += len(found)
                newest = [*newest, *found][-most:]
        return Ticks(count, first, tuple(newest))

    def _from(self, moment: float) -> Iterator[int]:
        day = _day_of(moment, self.zone) - _DAY
        for found in _days(day, day + _FOREVER * _DAY):
            yield from _of_day(self.expression, self.zone, found)


@dataclass(frozen=True, slots=True)
class Every:
    """An interval: `anchor`, and every so many seconds after it, whatever the clocks do."""

    seconds: int
    anchor: int = 0

    def after(self, moment: float) -> int:
        """The first tick after `moment`."""
        passed = (math.floor(moment) - self.anchor) // self.seconds
        return self.anchor + max(0, passed + 1) * self.seconds

    def between(self, after: float, until: float, most: int) -> Ticks:
        """As `Cron.between`."""
        first = self.after(after)
        count = (math.floor(until) - first) // self.seconds + 1
        if count <= 0:
            return NO_TICKS
        last = first + (count - 1) * self.seconds
        oldest = max(first, last - (most - 1) * self.seconds)
        return Ticks(count, first, tuple(range(oldest, last + 1, self.seconds)))


@dataclass(frozen=True, slots=True)
class Plan:
    """The ticks of a rule within its bounds."""

    rule: Cron | Every
    start: float | None = None
    """Unix seconds; the first moment at which there may be a tick."""
    until: float | None = None
    """Unix seconds; the last one."""

    def after(self, moment: float) -> int | None:
        tick = self.rule.after(self._not_before(moment))
        return None if tick is None or (self.until is not None and tick > self.until) else tick

    def between(self, after: float, until: float, most: int) -> Ticks:
        after = self._not_before(after)
        until = until if self.until is None else min(until, self.until)
        return self.rule.between(after, until, most) if after < until else NO_TICKS

    def _not_before(self, moment: float) -> float:
        return moment if self.start is None else max(moment, math.ceil(self.start) - 1)


def _day_of(moment: float, zone: tzinfo) -> date:
    return datetime.fromtimestamp(math.floor(moment), zone).date()


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


@functools.lru_cache(maxsize=256)
def _fields(expression: str) -> CronSim:
    """What the fields of an expression mean. Raises ValueError."""
    text = _MACROS.get(expression.strip().lower(), expression)
    if len(text.split()) != 5:
        raise ValueError(
            f"{expression!r} is no cron expression: write five fields (minute, hour, day of the "
            'month, month, day of the week) such as "0 9 * * mon-fri"'
        )
    if re.search(r"[0-9]{4}", text):
        raise ValueError(f"{expression!r} is no cron expression: a number in it is too large")
    try:
        fields = CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except (CronSimError, AssertionError) as error:
        wrong = str(error).removeprefix("Bad ") or "a field"
        raise ValueError(f"{expression!r} is no cron expression: wrong {wrong}") from None
    if not any(_matches(fields, day) for day in _days(date(2000, 1, 1), date(2030, 1, 1))):
        raise ValueError(f"{expression!r} names a day that never comes")
    return fields


def _matches(fields: CronSim, day: date) -> bool:
    return day.month in fields.months and fields.match_day(day)


@functools.lru_cache(maxsize=1024)
def _of_day(expression: str, zone: tzinfo, day: date) -> tuple[int, ...]:
    """The ticks between the midnight with which a day begins and the next one, in order."""
    fields = _fields(expression)
    begins, ends = _midnight(day, zone), _midnight(day + _DAY, zone)
    near = [day + n * _DAY for n in (-1, 0, 1)]
    midnights = [_midnight(other, zone) for other in (*near, near[-1] + _DAY)]
    shown_again = [midnight.replace(fold=1) for midnight in midnights]
    if len({at.utcoffset() for at in midnights + shown_again}) == 1:  # no change of the clocks
        start = round(begins.timestamp())
        clocks = _clocks(fields, day)
        return tuple(start + clock.hour * 3600 + clock.minute * 60 for clock in clocks)
    moments = _shown if any(part.startswith("*") for part in fields.parts[1:3]) else _fixed
    # Clocks that go back past midnight show the end of the day before once more.
    both = (clock for other in near for clock in _clocks(fields, other))
    found = {moment for clock in both for moment in moments(clock, zone)}
    return tuple(sorted(at for at in found if begins.timestamp() <= at < ends.timestamp()))


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _clocks(fields: CronSim, day: date) -> list[datetime]:
    """What the clocks show at the ticks of a day, in order."""
    if not _matches(fields, day):
        return []
    return [
        datetime.combine(day, time(hour, minute))
        for hour in sorted(fields.hours)
        for minute in sorted(fields.minutes)
    ]


def _fixed(clock: datetime, zone: tzinfo) -> list[int]:
    while not (moments := _shown(clock, zone)):
        clock += _MINUTE
    return moments[:1]


def _shown(clock: datetime, zone: tzinfo) -> list[int]:
    """The moments at which the clocks of the zone show this: one, two or none."""
    both = {round(clock.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    found = ((moment, datetime.fromtimestamp(moment, zone)) for moment in sorted(both))
    return [moment for moment, shown in found if shown.replace(tzinfo=None) == clock]
