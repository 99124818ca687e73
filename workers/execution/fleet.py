"""Which agents the live workers have, so that a run is left to one that has its agent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from ponderd.workers.agents.agent import Agent
from ponderd.workers.store.contract import RunStore

FLEET = "fleet"
"""The box in which workers tell what they have."""

LIVE_SECONDS = 8.0
"""Seconds for which a worker counts as alive after it told. An idle one tells every five."""

HEARD_SECONDS = 1.0
"""How old what was heard may be where a run needs another worker."""

GRACE = 5.0
"""Seconds without a worker that has an agent, after which people are told. During a deployment the
worker that has it may just be starting."""


class Known(BaseModel):
    """What one worker has."""

    at: float
    """When it told, Unix seconds."""
    agents: list[str]
    """Names, and names with a version: "payer", "payer@9bc174e4dcc2"."""
    archive: str = ""
    """The identity of the archive that it reads. Workers of earlier versions tell none."""


class Fleet:
    """What this worker knows of all. Before the first `meet` it believes that it is alone."""

    def __init__(self, owner: str = "", agents: Iterable[Agent] = ()) -> None:
        self._owner = owner
        self.archive = ""
        """What it tells of its archive."""
        self._mine = sorted({name for agent in agents for name in _names(agent)})
        self._there: set[str] = set()
        self._gone: dict[str, float] = {}
        self._since: float | None = None
        self._heard = -math.inf

    async def meet(self, store: RunStore, now: float | None = None) -> None:
        """Tell the others what this worker has, and hear what they have. `now` is the store's time,
        if it is known. Raises `Unavailable`."""
        now = await store.now() if now is None else now
        entry = json.dumps({"at": now, "agents": self._mine, "archive": self.archive}).encode()
        await store.put(FLEET, self._owner, entry)
        await self._hear(store, now)

    async def hear(self, store: RunStore, now: float) -> None:
        """Hear what the others have by now, unless that was just done: `meet` comes only every five
        seconds to an idle worker. Raises `Unavailable`."""
        if abs(now - self._heard) >= HEARD_SECONDS:
            await self._hear(store, now)

    async def _hear(self, store: RunStore, now: float) -> None:
        there = set[str]()
        for owner, told in (await store.box(FLEET)).items():
            try:
                known = Known.model_validate_json(told)
            except ValidationError:  # a newer ponderd wrote it
                continue
            if abs(now - known.at) <= LIVE_SECONDS:
                there.update(known.agents)
            else:
                await store.drop(FLEET, owner)
        self._gone.update(dict.fromkeys(self._there - there, now))
        self._there = there
        self._since = now if self._since is None else self._since
        self._heard = now

    async def leave(self, store: RunStore) -> None:
        """Raises `Unavailable`."""
        await store.drop(FLEET, self._owner)

    def absent(self, name: str, now: float) -> float:
        """Seconds for which it is known that no live worker has `name`."""
        if self._since is None:
            return GRACE
        if name in self._there:
            return 0.0
        return max(0.0, now - self._gone.get(name, self._since))

    def grace(self, name: str, now: float) -> float:
        """Seconds to wait for another worker that has `name`. 0: there is none."""
        return max(0.0, GRACE - self.absent(name, now))


async def live_agents(store: RunStore) -> set[str]:
    """The agents that live workers have. Empty if none told lately. Raises `Unavailable`."""
    there = await live_workers(store, await store.now())
    return {name for known in there for name in known.agents}


async def live_workers(store: RunStore, now: float) -> list[Known]:
    """What live workers told. `now` is the store's time. Raises `Unavailable`."""
    found = []
    for told in (await store.box(FLEET)).values():
        try:
            known = Known.model_validate_json(told)
        except ValidationError:  # a newer ponderd wrote it
            continue
        if abs(now - known.at) <= LIVE_SECONDS:
            found.append(known)
    return found


def versioned(name: str, version: str) -> str:
    """How one version of an agent is named here."""
    return f"{name}@{version}"


def _names(agent: Agent) -> tuple[str, str]:
    return agent.name, versioned(agent.name, agent.version)
