"""What the workers learn together: they note their calls, and form beliefs from all notes.

Every worker appends to the agents' ledgers in the store and reads all of them, so all workers
believe the same. Nothing is counted twice, but a note may get lost in a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from pydantic import Field, ValidationError

from ponderd.channels.errors import Unavailable
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
CHANGED = "learned anew"
"""What the store's `news` tell workers when an operator changed something of this."""

PAGE = 2000
UNNOTICED = 0.05
"""Seconds of learning that a worker can spare without a rest."""

REST = 20.0
"""After learning for longer, a worker rests this many times the excess: runs come first."""

RELEARN = 60.0
"""Seconds after which beliefs are formed again even without news: answers that nobody complained
about begin to count."""


class Tuned(Frozen):
    """What an operator chose."""

    price: float | None = Field(None, ge=0)
    """Lambda, in reward per 1,000 tokens; None: what suits the model."""


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
    await _tell(store)


async def read_usual(store: RunStore) -> float | None:
    """Lambda where nobody chose one, as a worker last computed it for the model. Raises
    `Unavailable`."""
    kept = await store.recall(USUAL)
    return float(kept) if kept else None


async def forget(store: RunStore, agent: str, now: float) -> None:
    """Forget all that was learned about an agent. `now` in Unix seconds. Raises `Unavailable`."""
    await store.note(agent, [encode(ResetEntry(at=now))], keep=1)
    await _tell(store)


async def _tell(store: RunStore) -> None:
    with contextlib.suppress(Unavailable):  # only a hint: workers look now and then
        await store.tell(CHANGED)


class Learning:
    """Notes what happens, and learns from it. Call `observe` for every event of every run,
    `flush` and `refresh` now and then. `keep` is the length of each agent's ledger."""

    def __init__(
        self,
        store: RunStore,
        agents: Mapping[str, Agent],
        *,
        keep: int,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._agents = agents
        self._keep = keep
        self._clock = clock
        self._stopwatch = stopwatch
        self._ledgers = {name: Ledger(keep) for name in agents}
        self._pending: dict[str, list[bytes]] = {}
        self._tuned = Tuned()
        self._usual: float | None = None
        self._stale = True
        self._learned_at = 0.0
        self._rest_until = 0.0

    def observe(self, run: Run, event: e.Event) -> None:
        """Note what `event` means. `run` is as it was before it."""
        agent = self._agents.get(run.agent)
        if agent is None:
            return
        entries = entries_of(run, event, kind_of(agent))
        if entries:
            pending = self._pending.setdefault(run.agent, [])
            pending.extend(map(encode, entries))
            del pending[: -self._keep]  # the store may be away for long

    async def flush(self) -> bool:
        """Write the notes to the store. Whether there were any. Those that could not be written
        are kept for the next try. Raises `Unavailable`."""
        any_notes = bool(self._pending)
        for agent in list(self._pending):
            entries = self._pending.pop(agent)
            try:
                await self._store.note(agent, entries, self._keep)
            except BaseException:
                self._pending[agent] = entries + self._pending.get(agent, [])
                raise
        return any_notes

    async def tell_usual(self, arms: Arms) -> None:
        """Publish the lambda that suits these arms, for commands that need it. Raises
        `Unavailable`."""
        usual = price_of(arms, None)
        if usual != self._usual:
            await self._store.overwrite(USUAL, repr(usual))
            self._usual = usual

    async def refresh(self, policy: Policy, arms: Arms) -> Policy:
        """Return a newer policy if there was something to learn, otherwise `policy`. Raises
        `Unavailable`."""
        tuned = await read_tuned(self._store)
        changed = tuned != self._tuned
        self._tuned = tuned
        for agent, ledger in self._ledgers.items():
            changed |= await self._read(agent, ledger)
        now = self._clock()
        self._stale |= changed or now >= self._learned_at + RELEARN
        if not self._stale or self._stopwatch() < self._rest_until:
            return policy
        began = self._stopwatch()
        beliefs = await asyncio.to_thread(beliefs_of, self._ledgers.values(), arms, now)
        took = self._stopwatch() - began
        self._learned_at, self._stale = now, False
        self._rest_until = began + max(0.0, took - UNNOTICED) * REST
        return Policy(beliefs, price=tuned.price)

    async def _read(self, agent: str, ledger: Ledger) -> bool:
        """Read the rest of a ledger. Returns whether there was anything new."""
        changed = False
        while True:
            entries = await self._store.notes(agent, ledger.position, PAGE)
            changed |= ledger.read(entries)
            if len(entries) < PAGE:
                return changed


def beliefs_of(ledgers: Collection[Ledger], arms: Arms, now: float) -> Beliefs:
    """Form beliefs. Their version is the newest entry that was read."""
    in_order = (ledger.episodes(now) for ledger in ledgers)
    episodes = list(heapq.merge(*in_order, key=lambda episode: episode.first.at))
    newest = max((ledger.position for ledger in ledgers), key=_age, default="")
    return learn(episode_samples(episodes), arms, list(answer_samples(episodes)), newest)


def _age(position: str) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split("-") if part)
