"""Runs that failed or were set aside, brought on again over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field, field_validator

from ponderd.daemon.api.runs import Key, Steer, keys_of
from ponderd.workers.control.retries import PORTION, Failed, Retried, Retries
from ponderd.workers.control.views import RunView


class Retry(Steer):
    pass


class RetryMany(Steer):
    status: Literal["FAILED", "SET_ASIDE"] = Field("FAILED", description="runs with this status")
    agent: str | None = Field(None, max_length=200)
    since: datetime | None = Field(None, description="only runs that changed last then or later")
    until: datetime | None = Field(None, description="only runs that changed last before then")
    error: str | None = Field(None, max_length=1000, description="a part of the runs' error")
    dry_run: bool = Field(False, description="count them, and change nothing")
    limit: int = Field(PORTION, ge=1, le=PORTION, description="runs to look at in one request")
    cursor: str | None = Field(None, description="where the portion before ended")

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


def retry_routes(retries: Retries) -> APIRouter:
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.post("/retry")
    async def retry_many(body: RetryMany | None = None, key: Key = None) -> Retried:
        """Bring on runs that match, a portion of them. Pass the `cursor` of a portion to go
        on with the next one."""
        body = body or RetryMany.model_validate({})
        keys, digest = keys_of(key, "retry", body)
        return await retries.retry_all(
            Failed(body.agent, body.since, body.until, body.error, body.status),
            body.by,
            cursor=body.cursor,
            limit=body.limit,
            dry_run=body.dry_run,
            key=keys[0] if keys else "",
            digest=digest,
        )

    @router.post("/{run_id}/retry")
    async def retry(run_id: str, body: Retry | None = None, key: Key = None) -> RunView:
        """Bring a run on from the step that failed. For one that was set aside it is the yes to
        its question. 409 if it is neither."""
        body = body or Retry.model_validate({})
        return await retries.retry(run_id, body.by, *keys_of(key, run_id, body))

    return router
