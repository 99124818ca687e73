"""Runs that no worker can advance: people are told, and operators see them."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from pydantic import BaseModel

from ponderd.channels.errors import Unavailable
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.versions import changed, pinned, recorded_version
from ponderd.workers.execution.fleet import Fleet, versioned
from ponderd.workers.execution.leases import LeasedRun
from ponderd.workers.execution.sending import Sending
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.steps.next_step import Record, SendReply, Wait
from ponderd.workers.steps.without_agent import step_without_agent
from ponderd.workers.store.contract import Release, RunStore

log = structlog.get_logger(__name__)

STRANDED = "stranded"
"""The box in which the store keeps them, by run."""

LOOK_SECONDS = 1.0
"""Most seconds until a run is tried again that is left to another worker."""

Reason = Literal["agent", "events", "archive"]


class Stranded(BaseModel):
    """A run that no worker can advance, as it was at one version of it."""

    version: int
    reason: Reason
    """Its agent is not installed, a newer ponderd wrote its events, or its log is in an archive
    that cannot be read."""
    agent: str = ""
    since: float
    """Unix seconds."""


async def strand(
    store: RunStore, held: LeasedRun, version: int, reason: Reason, agent: str = ""
) -> None:
    """Let operators see the run."""
    entry = Stranded(version=version, reason=reason, agent=agent, since=held.now())
    try:
        await store.put(STRANDED, held.id, entry.model_dump_json().encode())
    except Unavailable as error:
        log.warning("the list of stranded runs is out of date", error=str(error))


async def advance_without_agent(
    held: LeasedRun,
    run: Run,
    store: RunStore,
    fleet: Fleet,
    sends: Sending,
    draining: asyncio.Event,
) -> None:
    """Leave the run to a worker that has its agent. If there is none, finish what needs no agent,
    and tell people. Raises `LeaseLost`, `Unavailable`."""
    if fleet.grace(run.agent, held.now()):  # perhaps its last worker has left meanwhile
        await fleet.hear(store, held.now())
    if grace := fleet.grace(run.agent, held.now()):
        log.warning("unknown agent, leaving the run alone", agent=run.agent)
        return await held.give_back(held.now() + min(LOOK_SECONDS, grace))
    while not draining.is_set():
        run = await sends.landed(run)
        match step_without_agent(sends.beside(run), held.now()):
            case Wait(until) if sends:
                run = await sends.wait(run, until)
            case Wait(until):
                run, idle = await held.commit(run, [], Release(until))
                if idle:
                    return None
            case Record(event):
                run, recorded = await held.commit(run, [event])
                if recorded and isinstance(event, e.AgentMissed):
                    log.warning("no worker has the agent", agent=run.agent)
            case SendReply(outgoing):
                run, _ = await held.commit(await sends.send(run, outgoing))
        if run.missing and not run.outbox.queue:
            await strand(store, held, run.version, "agent", run.agent)
    await sends.finish(run)
    return await held.give_back(held.now())


async def pin(
    held: LeasedRun, run: Run, agent: Agent, store: RunStore, fleet: Fleet
) -> Agent | e.VersionAdopted | e.VersionChanged | e.ToolOutcomeUnknown | float:
    """The version of the agent that the run began with, or the event to record instead. A number:
    leave the run for so many seconds to a worker that has that version."""
    if agent.version == run.agent_version:
        return agent
    if run.pinned:
        version = await recorded_version(store, agent.name, run.agent_version)
        older = pinned(agent, version) if version else None
        if older and older.version == run.agent_version:
            return older
        if grace := fleet.grace(versioned(agent.name, run.agent_version), held.now()):
            log.warning("another version of the agent is needed", version=run.agent_version)
            return min(LOOK_SECONDS, grace)
    return changed(run, agent, held.now())
