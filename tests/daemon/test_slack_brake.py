"""A bot that writes too much is stopped, whichever daemon hears it."""

from __future__ import annotations

import pytest

from ponderd.channels.errors import TooMany
from ponderd.daemon.slack_brake import IN_THREAD, BotBrake
from ponderd.workers.store.memory_store import MemoryStore


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def brake(store: MemoryStore, clock: Clock) -> BotBrake:
    return BotBrake(store, clock, hourly=8)


async def taken(brake: BotBrake, count: int, *, channel: str = "C1", thread: str = "") -> int:
    """How many of `count` new messages are taken."""
    refused = 0
    for _ in range(count):
        numbers.append(len(numbers))
        try:
            await brake.check("T1/B1", channel, thread, f"m{len(numbers)}")
        except TooMany:
            refused += 1
    return count - refused


numbers: list[int] = []


async def test_a_bot_may_write_so_often_in_a_channel(brake: BotBrake) -> None:
    assert await taken(brake, 12) == 8
    assert await taken(brake, 12, channel="C2") == 8


async def test_in_a_thread_less_often(brake: BotBrake) -> None:
    assert await taken(brake, 8, thread="1.1") == IN_THREAD


async def test_another_daemon_counts_the_same(
    brake: BotBrake, store: MemoryStore, clock: Clock
) -> None:
    assert await taken(brake, 5) == 5
    assert await taken(BotBrake(store, clock, hourly=8), 5) == 3


async def test_after_an_hour_and_a_half_it_may_again(brake: BotBrake, clock: Clock) -> None:
    await taken(brake, 8)
    clock.now += 3_000
    assert await taken(brake, 1) == 0
    clock.now += 2_400
    assert await taken(brake, 1) == 1


async def test_a_message_that_comes_again_counts_once(brake: BotBrake) -> None:
    for _ in range(20):
        await brake.check("T1/B1", "C1", "", "the same")
    assert await taken(brake, 7) == 7
    for _ in range(2):
        with pytest.raises(TooMany, match="more than 8 messages of the bot T1/B1 in this channel"):
            await brake.check("T1/B1", "C1", "", "one more")
