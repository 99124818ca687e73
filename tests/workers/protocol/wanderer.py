"""Random walks of one run: what people, the model, tools, channels, crashes and time can do to it,
on real parts. What the code learns to do with these is part of the walks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field, replace
from typing import Any

from ponderd.channels.errors import DeliveryError, ModelError, Refused
from ponderd.channels.message import Address, Reply
from ponderd.workers.agents.agent import tool
from ponderd.workers.agents.policies import Approvals, Budget, Budgets, Busy
from ponderd.workers.agents.tools.waiting import sleep, wait_for_event
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.steps.next_step import Wait, next_step
from tests.services.fakes import FakeChannel, FakeModel
from tests.workers.world import (
    CALLBACK,
    LAUNCH,
    LOOK,
    REPLY,
    RING,
    THREAD,
    Crash,
    World,
    make_world,
)

SAID = ("hello", "yes", "no", "well, perhaps", "/pause", "/resume", "/cancel", "Straße 🚀\u2028x")
PLACES: tuple[Address | None, ...] = (None, CALLBACK, THREAD)
QUESTION = {"action": "ask", "text": "Which one?"}
THOUGHTS: tuple[Any, ...] = (
    *[REPLY, LOOK, RING, LAUNCH, LAUNCH, QUESTION],
    {"action": "fail", "name": "it"},
    {"action": "dawdle", "name": "it"},
    {"action": "linger", "name": "it"},
    {"action": "sleep", "seconds": 30},
    {"action": "wait_for_event", "name": "paid", "seconds": 60},
    "let me think",
    "",
    ModelError("busy"),
    Crash(),
)
FAILURES: tuple[Exception | Crash, ...] = (
    DeliveryError("down"),
    DeliveryError("gone", permanent=True),
    Crash(),
)
MOMENTS = (0.0, 3.0, 20.0, 40.0, 100.0, 4000.0)


@dataclass
class Mood:
    """Chance; nothing bad happens any more when it is `calm`."""

    random: random.Random
    calm: bool = False


@dataclass
class MoodyModel(FakeModel):
    mood: Mood = field(kw_only=True)

    async def complete(self, *args: Any, **fields: Any) -> Any:
        thought = REPLY if self.mood.calm else self.mood.random.choice(THOUGHTS)
        if isinstance(thought, Crash):
            raise thought
        self.lines = [thought]
        return await super().complete(*args, **fields)


@dataclass
class MoodyChannel(FakeChannel):
    mood: Mood = field(kw_only=True)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        if not self.mood.calm and self.mood.random.random() < 0.4:
            raise self.mood.random.choice(FAILURES)
        return await super().send(reply, resend=resend)


def moody_world(mood: Mood) -> World:
    world, chance = make_world(), mood.random
    world.model = MoodyModel(mood=mood)
    world.channel = MoodyChannel(mood=mood)
    world.slack = MoodyChannel("slack", mood=mood)
    world.mail = MoodyChannel("email", mood=mood)

    @tool()
    async def dawdle(name: str) -> str:
        """take longer than there is time"""
        await asyncio.sleep(0)
        if chance.random() < 0.3:
            raise ValueError("too late, and failed")
        return "done late"

    @tool(idempotent=True)
    async def linger(name: str) -> str:
        """as dawdle, but it may be repeated"""
        await asyncio.sleep(0)
        return "done late"

    # They have no time at all, which is less than an author may give them.
    late = (replace(slow, timeout=0) for slow in (dawdle, linger))
    world.become(
        tools=(*world.agent.tools, sleep, wait_for_event, *late),
        approvals=Approvals(
            ask=chance.choice(((), ("slack:C9",))),
            remind_every=chance.choice((None, 20.0)),
            timeout=chance.choice((None, 50.0)),
            on_timeout=chance.choice(("deny", "halt", "escalate")),
            escalate_to=("email:boss@example.com",),
        ),
        busy={"default": Busy(policy=chance.choice(("queue", "collect", "interrupt", "reject")))},
        budgets=Budgets(run=Budget(steps=chance.choice((None, 5.0)))),
    )
    return world


class Wanderer:
    """`walk()` makes a log, which depends on the seed alone."""

    def __init__(self, seed: int) -> None:
        self.mood = Mood(random.Random(seed))
        self.world = moody_world(self.mood)
        self.run_id = ""

    def walk(self, steps: int) -> tuple[bytes, ...]:
        asyncio.run(self._walk(steps))
        return self.log

    def settle(self) -> None:
        """From now on nothing fails, and nobody says anything but what is asked of them."""
        asyncio.run(self._settle())

    @property
    def log(self) -> tuple[bytes, ...]:
        return tuple(self.world.store._runs[self.run_id].log)

    @property
    def run(self) -> Run:
        return fold(e.decode_all(self.log))

    @property
    def due(self) -> float | None:
        return self.world.store._due.get(self.run_id)

    def has_a_wake_up(self) -> bool:
        """Whether somebody will look at the run, if there is something to do."""
        match next_step(self.run, self.world.agent, self.world.clock.now):
            case Wait(None):
                return True
            case Wait(until) if until is not None:
                lease = self.world.store._runs[self.run_id].lease_until
                return self.due is not None and self.due <= max(until, lease) + 2
        return self.due is not None

    async def _walk(self, steps: int) -> None:
        self.run_id = await self._say()
        moves = (self._say, self._decide, self._steer, self._tell, *[self._work] * 5)
        for _ in range(steps):
            with contextlib.suppress(Refused):
                await self.mood.random.choice(moves)()
            assert self.has_a_wake_up(), "a wake-up is lost"

    async def _settle(self) -> None:
        self.mood.calm = True
        for _ in range(60):
            if approval := self.run.work.approval:
                await self.world.inquiries.decide(approval.id, approve=True, by="api:ann")
            elif self.due is not None:
                await self.world.later(max(0.0, self.due - self.world.clock.now) + 1)
            elif self.run.paused:
                await self.world.runs.resume(self.run_id, by="ann")
            else:
                await self.world.executor.late.close()  # or a thread brings a result at any moment
                if self.due is None:
                    return
        raise AssertionError("it does not come to rest")

    async def _say(self) -> str:
        return await self.world.write(
            self.mood.random.choice(SAID),
            reply_to=self.mood.random.choice(PLACES),
            authentic=self.mood.random.random() < 0.9,
        )

    async def _decide(self) -> None:
        if approval := self.run.work.approval:
            approve = self.mood.random.random() < 0.7
            await self.world.inquiries.decide(approval.id, approve=approve, by="api:ann")

    async def _steer(self) -> None:
        verbs = (self.world.runs.pause, self.world.runs.resume, self.world.runs.cancel)
        await self.mood.random.choice(verbs)(self.run_id, by="bob")

    async def _tell(self) -> None:
        await self.world.runs.event(self.run_id, "paid", "42", by="shop")

    async def _work(self) -> None:
        self.world.effects.crash = self.mood.random.random() < 0.1
        with contextlib.suppress(Crash):
            await self.world.later(self.mood.random.choice(MOMENTS))
        self.world.effects.crash = False
        for _ in range(5):  # what came late is recorded by the time of the next move, or never
            await asyncio.sleep(0)
        await self.world.executor.late.close()
