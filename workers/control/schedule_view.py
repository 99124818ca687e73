"""A schedule as the API and the command line show it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from ponderd.channels.destination import write_destination
from ponderd.workers.control.schedule import Progress, Schedule, due


class LastRun(BaseModel):
    """The last run that a tick began."""

    scheduled_at: datetime
    started_at: datetime
    run_id: str
    status: str | None
    """None: it has finished and is in the archive."""
    stands_for: int
    """How many missed ticks it stands for besides its own."""


class TickCounts(BaseModel):
    """What became of all ticks so far."""

    started: int
    joined: int
    """Missed; another tick's run stands for them."""
    missed: int
    """Missed, and left out."""
    overlapped: int
    """Left out because the run before was not finished."""


class ScheduleView(BaseModel):
    """A schedule as the API shows it. Times are ISO 8601 in UTC."""

    name: str
    agent: str
    text: str
    plan: str
    timezone: str
    answer: str | None
    conversation: str
    missed: str
    overlap: str
    next_at: datetime | None
    """None: it is paused, or there is no further tick."""
    due: int
    """Ticks that came and wait, for the run before or for a daemon to begin them."""
    paused: bool
    paused_by: str | None
    paused_at: datetime | None
    last: LastRun | None
    ticks: TickCounts


def schedule_view(
    schedule: Schedule, progress: Progress | None, status: str | None, now: float
) -> ScheduleView:
    """`status` is that of its last run; `now` the store's time, Unix seconds."""
    paused = progress.paused if progress else None
    resting = bool(paused) or schedule.paused
    since = max(now, progress.until + schedule.delay) if progress else now
    next_at = None if resting else schedule.next_after(since)
    return ScheduleView(
        name=schedule.name,
        agent=schedule.agent,
        text=schedule.text,
        plan=schedule.written,
        timezone=str(schedule.zone),
        answer=write_destination(schedule.answer) if schedule.answer else None,
        conversation=schedule.conversation,
        missed=schedule.missed,
        overlap=schedule.overlap,
        next_at=None if next_at is None else _utc(next_at),
        due=due(schedule, progress, now).total if progress else 0,
        paused=resting,
        paused_by=paused.by if paused else "ponderd.toml" if schedule.paused else None,
        paused_at=_utc(paused.at) if paused else None,
        last=_last(progress, status) if progress else None,
        ticks=tick_counts(progress),
    )


def tick_counts(progress: Progress | None) -> TickCounts:
    return TickCounts(
        started=progress.runs if progress else 0,
        joined=progress.joined if progress else 0,
        missed=progress.missed if progress else 0,
        overlapped=progress.overlapped if progress else 0,
    )


def _last(progress: Progress, status: str | None) -> LastRun | None:
    last = progress.last
    if last is None:
        return None
    return LastRun(
        scheduled_at=_utc(last.tick),
        started_at=_utc(last.at),
        run_id=last.run,
        status=status,
        stands_for=last.joined,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
