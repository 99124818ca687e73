"""Somebody looks at what is due in time, whoever dies, stands still, is full or is not heard."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from unittest import mock

import pytest

from ponderd.workers.execution import turns
from ponderd.workers.execution.turns import PATIENCE, Turns

PAUSE = 10.0
"""Ticks."""
LONGEST = PAUSE * PATIENCE[1]


@dataclass(frozen=True)
class Mind:
    """One worker: what its `Turns` remember, relative to now, and how it is."""

    looked: float = -PAUSE
    must: float = 0.0
    may: float = math.inf
    full: bool = False
    how: str = "lives"
    """"lives", "stands still" or "dead"."""


@dataclass(frozen=True)
class Fleet:
    minds: tuple[Mind, ...]
    since_look: float = 0.0
    """Ticks since anybody looked."""
    left: float = math.inf
    """Ticks since something was left to others while somebody had room. Infinite: nothing is."""
    faults: int = 0


Heard = Callable[[str, str], bool]


class Wrong(AssertionError):
    pass


class Search:
    """All that can happen to a fleet, with the real `Turns` as its rules. Time goes on to the next
    turn of anybody. Everybody's patience is the shortest or the longest; what is told reaches each
    other worker, or, which is a fault, does not."""

    def __init__(self, workers: int, faults: int) -> None:
        self._first = Fleet(tuple(Mind() for _ in range(workers)), faults=faults)
        self.states = 0

    def run(self) -> None:
        seen, waiting = {self._first}, [self._first]
        while waiting:
            fleet = waiting.pop()
            for after in self._moves(fleet):
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
        self.states = len(seen)

    def _moves(self, fleet: Fleet) -> Iterator[Fleet]:
        if fleet.faults:
            for i, mind in enumerate(fleet.minds):
                for changed in self._happens(mind):
                    yield replace(
                        fleet, minds=_with(fleet.minds, i, changed), faults=fleet.faults - 1
                    )
        ready = [
            i for i, mind in enumerate(fleet.minds) if mind.how == "lives" and _next(mind) <= 0
        ]
        if not ready:
            yield from self._time(fleet)
        for i in ready:
            yield from self._looks(fleet, i)

    def _happens(self, mind: Mind) -> Iterator[Mind]:
        if mind.how == "lives":
            yield replace(mind, how="dead")
            yield replace(mind, how="stands still")
            yield replace(mind, full=not mind.full)
        if mind.how == "stands still":
            yield replace(mind, how="lives")

    def _time(self, fleet: Fleet) -> Iterator[Fleet]:
        alive = [mind for mind in fleet.minds if mind.how == "lives"]
        if not alive:
            return
        ticks = min(map(_next, alive))
        minds = tuple(
            replace(
                mind,
                looked=max(mind.looked - ticks, -PAUSE),  # what is longer ago is all the same
                must=max(mind.must - ticks, -1.0),
                may=max(mind.may - ticks, -1.0),
            )
            if mind.how != "dead"
            else Mind(how="dead")
            for mind in fleet.minds
        )
        later = replace(
            fleet, minds=minds, since_look=fleet.since_look + ticks, left=fleet.left + ticks
        )
        if later.since_look > LONGEST:
            raise Wrong(f"nobody looked for {later.since_look} ticks: {later}")
        roomy = [mind for mind in alive if not mind.full]
        if roomy and math.inf > later.left > LONGEST + PAUSE:
            raise Wrong(f"what was left lies for {later.left} ticks: {later}")
        yield later if roomy else replace(later, left=math.inf)

    def _looks(self, fleet: Fleet, i: int) -> Iterator[Fleet]:
        """One worker looks; it finds less or more than it has room for."""
        mind = fleet.minds[i]
        for more in (False, True) if not mind.full else (False,):
            turn = _turns(mind, i)
            with _at(0.0, 0.0):
                if mind.full and not turn.must:
                    turn.decline()
                    yield replace(fleet, minds=_with(fleet.minds, i, _mind(turn, mind)))
                    return
                turn.begin()
            told = turn.told("all" if mind.full else "more" if more else "nothing")
            minds = _with(fleet.minds, i, _mind(turn, mind))
            left = fleet.left if mind.full else 0.0 if more else math.inf
            if mind.full and math.isinf(left):
                left = 0.0
            after = replace(fleet, minds=minds, since_look=0.0, left=left)
            others = [j for j in range(len(minds)) if j != i and minds[j].how == "lives"]
            for chances in itertools.product((0.0, 1.0), repeat=len(others)):
                heard = after
                for j, chance in zip(others, chances, strict=True):
                    heard = replace(heard, minds=self._hears(heard.minds, j, told, chance))
                yield heard
            if fleet.faults and others:
                yield replace(after, faults=fleet.faults - 1)  # nobody hears it

    def _hears(self, minds: tuple[Mind, ...], j: int, told: str, chance: float) -> tuple[Mind, ...]:
        turn = _turns(minds[j], j)
        with _at(0.0, chance):
            turn.heard(told)
        return _with(minds, j, _mind(turn, minds[j]))


def _next(mind: Mind) -> float:
    return min(mind.must, mind.may)


def _with(minds: tuple[Mind, ...], i: int, mind: Mind) -> tuple[Mind, ...]:
    return (*minds[:i], mind, *minds[i + 1 :])


def _turns(mind: Mind, i: int) -> Turns:
    turn = Turns(f"worker {i}", PAUSE)
    turn._looked_at, turn._must_at, turn._may_at = mind.looked, mind.must, mind.may
    return turn


def _mind(turn: Turns, mind: Mind) -> Mind:
    return replace(mind, looked=turn._looked_at, must=turn._must_at, may=turn._may_at)


def _at(now: float, chance: float) -> mock._patch[object]:
    return mock.patch.multiple(
        turns,
        time=mock.Mock(monotonic=lambda: now),
        random=mock.Mock(uniform=lambda low, high: low + chance * (high - low)),
    )


@pytest.mark.parametrize(("workers", "faults"), [(1, 2), (2, 3), (3, 1)])
def test_there_is_always_somebody_who_looks(workers: int, faults: int) -> None:
    search = Search(workers, faults)
    search.run()
    assert search.states > 10


class NeverTakesOver(Turns):
    def heard(self, text: str) -> bool:
        found = super().heard(text)
        self._must_at = math.inf if found else self._must_at
        return found


class IsDeafToWhatIsLeft(Turns):
    def heard(self, text: str) -> bool:
        return super().heard(text.replace(" more ", " nothing ").replace(" all ", " nothing "))


class ListensToItself(Turns):
    """And to nobody else about what is left."""

    def begin(self) -> None:
        super().begin()
        self._must_at = turns.time.monotonic() + 2 * self._pause


@pytest.mark.parametrize("broken", [NeverTakesOver, IsDeafToWhatIsLeft, ListensToItself])
def test_what_is_broken_is_found(broken: type[Turns], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.Turns", broken)
    with pytest.raises(Wrong):
        Search(2, 2).run()


# -- on a running loop -----------------------------------------------------------------------------


class Looker:
    """A worker that only looks. Full: it can take nothing."""

    def __init__(self, name: str, fleet: list[Looker], *, full: bool = False) -> None:
        self.turns, self.fleet, self.full = Turns(name, 0.02), fleet, full
        self.looks, self.roomy_looks = 0, 0
        fleet.append(self)

    async def live(self) -> None:
        while True:
            await self.turns.come()
            if self.full and not self.turns.must:
                self.turns.decline()
                continue
            self.turns.begin()
            self.looks += 1
            told = self.turns.told("all" if self.full else "nothing")
            for each in self.fleet:
                each.turns.heard(told)


async def test_few_looks_for_any_number_of_workers() -> None:
    fleet: list[Looker] = []
    tasks = [asyncio.create_task(Looker(f"w{i}", fleet).live()) for i in range(8)]
    while sum(each.looks for each in fleet) < 60:
        await asyncio.sleep(0.01)
    busiest = max(each.looks for each in fleet)
    for task in tasks:
        task.cancel()
    assert busiest > 20, "the turn goes round, so that all keep looking"


async def test_a_full_one_calls_one_that_has_room() -> None:
    fleet: list[Looker] = []
    full, roomy = Looker("full", fleet, full=True), Looker("roomy", fleet)
    tasks = [asyncio.create_task(each.live()) for each in (full, roomy)]
    while roomy.looks < 20:
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()


def test_what_others_say_is_no_look() -> None:
    turn = Turns("one", 1.0)
    assert not turn.heard("0c-mha1v2k8-9f3c1a2b7d")
    assert not turn.heard(turn.told("more"))
    assert not turn.heard("looked")
    assert Turns("two", 1.0).heard(turn.told("nothing"))
