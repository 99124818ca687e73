"""Note what has happened, and add what it has cost to the accounts of conversation, sender and
day."""

from __future__ import annotations

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.workers.agents.agent import Agent
from ponderd.workers.execution.leases import LeasedRun, record
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import ACCOUNT_TTL, accounts, spending
from ponderd.workers.store.contract import RunStore

log = structlog.get_logger(__name__)


async def record_spending(
    held: LeasedRun, run: Run, agent: Agent, fact: e.Event, store: RunStore
) -> Run:
    """Where an account pays, the fact is written first. Raises `LeaseLost`, `Unavailable`."""
    scopes = accounts(run, agent, held.now())
    if not scopes:
        return held.add(run, fact)
    run = await record(held, run, fact)
    if amounts := spending(fact):
        try:
            await store.spend(dict.fromkeys(scopes.values(), amounts), ACCOUNT_TTL)
        except Unavailable as error:  # the log has the spending; the sums only slow runs down
            log.warning("spending not added up", error=str(error))
    return run
