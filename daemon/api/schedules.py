"""Schedules over HTTP: look at them, pause and resume them, run one now."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ponderd.daemon.api.runs import Key, Steer, keys_of
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.schedule_view import ScheduleView
from ponderd.workers.control.schedules import Schedules
from ponderd.workers.control.views import RunView


class ScheduleList(BaseModel):
    schedules: list[ScheduleView]


def schedule_routes(schedules: Schedules, runs: Runs) -> APIRouter:
    router = APIRouter(prefix="/schedules", tags=["schedules"])

    @router.get("")
    async def list_schedules() -> ScheduleList:
        """All schedules of this daemon's ponderd.toml, by name."""
        return ScheduleList(schedules=await schedules.list_all())

    @router.get("/{name}")
    async def show(name: str) -> ScheduleView:
        return await schedules.show(name)

    @router.post("/{name}/pause")
    async def pause(name: str, body: Steer | None = None) -> ScheduleView:
        """Begin no run until it is resumed, also after a restart."""
        return await schedules.pause(name, (body or Steer.model_validate({})).by)

    @router.post("/{name}/resume")
    async def resume(name: str, body: Steer | None = None) -> ScheduleView:
        """Go on with the first tick after now: the ticks of a pause are not made up for."""
        return await schedules.resume(name, (body or Steer.model_validate({})).by)

    @router.post("/{name}/run", status_code=201)
    async def run(name: str, body: Steer | None = None, key: Key = None) -> RunView:
        """Begin a run now, beside the plan, also while the schedule is paused."""
        body = body or Steer.model_validate({})
        keys, digest = keys_of(key, f"schedule:{name}", body)
        accepted = await schedules.run(name, body.by, "".join(keys), digest)
        return await runs.show(accepted.run_id)

    return router
