"""One schedule: what an operator wrote, how far it has come, and what to do next about it. Pure.

`decide` looks at the ticks that came since the last decision and decides about the oldest of them,
or about several at once. How far a schedule has come is kept as one text in the store, and each
decision replaces the text that it was made from. So of all daemons that decide about a tick one
does, and what became of it is known for as long as there is a store.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ponderd.channels.message import Address
from ponderd.workers.control.ticks import NO_TICKS, Plan, Ticks

GRACE = 60.0
"""Seconds. A tick that is decided later than that was missed."""

MOST = 100
"""The most missed ticks of a schedule that get a run each (`missed = "all"`), the newest ones."""

TOLD = 10
"""Missed ticks that a text tells one by one."""

Missed = Literal["once", "all", "skip"]
Overlap = Literal["skip", "queue", "cancel", "allow"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """`[schedules.NAME]` in ponderd.toml."""

    name: str
    agent: str
    text: str
    plan: Plan
    zone: tzinfo
    written: str
    """The plan, as it is written: two daemons that write the same have the same ticks."""
    answer: Address | None = None
    conversation: str = ""
    missed: Missed = "once"
    overlap: Overlap = "skip"
    paused: bool = False
    jitter: int = 0
    """Most seconds by which its runs begin after their ticks."""

    @property
    def delay(self) -> int:
        """Seconds by which they do: always the same, and different ones for different names."""
        return zlib.crc32(self.name.encode()) % (self.jitter + 1)

    @property
    def checkpoint(self) -> str:
        """Its checkpoint in the store, by whose shard its runs are kept."""
        return checkpoint_of(self.name)

    def next_after(self, moment: float) -> int | None:
        """When the next run begins after `moment`, if none is held up. None: never."""
        tick = self.plan.after(moment - self.delay)
        return None if tick is None else tick + self.delay


class Pause(BaseModel):
    """Somebody paused it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    by: str
    at: float


class LastTick(BaseModel):
    """The last tick that began a run."""

    model_config = ConfigDict(frozen=True, extra="allow")

    tick: int
    run: str
    at: float
    joined: int = 0


class Progress(BaseModel):
    """How far a schedule has come. A newer ponderd may have written further fields; they stay."""

    model_config = ConfigDict(frozen=True, extra="allow")

    until: float
    """All ticks up to here are decided, Unix seconds."""
    plan: str = ""
    """`Schedule.written` of the daemon that started last. Empty: it has no such schedule."""
    paused: Pause | None = None
    last: LastTick | None = None
    runs: int = 0
    """Ticks that began a run,"""
    joined: int = 0
    """… that were missed, and for which another tick's run stands,"""
    missed: int = 0
    """… that were missed, and for which nothing stands,"""
    overlapped: int = 0
    """… that came while the run before was not finished, and were left out."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the run of `tick`."""

    tick: int
    after: Progress
    """`{run}` in it stands for the run's id."""
    joined: Ticks = NO_TICKS
    """Missed ticks that it stands for, too."""
    missed: int = 0
    """Missed ticks that are left out."""
    cancels: str = ""
    """A run to cancel before."""


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Begin no run for the ticks so far."""

    after: Progress
    missed: int = 0
    overlapped: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until the run before is finished."""

    waiting: int


Decision = Start | LeaveOut | Hold


def checkpoint_of(name: str) -> str:
    return f"schedule:{name}"


def adopted(schedule: Schedule, progress: Progress | None, now: float) -> Progress | None:
    """The progress with which a daemon starts that reads this schedule in its file. None: as it is.

    A plan that is new to the store has no ticks before now.
    """
    planned = "" if schedule.paused else schedule.written
    if progress is None:
        return Progress(until=now, plan=planned)
    if progress.plan == planned:
        return None
    return progress.model_copy(update={"until": now, "plan": planned})


def abandoned(progress: Progress) -> Progress | None:
    """The progress with which a daemon starts whose file has no such schedule. None: as it is."""
    return progress.model_copy(update={"plan": ""}) if progress.plan else None


