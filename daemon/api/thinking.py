"""Thinking over HTTP: the ledger of model calls, and the price that an operator may set."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ponderd.channels.errors import NotFound
from ponderd.workers.store.contract import RunStore
from ponderd.workers.thinking.learning import Tuned, forget, read_tuned, read_usual, write_tuned


class Price(BaseModel):
    model_config = ConfigDict(extra="forbid")

    price: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = Field(
        ge=0, description="lambda: reward per 1,000 tokens; null: the default for the model"
    )


class LedgerPage(BaseModel):
    """One page of a ledger."""

    entries: list[dict[str, Any]]
    next: str | None
    """Pass this as `after` to get the next page. None on the last page."""


class Overview(BaseModel):
    """How all workers weigh thinking now."""

    price: float | None
    """Lambda, if an operator set it."""
    usual: float | None
    """The default lambda for the workers' model. None if no worker has run yet."""
    agents: list[str]
    """Their names. Each has a ledger of its own."""


def thinking_routes(store: RunStore, agents: Collection[str]) -> APIRouter:
    router = APIRouter(prefix="/thinking", tags=["thinking"])

    def known(agent: str) -> str:
        if agent not in agents:
            raise NotFound(
                f"there is no agent {agent!r}; known agents: {', '.join(sorted(agents))}"
            )
        return agent

    async def overview() -> Overview:
        price, usual = (await read_tuned(store)).price, await read_usual(store)
        return Overview(price=price, usual=usual, agents=sorted(agents))

    @router.get("")
    async def show() -> Overview:
        """The price of thinking that all workers use."""
        return await overview()

    @router.put("")
    async def tune(body: Price) -> Overview:
        """Set the price of thinking. Workers adopt it within seconds."""
        await write_tuned(store, Tuned(price=body.price))
        return await overview()

    @router.delete("/ledger")
    async def forget_all(agent: str | None = None) -> Overview:
        """Forget what was learned about one agent, or about all. The runs keep their logs."""
        for name in sorted(agents) if agent is None else [known(agent)]:
            await forget(store, name, time.time())
        return await overview()

    @router.get("/ledger")
    async def ledger(
        agent: str,
        after: Annotated[str, Query(pattern=r"^([0-9]{1,19}-[0-9]{1,19})?$")] = "",
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> LedgerPage:
        """An agent's model calls and their outcomes, oldest first, without any message text."""
        notes = await store.notes(known(agent), after, limit)
        entries = [json.loads(data) for _, data in notes]
        return LedgerPage(entries=entries, next=notes[-1][0] if len(notes) == limit else None)

    return router
