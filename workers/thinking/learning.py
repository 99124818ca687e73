"""The workers' common memory of thinking: what they note, and what they believe after reading it.

Every worker appends to the agents' ledgers in the store and reads all of them, so all believe the
same. It is a memory, no promise: what a crash keeps from being noted is missing, and nothing is
counted twice.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from pydantic import Field, ValidationError

from ponderd.channels.message import Frozen
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.arms import Arms
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import RunStore
from ponderd.workers.thinking.beliefs import Beliefs, learn, price_of
from ponderd.workers.thinking.case import kind_of
from ponderd.workers.thinking.ledger import (
    Ledger,
    ResetEntry,
    answer_samples,
    encode,
    episode_samples,
)
from ponderd.workers.thinking.outcomes import entries_of
from ponderd.workers.thinking.policy import Policy

log = structlog.get_logger(__name__)

KEY = "thinking:tuned"
USUAL = "thinking:usual"
PAGE = 2000
UNNOTICED, REST = 0.05, 20.0
"""Seconds of learning that are no burden, and how many times as long a worker rests as it took
more: it has runs to look after."""

RELEARN = 60.0
"""Seconds after which it is learned anew even if nothing was noted: answers that nobody complained
of begin to count."""


class Tuned(Frozen):
    """What an operator chose: lambda (reward per 1,000 tokens; None: what suits the model)."""

    price: float | None = Field(None, ge=0)


async def read_tuned(store: RunStore) -> Tuned:
    """Raises `Unavailable`."""
    kept = await store.recall(KEY)
    try:
        return Tuned.model_validate_json(kept) if kept else Tuned()
    except ValidationError:  # written by a newer version
        return Tuned()


async def write_tuned(store: RunStore, tuned: Tuned) -> None:
    """Raises `Unavailable`."""
    await store.overwrite(KEY, tuned.model_dump_json())


async def read_usual(store: RunStore) -> float | None:
    """Lambda where nobody chose one: what suits the model, as a worker last saw it. Raises
    `Unavailable`."""
    kept = await store.recall(USUAL)
    return float(kept) if kept else None


async def forget(store: RunStore, agent: str, now: float) -> None:
    """All that was learned of an agent. `now` in Unix seconds. Raises `Unavailable`."""
    await store.note(agent, [encode(ResetEntry(at=now))], keep=1)


class Learning:
    """`observe` is called for every event of every run; `flush` and `refresh` now and then. `keep`
    is the length of each agent's ledger."""

    def __init__(
        self,
        store: RunStore,
        agents: Mapping[str, Agent],
        *,
        keep: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._agents = agents
        self._keep = keep
        self._clock = clock
        self._ledgers = {name: Ledger(keep) for name in agents}
        self._pending: dict[str, list[bytes]] = {}
        self._tuned = Tuned()
        self._usual: float | None = None
        self._stale = True
        self._learned_at = 0.0
        self._rest_until = 0.0

    def observe(self, run: Run, event: e.Event) -> None:
        """`run` as it was before `event`."""
        agent = self._agents.get(run.agent)
        if agent is None:
            return
        entries = entries_of(run, event, kind_of(agent))
        if entries:
            pending = self._pending.setdefault(run.agent, [])
            pending.extend(map(encode, entries))
            del pending[: -self._keep]  # the store may be away for long

    async def flush(self) -> None:
        """Raises `Unavailable`; what was not noted then is tried again."""
        for agent in list(self._pending):
            entries = self._pending.pop(agent)
            try:
                await self._store.note(agent, entries, self._keep)
            except BaseException:
                self._pending[agent] = entries + self._pending.get(agent, [])
                raise

    async def tell_usual(self, arms: Arms) -> None:
        """Lambda with these arms where nobody chose one, for whoever asks. Raises `Unavailable`."""
        usual = price_of(arms, None)
        if usual != self._usual:
            await self._store.overwrite(USUAL, repr(usual))
            self._usual = usual

    async def refresh(self, policy: Policy, arms: Arms) -> Policy:
        """`policy`, or a newer one if there was something to learn from. Raises `Unavailable`."""
        tuned = await read_tuned(self._store)
        changed = tuned != self._tuned
        self._tuned = tuned
        for agent, ledger in self._ledgers.items():
            changed |= await self._read(agent, ledger)
        now = self._clock()
        self._stale |= changed or now >= self._learned_at + RELEARN
        if not self._stale or time.monotonic() < self._rest_until:
            return policy
        began = time.monotonic()
        beliefs = await asyncio.to_thread(beliefs_of, self._ledgers.values(), arms, now)
        took = time.monotonic() - began
        self._learned_at, self._stale = now, False
        self._rest_until = began + max(0.0, took - UNNOTICED) * REST
        return Policy(beliefs, price=tuned.price)

    async def _read(self, agent: str, ledger: Ledger) -> bool:
        """Whether there was anything new."""
        changed = False
        while True:
            entries = await self._store.notes(agent, ledger.position, PAGE)
            changed |= ledger.read(entries)
            if len(entries) < PAGE:
                return changed


def beliefs_of(ledgers: Collection[Ledger], arms: Arms, now: float) -> Beliefs:
    """Named after the newest entry that it was made of."""
    in_order = (ledger.episodes(now) for ledger in ledgers)
    episodes = list(heapq.merge(*in_order, key=lambda episode: episode.first.at))
    newest = max((ledger.position for ledger in ledgers), key=_age, default="")
    return learn(episode_samples(episodes), arms, list(answer_samples(episodes)), newest)


def _age(position: str) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split("-") if part)
