"""Replies that are on their way for long, beside a run that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ponderd.channels.channel import Channel
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address, Reply
from ponderd.workers.agents.policies import Busy
from ponderd.workers.execution import sending
from ponderd.workers.run.state import Run, Status
from tests.services.eventually import eventually
from tests.workers.world import CALLBACK, THREAD, Crash, World

OTHER = Address(channel="webhook", to="https://other.example/answers")


@dataclass
class Hung:
    """A receiver that answers when it is let."""

    name: str
    hangs_at: str
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None
    sent: list[tuple[str, str, bool]] = field(default_factory=list)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        self.sent.append((reply.key, reply.text, resend))
        if reply.to.to == self.hangs_at:
            await self.answers.wait()
            if self.error:
                raise self.error
        return "1"

    async def close(self) -> None: ...

    def texts(self) -> list[str]:
        return [text for _, text, _ in self.sent]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 0.01)


@dataclass
class Case:
    world: World
    hung: Hung
    run_id: str
    task: asyncio.Task[None]

    async def run(self) -> Run:
        return await self.world.run(self.run_id)

    async def until(self, kind: str, many: int = 1) -> Run:
        async def there() -> bool:
            return (await self.world.types(self.run_id)).count(kind) >= many

        await eventually(there)
        return await self.run()

    async def write(self, text: str, **fields: Any) -> None:
        """Somebody writes, and whoever holds the run hears of it."""
        await self.world.write(text, **fields)
        for held in self.world.executor.leases._held.values():
            held.news.set()


@pytest.fixture
async def case(world: World) -> AsyncIterator[Case]:
    """The answer to the first message is on its way to a callback that hangs."""
    async for found in begin(world, Hung("webhook", CALLBACK.to), CALLBACK):
        yield found


async def begin(world: World, hung: Hung, to: Address) -> AsyncIterator[Case]:
    channels: dict[str, Channel] = {**world.executor.channels, hung.name: hung}
    world.executor = world.worker(channels=channels)
    world.model.lines = [{"action": "reply", "text": text} for text in ("one", "two", "three")]
    run_id = await world.write("1", channel=to.channel, reply_to=to)
    task = asyncio.create_task(world.executor.advance(run_id))
    found = Case(world, hung, run_id, task)
    await found.until("reply_put_aside")
    yield found
    task.cancel()
    await asyncio.wait([task])


async def test_the_next_message_is_answered_meanwhile(case: Case) -> None:
    run = await case.run()
    assert (run.status, run.waits_for) == (Status.WAITING, "retry")
    await case.write("2", channel="webhook", reply_to=OTHER)
    run = await case.until("reply_sent")
    assert case.hung.texts() == ["one", "two"]
    assert run.status is Status.COMPLETED
    case.hung.answers.set()
    await case.task
    run = await case.run()
    assert (run.status, run.outbox.undelivered, run.error) == (Status.COMPLETED, (), None)


async def test_no_other_worker_may_send_it_meanwhile(case: Case) -> None:
    await case.write("2", channel="webhook", reply_to=OTHER)
    await case.until("reply_sent")
    assert await case.world.store.claim(case.run_id, "another", 10) is None
    case.hung.answers.set()
    await case.task
    assert case.hung.texts() == ["one", "two"]


async def test_the_run_ends_when_it_arrives(case: Case) -> None:
    case.hung.answers.set()
    await case.task
    run = await case.run()
    assert (run.status, run.error, run.outbox.answered_at) != (Status.WAITING, None, None)
    assert run.status is Status.COMPLETED and not run.outbox.undelivered


async def test_if_it_fails_it_is_tried_again_at_its_time(case: Case) -> None:
    case.hung.error = DeliveryError("timeout")
    case.hung.answers.set()
    await case.task
    run = await case.run()
    [kept] = run.outbox.undelivered
    assert (run.status, run.waits_for, kept.trouble and kept.trouble.attempts) == (
        Status.WAITING,
        "retry",
        1,
    )
    case.hung.error = None
    await case.world.later(5)
    assert (await case.run()).status is Status.COMPLETED
    assert [(key, resend) for key, _, resend in case.hung.sent] == [
        (kept.key, False),
        (kept.key, True),
    ]


async def test_asking_for_it_again_does_not_send_it_twice_at_once(case: Case) -> None:
    await case.world.runs.retry_deliveries(case.run_id, by="api:ann")
    for held in case.world.executor.leases._held.values():
        held.news.set()
    await case.write("2", channel="webhook", reply_to=OTHER)
    await case.until("reply_sent")
    assert case.hung.texts() == ["one", "two"]


async def test_a_worker_that_dies_leaves_its_intent(case: Case) -> None:
    case.hung.error = Crash()
    case.hung.answers.set()
    with pytest.raises(Crash):
        await case.task
    case.hung.error = None
    await case.world.later(200)
    [(key, _, first), (again, _, second)] = case.hung.sent
    assert (key == again, first, second) == (True, False, True)
    assert (await case.run()).status is Status.COMPLETED


async def test_a_worker_that_is_told_to_stop_ends_it_first(case: Case) -> None:
    case.world.executor.draining.set()
    case.hung.answers.set()
    await case.task
    assert (await case.run()).status is Status.COMPLETED


async def test_a_cancel_waits_for_nothing(case: Case) -> None:
    await case.world.runs.cancel(case.run_id, "ann")
    for held in case.world.executor.leases._held.values():
        held.news.set()
    case.hung.answers.set()
    await case.task
    assert (await case.run()).status is Status.CANCELLED


async def test_a_thread_is_told_in_order_once_it_hears_again(world: World) -> None:
    world.slack.failures = [DeliveryError("away")] * 4
    world.model.lines = [{"action": "reply", "text": text} for text in ("one", "two")]
    fields = {"channel": "slack", "sender": "U1", "reply_to": THREAD}
    run_id = await world.write("1", **fields)
    await world.advance(run_id)
    await world.write("2", **fields)
    await world.advance(run_id)
    assert (world.slack.texts, len(world.model.prompts)) == ([], 2)
    await world.later(60)
    assert world.slack.texts == ["one", "two"]
    assert (await world.run(run_id)).status is Status.COMPLETED


async def test_four_messages_and_one_dead_callback(world: World) -> None:
    """Four calls of the model, three answers at once, the fourth when somebody asks for it."""
    world.model.lines = [{"action": "reply", "text": str(n)} for n in range(4)]
    world.channel.failures = [DeliveryError("callback answered 500")]
    run_id = await world.write("0", channel="webhook", reply_to=CALLBACK)
    await world.advance(run_id)
    for number in (1, 2, 3):
        place = Address(channel="webhook", to=f"https://{number}.example/")
        await world.write(str(number), channel="webhook", reply_to=place)
        run = await world.advance(run_id)
        assert (run.status, world.channel.texts[-1]) == (Status.COMPLETED, str(number))
    assert len(world.model.prompts) == 4
    [kept] = run.outbox.undelivered
    await world.runs.retry_deliveries(run_id, by="api:ann", keys=(kept.key or "",))
    await world.advance(run_id)
    assert world.channel.texts == ["1", "2", "3", "0"]


async def test_an_address_that_fails_says_nothing_of_another(world: World) -> None:
    """One answer to two: the one who has it is not told again, the other is tried on."""
    world.become(busy={"default": Busy(policy="collect", silence=1)})
    run_id = await world.write("1", channel="webhook", reply_to=CALLBACK)
    await world.write("2", channel="webhook", reply_to=OTHER)
    world.channel.failures = [DeliveryError("500")]
    await world.later(5)
    run = await world.run(run_id)
    assert (run.status, run.waits_for, len(world.channel.sent)) == (Status.WAITING, "retry", 1)
    await world.later(5)
    assert (await world.run(run_id)).status is Status.COMPLETED
    assert {reply.to.to for reply, _ in world.channel.sent} == {CALLBACK.to, OTHER.to}
    assert len(world.channel.sent) == 2
