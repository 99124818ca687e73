"""What did not arrive, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ponderd.channels.message import principal
from ponderd.channels.text import plain_name
from ponderd.daemon.api.runs import Body
from ponderd.workers.control.deliveries import Deliveries
from ponderd.workers.execution.deliveries import Delivery


class DeliveryList(BaseModel):
    deliveries: list[Delivery]


class RetryBody(Body):
    by: str = Field("api", min_length=1, max_length=200)


def delivery_routes(deliveries: Deliveries) -> APIRouter:
    router = APIRouter(prefix="/deliveries", tags=["deliveries"])

    @router.get("")
    async def list_deliveries() -> DeliveryList:
        """Replies that did not arrive, oldest first: those that are tried again by themselves
        (trying), and those that are not any more (undelivered)."""
        return DeliveryList(deliveries=await deliveries.listed())

    @router.post("/retry")
    async def retry_all(body: RetryBody | None = None) -> DeliveryList:
        """Send all of them again, now. Each arrives at most once, whatever became of it before."""
        by = principal("api", plain_name((body or RetryBody()).by))
        return DeliveryList(deliveries=await deliveries.retry_all(by))

    @router.post("/{run_id}/retry")
    async def retry(run_id: str, body: RetryBody | None = None) -> DeliveryList:
        """Send again, now, what of one run did not arrive. 409 if everything did."""
        by = principal("api", plain_name((body or RetryBody()).by))
        return DeliveryList(deliveries=await deliveries.retry(run_id, by))

    return router
