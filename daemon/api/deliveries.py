"""What did not arrive, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from ponderd.channels.message import principal
from ponderd.channels.text import plain_name
from ponderd.daemon.api.queries import while_wanted
from ponderd.daemon.api.runs import Body
from ponderd.workers.control.deliveries import MOST, Deliveries, Portion, Wanted
from ponderd.workers.execution.deliveries import Delivery

PORTION = 100
"""Runs of which a request shows or retries deliveries, if it does not say how many."""


class DeliveryList(BaseModel):
    deliveries: list[Delivery]


class RetryBody(Body):
    by: str = Field("api", min_length=1, max_length=200)
    key: str | None = Field(None, max_length=200, description="only the reply with this key")


class RetryAllBody(Body):
    by: str = Field("api", min_length=1, max_length=200)
    to: str | None = Field(None, max_length=2000, description="the beginning of their address")
    agent: str | None = Field(None, max_length=200)
    error: str | None = Field(None, max_length=200, description="a part of their error")
    limit: int = Field(PORTION, ge=1, le=MOST, description="runs")
    cursor: str | None = Field(None, max_length=200, description="`next` of the portion before")


def delivery_routes(deliveries: Deliveries) -> APIRouter:
    router = APIRouter(prefix="/deliveries", tags=["deliveries"])

    @router.get("")
    async def list_deliveries(
        request: Request,
        to: Annotated[str | None, Query(max_length=2000)] = None,
        agent: Annotated[str | None, Query(max_length=200)] = None,
        error: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Portion:
        """Replies that did not arrive, oldest first: those that are tried again by themselves
        (trying), and those that are not any more (undelivered). `limit` counts their runs."""
        wanted = Wanted(to=to, agent=agent, error=error)
        found = deliveries.listed(wanted, cursor=cursor, limit=limit)
        return await while_wanted(request, found)

    @router.post("/retry")
    async def retry_all(body: RetryAllBody | None = None) -> Portion:
        """Send them again, now, a portion at a time: repeat it with `next` as `cursor`. Each
        arrives at most once, whatever became of it before."""
        body = body or RetryAllBody.model_validate({})
        wanted = Wanted(to=body.to, agent=body.agent, error=body.error)
        by = principal("api", plain_name(body.by))
        return await deliveries.retry_all(by, wanted, cursor=body.cursor, limit=body.limit)

    @router.post("/{run_id}/retry")
    async def retry(run_id: str, body: RetryBody | None = None) -> DeliveryList:
        """Send again, now, what of one run did not arrive. 409 if everything did."""
        body = body or RetryBody.model_validate({})
        by, keys = principal("api", plain_name(body.by)), (body.key,) if body.key else ()
        return DeliveryList(deliveries=await deliveries.retry(run_id, by, keys))

    return router
