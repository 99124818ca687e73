"""Who is sent to now: a few at a time, and hardly anybody who is dead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from unittest import mock

import pytest

from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address
from ponderd.workers.execution import receivers as module
from ponderd.workers.execution.receivers import (
    FIRST_PAUSE,
    IN_A_ROW,
    LONGEST_PAUSE,
    PROVEN,
    SLOTS,
    UNPROVEN,
    Receivers,
    names,
)
from tests.services.eventually import eventually

HUNG = DeliveryError("no answer", unreachable=True)
BROKEN = DeliveryError("callback answered 500")


def callback(path: str, host: str = "a.example") -> Address:
    return Address(channel="webhook", to=f"https://{host}/{path}")


@dataclass
class Trial:
    receivers: Receivers = field(default_factory=Receivers)
    now: float = 1000.0
    made: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def attempt(
        self, to: Address, outcome: DeliveryError | None = None, asked_at: float = 0.0
    ) -> str:
        """What becomes of it: arrived, or the error."""
        try:
            async with self.receivers.turn(to, self.clock, asked_at=asked_at):
                self.made.append(to.to)
                await asyncio.sleep(0)
                if outcome:
                    raise outcome
        except DeliveryError as error:
            return str(error)
        return "arrived"

    async def fail(self, to: Address, error: DeliveryError, times: int = IN_A_ROW) -> None:
        for _ in range(times):
            self.now += 0.001
            await self.attempt(to, error)


@pytest.fixture
def trial() -> Trial:
    return Trial()


async def test_a_thousand_replies_to_a_dead_callback_cost_one_attempt(trial: Trial) -> None:
    await trial.fail(callback("x"), BROKEN)
    trial.made.clear()
    trial.now += FIRST_PAUSE + 1
    told = await asyncio.gather(*(trial.attempt(callback("x"), BROKEN) for _ in range(1000)))
    assert len(trial.made) == 1
    assert sum("not tried" in text and "answered 500" in text for text in told) == 999


async def test_the_pause_grows_and_ends_with_the_first_that_arrives(trial: Trial) -> None:
    await trial.fail(callback("x"), BROKEN, IN_A_ROW)
    for _ in range(20):
        trial.now += LONGEST_PAUSE
        assert await trial.attempt(callback("x"), BROKEN) == str(BROKEN)
    trial.now += LONGEST_PAUSE - 1
    assert "not tried" in await trial.attempt(callback("x"))
    trial.now += 1
    assert await trial.attempt(callback("x")) == "arrived"
    assert await trial.attempt(callback("x")) == "arrived"


async def test_an_error_of_one_address_says_nothing_of_others_at_its_host(trial: Trial) -> None:
    await trial.fail(callback("x"), BROKEN)
    assert await trial.attempt(callback("y")) == "arrived"


async def test_a_host_that_does_not_answer_is_dead_for_all_its_addresses(trial: Trial) -> None:
    for number in range(IN_A_ROW):
        await trial.attempt(callback(str(number)), HUNG)
    assert "not tried, for a.example failed" in await trial.attempt(callback("another"))
    assert await trial.attempt(callback("x", "b.example")) == "arrived"


async def test_one_address_that_hangs_at_a_host_that_lives_is_dead_alone(trial: Trial) -> None:
    for _ in range(IN_A_ROW):
        async with trial.receivers.turn(callback("alive"), trial.clock):
            pass
        trial.now += 1
        hung = asyncio.create_task(trial.attempt(callback("x"), HUNG))
        await asyncio.sleep(0)
        trial.now += 1
        assert await trial.attempt(callback("alive")) == "arrived"
        await hung
    assert await trial.attempt(callback("alive")) == "arrived"


@pytest.mark.parametrize(
    "about_this_one",
    [DeliveryError("no such mailbox", permanent=True), DeliveryError("429", retry_after=9)],
)
async def test_an_error_that_is_about_one_reply_counts_for_nothing(
    trial: Trial, about_this_one: DeliveryError
) -> None:
    await trial.fail(callback("x"), about_this_one, 20)
    assert await trial.attempt(callback("x")) == "arrived"


async def test_whoever_asks_again_is_not_spared_the_first_attempt(trial: Trial) -> None:
    await trial.fail(callback("x"), BROKEN)
    trial.now += 1
    asked_at = trial.now
    assert "not tried" in await trial.attempt(callback("x"))
    trial.now += 1
    assert await trial.attempt(callback("x"), BROKEN, asked_at) == str(BROKEN)
    trial.now += 1
    assert "not tried" in await trial.attempt(callback("x"), None, asked_at)


async def test_a_clock_that_is_set_back_keeps_nobody_waiting(trial: Trial) -> None:
    await trial.fail(callback("x"), BROKEN)
    trial.now -= 3600
    assert await trial.attempt(callback("x")) == "arrived"


class TestSlots:
    async def hang(self, trial: Trial, *places: Address) -> list[asyncio.Task[None]]:
        async def hang(to: Address) -> None:
            async with trial.receivers.turn(to, trial.clock):
                trial.made.append(to.to)
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(hang(to)) for to in places]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks

    async def end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def test_one_that_hangs_gets_few_of_them(self, trial: Trial) -> None:
        tasks = await self.hang(trial, *[callback("x")] * 200)
        assert len(trial.made) == UNPROVEN
        assert await trial.attempt(callback("y", "b.example")) == "arrived"
        await self.end(tasks)

    async def test_nor_does_a_host_with_an_address_for_each(self, trial: Trial) -> None:
        tasks = await self.hang(trial, *(callback(str(number)) for number in range(200)))
        assert len(trial.made) == UNPROVEN
        await self.end(tasks)

    async def test_one_that_took_the_last_gets_more(self, trial: Trial) -> None:
        await trial.attempt(callback("x"))
        trial.made.clear()
        tasks = await self.hang(trial, *[callback("x")] * 200)
        assert len(trial.made) == PROVEN
        await self.end(tasks)

    async def test_there_are_so_many_in_all(self, trial: Trial) -> None:
        places = [callback("x", f"{number}.example") for number in range(SLOTS + 9)]
        tasks = await self.hang(trial, *places)
        assert len(trial.made) == SLOTS
        await self.end(tasks[:5])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(trial.made) == SLOTS + 5
        await self.end(tasks[5:])

    async def test_one_that_takes_long_leaves_its_slot_to_another(self, trial: Trial) -> None:
        hung = [callback("x", f"{number}.example") for number in range(3 * SLOTS)]
        with mock.patch.object(module, "QUICK", 0.01):
            tasks = await self.hang(trial, *hung)
            await eventually(lambda: len(trial.made) == len(hung))
            await self.end(tasks)
        tasks = await self.hang(trial, *hung)
        assert len(trial.made) == len(hung) + SLOTS
        await self.end(tasks)

    async def test_while_very_many_take_long_those_that_live_go_on(self, trial: Trial) -> None:
        await trial.attempt(callback("alive", "alive.example"))
        hung = [callback("x", f"{number}.example") for number in range(50)]
        with mock.patch.multiple(module, QUICK=0.01, SLOW=10, SLOTS=5):
            tasks = await self.hang(trial, *hung)
            await eventually(lambda: trial.receivers._slow >= 10)
            known = len(trial.made)
            assert await trial.attempt(callback("alive", "alive.example")) == "arrived"
            assert known <= 10 + 5
            await self.end(tasks[:known])
            await eventually(lambda: len(trial.made) > known + 1)
            await self.end(tasks[known:])
        assert (trial.receivers._busy, trial.receivers._slow) == (0, 0)

    async def test_whoever_stops_waiting_takes_none(self, trial: Trial) -> None:
        tasks = await self.hang(trial, *[callback("x")] * (UNPROVEN + 3))
        await self.end(tasks[UNPROVEN:])
        await self.end(tasks[:UNPROVEN])
        assert await trial.attempt(callback("x")) == "arrived"


async def test_only_so_many_receivers_are_remembered(trial: Trial) -> None:
    await trial.fail(callback("dead"), BROKEN)
    with mock.patch.object(module, "KNOWN", 10):
        for number in range(100):
            await trial.attempt(callback("x", f"{number}.example"))
        assert len(trial.receivers._known) <= 13
        assert "not tried" in await trial.attempt(callback("dead"))


@pytest.mark.parametrize(
    ("to", "behind"),
    [
        (callback("x", "User@A.example:8443"), "a.example:8443"),
        (Address(channel="email", to="ann@example.com"), "email"),
        (Address(channel="slack", to="C1"), "slack"),
        (Address(channel="webhook", to="https://[::1"), "webhook"),
    ],
)
def test_what_stands_behind_an_address(to: Address, behind: str) -> None:
    assert names(to) == (f"{to.channel}:{to.to}", behind)
