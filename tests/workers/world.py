"""One worker, one store and the people around them, for tests of what a run does: real parts, but
for the model and the channels, and a clock that a test sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ponderd.channels.channel import Channel
from ponderd.channels.kept import KeptChannel
from ponderd.channels.message import Address, Trigger
from ponderd.workers.agents.agent import Agent, Tool, tool
from ponderd.workers.agents.author_calls import UseTool
from ponderd.workers.agents.contained import Outcome, Raised
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.views import ApprovalView, OpenApprovals
from ponderd.workers.execution.author_code import InThreads, Place
from ponderd.workers.execution.escapes import Escapes
from ponderd.workers.execution.executor import Executor
from ponderd.workers.execution.leases import LeasedRun, Leases
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.model_call import ModelCalls, Prices
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.thinking.thinker import Thinker
from tests.services.fakes import FakeChannel, FakeModel

CALLBACK = Address(channel="webhook", to="https://example.com/answers")
THREAD = Address(channel="slack", to="C1", thread="17.1")
MAILBOX = Address(channel="email", to="ann@example.com")

RING = {"action": "ring", "name": "bell"}
LOOK = {"action": "look", "name": "sky"}
LAUNCH = {"action": "launch", "name": "rocket"}
REPLY = {"action": "reply", "text": "all done"}


class Clock:
    """The store's and the daemon's."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Effects:
    """What the tools of the test agent did."""

    counted: list[str] = field(default_factory=list)
    crash: bool = False


class Crash(BaseException):
    """Stands for kill -9: nothing after it is executed, not even what handles errors."""


class Thought:
    """What the model is at: it answers when `over` is set. Only the first call takes so long."""

    def __init__(self, model: FakeModel) -> None:
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.dropped = False
        model.before_answer = self

    async def __call__(self, call: int) -> None:
        if self.begun.is_set():
            return
        self.begun.set()
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            self.dropped = True
            raise


class Mortal(InThreads):
    """A tool that raises `Crash` ends its worker."""

    @contextlib.asynccontextmanager
    async def place_for(self, tool: Tool | None) -> AsyncIterator[Place]:
        async with super().place_for(tool) as place:

            async def run(agent: Agent, call: UseTool) -> Outcome:
                outcome = await place(agent, call)
                if isinstance(outcome, Raised) and outcome.kind == Crash.__name__:
                    raise Crash
                return outcome

            yield run


class MortalEscapes(Escapes):
    async def count(self, held: LeasedRun, error: BaseException) -> None:
        if isinstance(error, Crash):
            raise error
        await super().count(held, error)


class MortalWorker(Executor):
    """A worker that a `Crash` kills."""

    @functools.cached_property
    def _escapes(self) -> Escapes:
        return MortalEscapes(self.store, self.metrics)


@dataclass
class World:
    store: MemoryStore
    clock: Clock
    model: FakeModel
    effects: Effects
    agent: Agent
    channel: FakeChannel = field(default_factory=FakeChannel)
    slack: FakeChannel = field(default_factory=lambda: FakeChannel("slack"))
    mail: FakeChannel = field(default_factory=lambda: FakeChannel("email"))
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        self.become()

    def become(self, **changed: Any) -> None:
        """From here on the agent is another one, as after a deployment."""
        self.agent = replace(self.agent, **changed)
        self.serve({"tester": self.agent})
        self.executor = self.worker()

    def serve(self, agents: Mapping[str, Agent], archive: Archive | None = None) -> None:
        """From here on the daemon knows these agents, and this archive."""
        self.log = RunLog(self.store, lambda run_id: None, archive, self.clock)
        self.runs, self.inquiries = Runs(self.log, agents), Inquiries(self.log, agents)

    async def open_approvals(self) -> list[ApprovalView]:
        return OpenApprovals.model_validate_json(await self.inquiries.open()).approvals

    def worker(self, **changed: Any) -> Executor:
        """Another worker on the same store."""
        channels: dict[str, Channel] = {"api": KeptChannel("api")}
        channels |= {found.name: found for found in (self.channel, self.slack, self.mail)}
        fields: dict[str, Any] = {
            "store": self.store,
            "agents": {"tester": self.agent},
            "model": ModelCalls(
                self.model,
                Metrics(),
                10_000,
                Thinker(self.model, self.store),
                self.prices,
                code=Mortal(),
            ),
            "channels": channels,
            "leases": Leases(self.store, "other", 19),
            "data_dir": Path("unused"),
        }
        return MortalWorker(**{**fields, **changed})

    async def write(self, text: str = "hello", **fields: Any) -> str:
        """Somebody writes; returns the run."""
        defaults = {"channel": "api", "conversation": "c", "sender": "ann", "authentic": True}
        trigger = Trigger(text=text, **{**defaults, **fields})
        return (await self.runs.accept("tester", trigger)).run_id

    async def say(self, run_id: str, text: str, **fields: Any) -> Run:
        """Somebody writes to a run, and a worker looks at it."""
        await self.write(text, run_id=run_id, **fields)
        return await self.advance(run_id)

    async def advance(self, run_id: str) -> Run:
        await self.executor.advance(run_id)
        return await self.run(run_id)

    async def later(self, seconds: float) -> None:
        """Time passes, then a worker looks at all that is due."""
        self.clock.now += seconds
        for run_id in await self.store.sweep(100, 1):
            await self.executor.advance(run_id)

    async def run(self, run_id: str) -> Run:
        return fold(await self.log.events(run_id))

    async def types(self, run_id: str) -> list[str]:
        return [event.type for event in await self.log.events(run_id)]

    async def of_type(self, run_id: str, *kinds: type[e._Event]) -> list[Any]:
        return [event for event in await self.log.events(run_id) if isinstance(event, kinds)]

    async def approval(self, run_id: str) -> ApprovalView:
        """The open one."""
        found = (await self.run(run_id)).work.approval
        assert found is not None
        return await self.inquiries.show(found.id)

    async def decide(self, run_id: str, approve: bool, by: str, **fields: Any) -> Run:
        """Somebody answers the open approval, and a worker looks at the run."""
        approval = await self.approval(run_id)
        await self.inquiries.decide(approval.id, approve=approve, by=by, **fields)
        return await self.advance(run_id)


def make_world() -> World:
    effects, clock = Effects(), Clock()

    def act(name: str) -> str:
        effects.counted.append(name)
        if effects.crash:
            raise Crash
        return f"{name} done"

    @tool(idempotent=True)
    async def look(name: str) -> str:
        """look at something"""
        return act(name)

    @tool()
    async def ring(name: str) -> str:
        """ring a bell"""
        return act(name)

    @tool(approval="always")
    async def launch(name: str) -> str:
        """launch a rocket"""
        return act(name)

    @tool()
    async def fail(name: str) -> str:
        """fail"""
        raise ValueError(f"no {name} here")

    agent = Agent("tester", "for tests", "You are a test.", tools=(look, ring, launch, fail))
    return World(MemoryStore(clock), clock, FakeModel(), effects, agent)
