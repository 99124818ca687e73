"""Snapshots of runs compared with their logs, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from ponderd.daemon.api.queries import while_wanted
from ponderd.daemon.api.runs import Body
from ponderd.workers.control.snapshot_checks import PORTION, Checked, SnapshotChecks


class CheckMany(Body):
    limit: int = Field(PORTION, ge=1, le=PORTION, description="runs to look at in one request")
    cursor: str | None = Field(None, max_length=200, description="where the portion before ended")


def check_routes(checks: SnapshotChecks) -> APIRouter:
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.post("/check")
    async def check_many(request: Request, body: CheckMany | None = None) -> Checked:
        """Compare the snapshots of a portion of all runs with their logs. Pass the `cursor` of a
        portion to go on with the next one. It ends when its client leaves."""
        body = body or CheckMany.model_validate({})
        found = checks.check_all(limit=body.limit, cursor=body.cursor)
        return await while_wanted(request, found)

    @router.post("/{run_id}/check")
    async def check(run_id: str) -> Checked:
        """Compare the snapshot of a run, if it has one, with its log."""
        return await checks.check(run_id)

    return router
