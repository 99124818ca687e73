"""Schedules at work: begin the runs that are due, and let people look at them and steer them.

Why each tick is decided once, whatever dies and whenever:

- How far a schedule has come is one value in the store, its checkpoint. A tick's run is admitted by
  the same script that replaces this value, and only if it is still the one that was decided from.
  There is nothing between the two, so a crash is before both or after both.
- If the store's answer is lost, the value is read again and says whether it was done.
- The checkpoint is kept for ever. The keys of triggers, which are forgotten after a week, only help
  where an operator turns time back.
- All times are the store's own. If its clock goes back, nothing is due until it has caught up; if
  it goes forward, the ticks between were missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog
from pydantic import ValidationError

from ponderd.channels.errors import Conflict, NotFound, Refused, Unavailable
from ponderd.channels.message import Accepted, Trigger
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.schedule import (
    Hold,
    LeaveOut,
    Pause,
    Progress,
    Schedule,
    Start,
    abandoned,
    adopted,
    checkpoint_of,
    decide,
    due,
    text_of,
    utc,
)
from ponderd.workers.control.schedule_view import (
    ScheduleView,
    TickCounts,
    schedule_view,
    tick_counts,
)
from ponderd.workers.execution.snapshots import newest
from ponderd.workers.store.contract import FINISHED, Checkpoint, RunStore

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""The longest time between two looks at the store's clock, which may be set; also how often it is
looked whether a run that a tick waits for is finished."""

READ_SECONDS = 60.0
"""The longest time between two looks at one schedule, even if no tick comes."""

STEPS = 200
"""Decisions about one schedule in one round, so that one that is far behind lets others on."""

INDEX = "schedules"
"""The box with the names of all schedules that any daemon has."""

CHANNEL = "schedule"


