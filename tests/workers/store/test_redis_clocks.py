"""What clocks say of their shards is what the scripts make of them."""

from __future__ import annotations

import pytest

from ponderd.workers.store.memory_clock import ShardClock
from ponderd.workers.store.redis_clocks import EARLY, is_settled, now_in
from ponderd.workers.store.redis_store import RedisStore, connect
from tests.workers.store.test_contract import message


@pytest.mark.parametrize("passed", [0, 100, 249, 999, 1000, 5000, -50_000])
def test_the_time_of_events_goes_on_as_in_the_scripts(passed: int) -> None:
    clock = ShardClock()
    clock.read(100_000)
    clock.read(60_000)  # somebody set the server's clock back
    kept = " ".join(map(str, clock._kept or ())).encode()
    now, _ = ShardClock.read(clock, 60_000 + passed)
    assert 0 <= now_in(kept, 60_000 + passed) - now <= 100  # ours may be early, never late


def test_a_clock_is_believed_when_the_next_writing_would_change_it() -> None:
    assert is_settled(None, 0)
    assert not is_settled(b"1000 1000 1000", 1249)
    assert is_settled(b"1000 1000 1000", 1250 + EARLY)


async def test_the_servers_time_is_asked_for_rarely(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    asked = 0
    ask = store._now_ms

    async def count() -> int:
        nonlocal asked
        asked += 1
        return await ask()

    store._now_ms = count  # type: ignore[method-assign]
    try:
        await store.admit(message())
        for _ in range(5):
            clocks, server = await store._clocks.read()
        assert asked == 1
        assert sum(clock is not None for clock in clocks) == 1
        assert abs(server - await ask()) < 5_000
    finally:
        await store.close()
