"""Slots of runs, and runs that give theirs away while they wait for a receiver."""

from __future__ import annotations

from unittest import mock

from ponderd.workers.execution import slots as module
from ponderd.workers.execution.slots import Slots


def free(slots: Slots) -> int:
    """How many can be taken; they are given back."""
    taken = 0
    while slots.acquire(blocking=False):
        taken += 1
    for _ in range(taken):
        slots.release()
    return taken


def test_a_run_that_waits_for_a_receiver_leaves_its_slot_to_another() -> None:
    slots = Slots(2)
    assert slots.acquire()
    assert free(slots) == 1
    with slots.left():
        assert free(slots) == 2
    assert free(slots) == 1


def test_a_run_that_comes_back_to_no_free_slot_goes_on_and_the_next_free_one_is_its() -> None:
    slots = Slots(1)
    assert slots.acquire()
    with slots.left():
        assert slots.acquire(blocking=False)
    slots.release()
    assert free(slots) == 0
    slots.release()
    assert free(slots) == 1


def test_no_more_than_so_many_runs_are_away() -> None:
    slots = Slots(2)
    assert slots.acquire() and slots.acquire()
    with mock.patch.object(module, "AWAY", 1), slots.left(), slots.left():
        assert free(slots) == 1
    assert free(slots) == 0
