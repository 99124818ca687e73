"""Trigger -> agent -> run. Every channel hands its triggers to the dispatcher."""

from __future__ import annotations

import structlog

from ponderd.channels.message import Accepted, Trigger
from ponderd.daemon.routing import Routes
from ponderd.workers.control.runs import Runs

log = structlog.get_logger(__name__)


class Dispatcher:
    def __init__(self, runs: Runs, routes: Routes) -> None:
        self._runs = runs
        self._routes = routes

    async def accept(self, trigger: Trigger) -> Accepted:
        """Store a trigger durably, then return. Implements `channel.Accept`."""
        accepted = await self._runs.accept(self._routes.agent_for(trigger), trigger)
        log.info(
            "duplicate trigger" if accepted.duplicate else "trigger accepted",
            run=accepted.run_id,
            channel=trigger.channel,
            sender=trigger.sender,
        )
        return accepted