def due(schedule: Schedule, progress: Progress, now: float) -> Ticks:
    """The ticks that nobody has decided about yet. None while it is paused."""
    if schedule.paused or progress.paused:
        return NO_TICKS
    return schedule.plan.between(progress.until, now - schedule.delay, MOST)


def decide(schedule: Schedule, progress: Progress, now: float, *, busy: bool) -> Decision | None:
    """What to do next. None: nothing now. `now` is the store's time, Unix seconds; `busy`: the last
    run is not finished."""
    ticks = due(schedule, progress, now)
    if not ticks.total:
        return None
    on_time = now - schedule.delay - GRACE
    fresh = schedule.plan.between(max(progress.until, on_time), now - schedule.delay, MOST)
    late = ticks.total - fresh.total
    cancels = ""
    if busy:
        match schedule.overlap:
            case "skip" if not (late and schedule.missed == "all"):
                return _leave_out(progress, ticks, overlapped=ticks.total)
            case "skip" | "queue":
                return Hold(ticks.total)
            case "cancel":
                cancels = progress.last.run if progress.last else ""
            case "allow":
                pass
    if not late:
        return _start(progress, ticks.first, now, cancels)
    match schedule.missed:
        case "skip" if not fresh.total:
            return _leave_out(progress, ticks, missed=late)
        case "skip":
            return _start(progress, fresh.first, now, cancels, missed=late)
        case "all":
            left_out = ticks.total - len(ticks.newest)
            return _start(progress, ticks.newest[0], now, cancels, missed=left_out)
        case "once":
            tick = fresh.first or ticks.newest[-1]
            before = schedule.plan.between(progress.until, tick - 1, TOLD)
            return _start(progress, tick, now, cancels, joined=before)


def text_of(schedule: Schedule, tick: float, joined: Ticks = NO_TICKS) -> str:
    """What the agent is told. `{name}` and `{scheduled_at}` in the text are filled in; all other
    braces stay as they are."""
    when = told(tick, schedule.zone)
    text = schedule.text.replace("{name}", schedule.name).replace("{scheduled_at}", when)
    lines = [] if "{scheduled_at}" in schedule.text else [f"Scheduled for {when}."]
    if joined.total:
        lines.append(_stands_for(joined, schedule.zone))
    return "\n\n".join((text, "\n".join(lines))) if lines else text


def told(moment: float, zone: tzinfo) -> str:
    """A moment, by the clocks of a zone: "Monday 2026-11-30 09:00 CET"."""
    local = datetime.fromtimestamp(moment, zone)
    seconds = ":%S" if local.second else ""
    return local.strftime(f"%A %Y-%m-%d %H:%M{seconds} %Z")


def utc(tick: float) -> str:
    """A tick as runs and keys are named by it: "2026-11-30T08:00:00Z"."""
    return datetime.fromtimestamp(tick, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stands_for(joined: Ticks, zone: tzinfo) -> str:
    times = [told(tick, zone) for tick in joined.newest]
    if joined.total > len(times):
        times.insert(0, f"{told(joined.first, zone)} …")
    number = "one" if joined.total == 1 else f"{joined.total}"
    return f"It also stands for {number} before it that could not run: {', '.join(times)}."


def _start(
    progress: Progress,
    tick: int,
    now: float,
    cancels: str,
    *,
    joined: Ticks = NO_TICKS,
    missed: int = 0,
) -> Start:
    after = progress.model_copy(
        update={
            "until": tick,
            "last": LastTick(tick=tick, run="{run}", at=now, joined=joined.total),
            "runs": progress.runs + 1,
            "joined": progress.joined + joined.total,
            "missed": progress.missed + missed,
        }
    )
    return Start(tick, after, joined, missed, cancels)


def _leave_out(
    progress: Progress, ticks: Ticks, *, missed: int = 0, overlapped: int = 0
) -> LeaveOut:
    after = progress.model_copy(
        update={
            "until": ticks.newest[-1],
            "missed": progress.missed + missed,
            "overlapped": progress.overlapped + overlapped,
        }
    )
    return LeaveOut(after, missed, overlapped)