class Schedules:
    """All schedules of one daemon's file. Methods raise `Unavailable` while the store is away;
    those that take a name raise `NotFound` for an unknown one."""

    def __init__(self, store: RunStore, runs: Runs, schedules: Iterable[Schedule]) -> None:
        self._store = store
        self._runs = runs
        self._all = {schedule.name: schedule for schedule in schedules}
        self._look_at: dict[str, float] = {}
        """When to look at a schedule again, by the store's clock. Missing: now."""
        self._adopted: set[str] = set()
        self._abandoned = False
        self.changed = asyncio.Event()
        """Set when a round is due earlier than the one before said."""

    # -- at work --------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """There is nothing to do, now or later."""
        return self._abandoned and not self._all

    async def round(self) -> float:
        """Do all that is due. Returns for how many seconds there is nothing to do."""
        began = time.monotonic()
        now = await self._store.now()
        if not self._abandoned:
            await self._abandon_others()
        names = [name for name in self._all if self._is_due(name, now)]
        for name, raw in zip(names, await self._read(names), strict=True):
            try:
                following = await self._advance(self._all[name], raw, now)
            except Unavailable:
                raise
            except Refused as error:
                log.warning("schedule held up", schedule=name, error=str(error))
                following = now + LOOK_SECONDS
            except Exception:  # one must not stop the others
                log.exception("schedule held up", schedule=name)
                following = now + LOOK_SECONDS
            self._look_at[name] = min(following, now + READ_SECONDS)
        left = min(self._look_at.values(), default=now + LOOK_SECONDS) - now
        return max(0.0, min(left, LOOK_SECONDS) - (time.monotonic() - began))

    def _is_due(self, name: str, now: float) -> bool:
        at = self._look_at.get(name, now)
        return at <= now or at > now + READ_SECONDS  # the clock was set back

    async def _abandon_others(self) -> None:
        others = [name for name in await self._store.box(INDEX) if name not in self._all]
        for name, raw in zip(others, await self._read(others), strict=True):
            await self._replace(name, lambda p: abandoned(p) if p else None, raw)
            await self._store.drop(INDEX, name)
        self._abandoned = True

    async def _advance(self, schedule: Schedule, raw: str | None, now: float) -> float:
        """Decide about all that is due. Returns when to look again."""
        if raw is None or schedule.name not in self._adopted:
            await self._store.put(INDEX, schedule.name, b"")
            new = await self._replace(schedule.name, lambda p: adopted(schedule, p, now), raw)
            if new is not None:
                log.info("schedule adopted", schedule=schedule.name, plan=schedule.written)
            self._adopted.add(schedule.name)
            [raw] = await self._read([schedule.name])
        for _ in range(STEPS):
            progress = _progress(raw)
            if progress is None:
                return now
            waiting = due(schedule, progress, now).total
            busy = bool(waiting) and await self._is_busy(schedule, progress)
            done: str | None = None
            match decide(schedule, progress, now, busy=busy):
                case None:
                    following = schedule.next_after(now)
                    return now + READ_SECONDS if following is None else following
                case Hold():
                    return now + LOOK_SECONDS
                case LeaveOut() as decision:
                    done = await self._leave_out(schedule, decision, raw, progress)
                case Start() as decision:
                    done = await self._start(schedule, decision, raw, now)
            if done is None:  # another daemon has decided
                [done] = await self._read([schedule.name])
            raw = done
        return now

    async def _is_busy(self, schedule: Schedule, progress: Progress) -> bool:
        if progress.last is None or schedule.overlap == "allow":
            return False
        head = await self._store.head(progress.last.run)
        if head is None or head.status in FINISHED:
            return False
        if (head.status, head.waiting_for) != ("WAITING", "retry"):
            return True
        try:
            run = await newest(self._store, head.id)
        except ValidationError:  # a newer ponderd wrote it
            return True
        # Once the work is done, nobody waits for a receiver.
        return run is None or run.work.waiting_for != "delivery"

    async def _leave_out(
        self, schedule: Schedule, decision: LeaveOut, raw: str | None, before: Progress
    ) -> str | None:
        """The new checkpoint. None: it was another one than `raw`."""
        step = Checkpoint(schedule.checkpoint, raw, decision.after.model_dump_json())
        if not await self._store.set_checkpoint(step):
            return None
        log.warning(
            "schedule left ticks out",
            schedule=schedule.name,
            until=utc(decision.after.until),
            missed=decision.missed,
            overlapped=decision.overlapped,
            run_before=before.last.run if decision.overlapped and before.last else None,
        )
        return step.value

    async def _start(
        self, schedule: Schedule, start: Start, raw: str | None, now: float
    ) -> str | None:
        """The new checkpoint. None: it was another one than `raw`."""
        if start.cancels:
            with contextlib.suppress(Conflict, NotFound):  # it has ended meanwhile
                by = f"schedule:{schedule.name}"
                await self._runs.cancel(start.cancels, by, "the next tick of its schedule came")
        trigger = _trigger(
            schedule,
            text_of(schedule, start.tick, start.joined),
            conversation=f"{schedule.name}@{utc(start.tick)}",
            key=f"{schedule.checkpoint}:{utc(start.tick)}",
        )
        step = Checkpoint(schedule.checkpoint, raw, start.after.model_dump_json())
        accepted = await self._runs.accept_in_step(schedule.agent, trigger, step, now)
        if accepted is None:
            return None
        tell = log.warning if start.joined.total or start.missed else log.info
        tell(
            "schedule started a run",
            schedule=schedule.name,
            scheduled_at=utc(start.tick),
            run=accepted.run_id,
            late=round(now - start.tick, 1),
            stands_for_missed=start.joined.total,
            missed_left_out=start.missed,
        )
        return step.value.replace("{run}", accepted.run_id)

    # -- looked at and steered -------------------------------------------------------------------

    async def list_all(self) -> list[ScheduleView]:
        names = sorted(self._all)
        now = await self._store.now()
        found = zip(names, await self._read(names), strict=True)
        return list(
            await asyncio.gather(*(self._view(self._all[name], raw, now) for name, raw in found))
        )

    async def show(self, name: str) -> ScheduleView:
        schedule = self._known(name)
        [raw] = await self._read([name])
        return await self._view(schedule, raw, await self._store.now())

    async def pause(self, name: str, by: str) -> ScheduleView:
        """Let no tick begin a run until somebody resumes it. What waits to begin is left out."""
        schedule, now = self._known(name), await self._store.now()

        def pause(progress: Progress | None) -> Progress | None:
            progress = progress or adopted(schedule, None, now)
            assert progress is not None
            if progress.paused:
                return None
            return progress.model_copy(update={"paused": Pause(by=by, at=now)})

        if await self._replace(name, pause):
            log.info("schedule paused", schedule=name, by=by)
        return await self.show(name)

    async def resume(self, name: str, by: str) -> ScheduleView:
        """Go on with the first tick after now. Raises `Conflict` if the file says `paused`."""
        schedule, now = self._known(name), await self._store.now()
        if schedule.paused:
            raise Conflict(
                f"schedule {name} is paused in ponderd.toml; take `paused = true` out there, and "
                "restart the daemon"
            )

        def resume(progress: Progress | None) -> Progress | None:
            if progress is None or progress.paused is None:
                return None
            return progress.model_copy(update={"paused": None, "until": now})

        if await self._replace(name, resume):
            log.info("schedule resumed", schedule=name, by=by)
            self._look_at.pop(name, None)
            self.changed.set()
        return await self.show(name)

    async def run(self, name: str, by: str, key: str = "", digest: str = "") -> Accepted:
        """Begin a run now, beside the plan, also while it is paused. With the same `key` it begins
        once, provided that `digest` is the same, too. Raises what `Runs.accept` raises."""
        schedule, now = self._known(name), await self._store.now()
        once = key or secrets.token_hex(8)
        trigger = _trigger(
            schedule,
            text_of(schedule, now),
            conversation=f"{name}@{utc(now)}+{once[-12:]}",
            key=f"{schedule.checkpoint}:run:{once}",
        ).model_copy(update={"digest": digest})
        accepted = await self._runs.accept_beside(schedule.agent, trigger, now, schedule.checkpoint)
        log.info(
            "schedule run by hand",
            schedule=name,
            by=by,
            run=accepted.run_id,
            duplicate=accepted.duplicate,
        )
        return accepted

    async def counts(self) -> Mapping[str, TickCounts]:
        """What became of the ticks of each schedule."""
        names = sorted(self._all)
        found = zip(names, await self._read(names), strict=True)
        return {name: tick_counts(_progress(raw)) for name, raw in found}

    def _known(self, name: str) -> Schedule:
        schedule = self._all.get(name)
        if schedule is None:
            known = ", ".join(sorted(self._all)) or "none"
            raise NotFound(f"there is no schedule {name!r}; known schedules: {known}")
        return schedule

    async def _view(self, schedule: Schedule, raw: str | None, now: float) -> ScheduleView:
        progress = _progress(raw)
        last = progress.last if progress else None
        head = await self._store.head(last.run) if last else None
        return schedule_view(schedule, progress, head.status if head else None, now)

    # -- the checkpoints -------------------------------------------------------------------------

    async def _read(self, names: Collection[str]) -> list[str | None]:
        found = [checkpoint_of(name) for name in names]
        return await self._store.checkpoints(found) if found else []

    async def _replace(
        self,
        name: str,
        change: Callable[[Progress | None], Progress | None],
        raw: str | None = None,
    ) -> str | None:
        """Replace the progress by what `change` makes of it; None: leave it. `raw` is what it may
        be now. Returns the new value, None if it was left."""
        while True:
            after = change(_progress(raw))
            if after is None and raw is not None:
                return None
            if after is not None:
                step = Checkpoint(checkpoint_of(name), raw, after.model_dump_json())
                if await self._store.set_checkpoint(step):
                    return step.value
            [now] = await self._read([name])
            if after is None and now is None:
                return None
            raw = now


def _progress(raw: str | None) -> Progress | None:
    return None if raw is None else Progress.model_validate_json(raw)


def _trigger(schedule: Schedule, text: str, *, conversation: str, key: str) -> Trigger:
    return Trigger(
        channel=CHANNEL,
        keys=(key,),
        conversation=schedule.conversation or conversation,
        source=schedule.name,
        text=text,
        sender=schedule.name,
        agent=schedule.agent,
        reply_to=schedule.answer,
    )
