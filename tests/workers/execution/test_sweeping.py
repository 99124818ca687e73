"""Who saw nothing of the store for a while leaves what has expired to its owner at first."""

from __future__ import annotations

from unittest import mock

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution import sweeping
from ponderd.workers.execution.sweeping import Sweeper
from ponderd.workers.store.memory_store import MemoryStore
from tests.workers.store.test_contract import message

LEASE = 10.0


class Away(MemoryStore):
    away = False

    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        if self.away:
            raise Unavailable("away")
        return await super().sweep(limit, grace, takes_over)


class Case:
    """A run whose owner stands still, and the sweeper of another worker, on one clock."""

    def __init__(self, lease: float = LEASE) -> None:
        self.now = 1000.0
        self.store = Away(lambda: self.now)
        self.sweeper = Sweeper(self.store, lease)

    async def held(self) -> str:
        run_id = (await self.store.admit(message())).run_id
        assert await self.store.claim(run_id, "owner", self.sweeper.lease)
        return run_id

    async def looks(self, seconds: float) -> list[str]:
        """What is found in so many seconds, as often as a worker looks."""
        found: list[str] = []
        ends = self.now + seconds
        while self.now + self.sweeper.pause <= ends:
            self.now += self.sweeper.pause
            with mock.patch.object(sweeping.time, "monotonic", lambda: self.now):
                try:
                    found += await self.sweeper.sweep(10)
                except Unavailable:
                    continue
        return found


async def test_what_expires_before_its_eyes_is_taken_over() -> None:
    case = Case()
    run_id = await case.held()
    assert await case.looks(9) == []
    assert run_id in await case.looks(2)


async def test_a_worker_that_begins_takes_over_at_once() -> None:
    case = Case()
    run_id = await case.held()
    case.now += 20
    assert await case.looks(0.5) == [run_id]


@pytest.mark.parametrize("away", [True, False], ids=["cut off", "stopped"])
async def test_after_an_outage_of_its_own_the_owner_comes_first(away: bool) -> None:
    case = Case()
    run_id = await case.held()
    await case.looks(1)
    case.store.away = away
    if away:
        assert await case.looks(19) == []
    else:
        case.now += 19
    case.store.away = False
    new = (await case.store.admit(message("c2"))).run_id
    assert set(await case.looks(9)) == {new}
    assert run_id in await case.looks(5)


async def test_a_short_break_ends_no_lease_so_nobody_waits() -> None:
    case = Case()
    run_id = await case.held()
    await case.looks(6)
    case.store.away = True
    await case.looks(4)
    case.store.away = False
    assert await case.looks(2) == [run_id]


@pytest.mark.parametrize("lease", [0.2, 0.5, 1.0, 2.0, 15.0])
async def test_the_pause_between_two_looks_is_no_blindness(lease: float) -> None:
    case = Case(lease)
    run_id = await case.held()
    assert await case.looks(0.9 * lease) == []
    assert run_id in await case.looks(0.2 * lease + 2 * case.sweeper.pause)
    late = 2 * case.sweeper.pause  # a busy machine
    assert late < sweeping.BLIND * lease


class Told(MemoryStore):
    def __init__(self, *, mute: bool = False) -> None:
        super().__init__()
        self.said: list[str] = []
        self.mute = mute

    async def tell(self, text: str) -> None:
        if self.mute:
            raise Unavailable("NOPERM")
        self.said.append(text)


async def test_who_hears_of_looks_is_not_blind() -> None:
    case = Case()
    run_id = await case.held()
    await case.looks(1)
    other = Sweeper(case.store, LEASE, "other")
    with mock.patch.object(sweeping.time, "monotonic", lambda: case.now):
        for _ in range(19):
            case.now += 1
            case.sweeper.heard(other.turns.told("nothing"))
    assert await case.looks(0.5) == [run_id]


async def test_what_was_heard_late_does_not_end_the_patience() -> None:
    case = Case()
    run_id = await case.held()
    await case.looks(1)
    other = Sweeper(case.store, LEASE, "other")
    case.now += 19  # it stood still, and hears now what was told meanwhile
    with mock.patch.object(sweeping.time, "monotonic", lambda: case.now):
        for _ in range(40):
            case.sweeper.heard(other.turns.told("nothing"))
    assert await case.looks(9) == []
    assert run_id in await case.looks(5)


@pytest.mark.parametrize(
    ("free", "found", "left"), [(0, 0, "all"), (3, 3, "more"), (3, 2, "nothing"), (3, 0, "nothing")]
)
async def test_others_are_told_what_is_left(free: int, found: int, left: str) -> None:
    store = Told()
    await Sweeper(store, LEASE, "me").tell(free, found)
    assert store.said == [f"looked {left} me"]


async def test_a_patient_one_leaves_to_others_what_has_expired() -> None:
    case = Case()
    await case.held()
    await case.looks(1)
    case.now += 19
    await case.looks(0.5)
    store = Told()
    case.sweeper.store = store
    with mock.patch.object(sweeping.time, "monotonic", lambda: case.now):
        await case.sweeper.tell(3, 0)
    assert store.said == ["looked more "]


async def test_where_nothing_may_be_told_the_look_counts_all_the_same() -> None:
    await Sweeper(Told(mute=True), LEASE, "me").tell(1, 0)
