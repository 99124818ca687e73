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
        self.children = [[] for _ in range(garbage.FEW + 1)]


async def test_a_cycle_is_found_long_before_the_thresholds_are_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "SECONDS", 0.01)
    duty = asyncio.create_task(garbage.collect_rarely())
    await asyncio.sleep(0)
    assert gc.get_threshold() == garbage.THRESHOLDS
    left = weakref.ref(_Heavy())
    await eventually(lambda: left() is None)
    duty.cancel()


async def test_what_is_there_at_first_is_never_looked_at_again() -> None:
    duty = asyncio.create_task(garbage.collect_rarely())
    await asyncio.sleep(0)
    assert gc.get_freeze_count() > 10_000
    duty.cancel()
