"""Cycles are looked for rarely, but soon where anything happens."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from ponderd.workers.execution import garbage
from tests.services.eventually import eventually


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class _Heavy:
    def __init__(self) -> None:
        self.itself = self
        self.bytes = b"x" * (garbage.GROWTH // 4)


async def test_few_cycles_that_hold_much_are_found_when_the_process_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "SECONDS", 0.01)
    duty = asyncio.create_task(garbage.collect_rarely())
    await asyncio.sleep(0)
    assert gc.get_threshold() == garbage.THRESHOLDS
    left: list[weakref.ref[_Heavy]] = []

    def found() -> bool:  # the process may have been larger before, so it takes a few
        left.append(weakref.ref(_Heavy()))
        return any(one() is None for one in left)

    await eventually(found)
    duty.cancel()


async def test_what_is_there_at_first_is_never_looked_at_again() -> None:
    duty = asyncio.create_task(garbage.collect_rarely())
    await asyncio.sleep(0)
    assert gc.get_freeze_count() > 10_000
    duty.cancel()
