"""Lists of runs over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ponderd.daemon.api.queries import while_wanted
from ponderd.workers.control.run_lists import RunLists
from ponderd.workers.control.views import RunPage

Name = Annotated[str | None, Query(min_length=1, max_length=200)]


def list_routes(lists: RunLists) -> APIRouter:
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get("")
    async def list_runs(
        request: Request,
        status: Name = None,
        agent: Name = None,
        channel: Name = None,
        waiting_for: Name = None,
        person: Annotated[
            str | None,
            Query(max_length=500, description="who wrote to it, such as email:ana@example.com"),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> RunPage:
        """Runs of which all is true that is asked for, newest first. Pass the `cursor` of a page to
        get the next one, until it is null: a page may be short or empty although others follow."""
        found = lists.page(
            status=status,
            agent=agent,
            channel=channel,
            waiting_for=waiting_for,
            person=person,
            limit=limit,
            cursor=cursor,
        )
        return await while_wanted(request, found)

    return router
