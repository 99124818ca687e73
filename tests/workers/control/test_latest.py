from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ponderd.workers.control.latest import KEPT, Latest
from ponderd.workers.execution import snapshots
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.store.contract import Tail
from tests.workers.world import REPLY, World


@pytest.fixture
def read(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Tail]:
    """What was read of any run."""
    found: list[Tail] = []
    latest = world.store.latest

    async def noted(*args: Any) -> Tail:
        await asyncio.sleep(0)  # as over a network: others go on meanwhile
        found.append(await latest(*args))
        return found[-1]

    monkeypatch.setattr(world.store, "latest", noted)
    return found


async def test_reads_only_what_is_new(world: World, read: list[Tail]) -> None:
    world.model.lines = [REPLY]
    run_id, latest = await world.write(), Latest()
    before = await latest.read(world.store, run_id)
    after = await world.advance(run_id)
    assert before and before.version < after.version
    assert await latest.read(world.store, run_id) == after
    assert await latest.read(world.store, run_id) == after
    assert [len(tail.log) for tail in read] == [2, after.version - before.version + 1, 1]


async def test_many_at_once_read_only_what_is_new(world: World, read: list[Tail]) -> None:
    run_id, latest = await world.write(), Latest()
    await latest.read(world.store, run_id)
    for number in range(5):
        await world.write(str(number))
    await asyncio.gather(*(latest.read(world.store, run_id) for _ in range(9)))
    assert all(tail.known for tail in read[1:])


async def test_begins_at_a_snapshot(
    world: World, read: list[Tail], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVENTS", 1)
    world.model.lines = [REPLY]
    run = await world.advance(await world.write())
    assert await Latest().read(world.store, run.id) == run
    assert [(tail.known, len(tail.log)) for tail in read] == [(run.version, 1)]


async def test_a_log_that_another_server_has_is_read_anew(world: World) -> None:
    """A server died and lost its last second; then something else happened."""
    world.model.lines = [REPLY]
    run_id, latest = await world.write(), Latest()
    await world.advance(run_id)
    assert await latest.read(world.store, run_id)
    kept = world.store._runs[run_id]
    other = e.RunCancelled(at=1.0, by="ann")
    kept.log[2:] = [e.encode(other)]
    assert await latest.read(world.store, run_id) == fold(e.decode_all(kept.log))


async def test_forgets_all_but_the_last(world: World, read: list[Tail]) -> None:
    latest = Latest()
    runs = [await world.write(conversation=str(number)) for number in range(KEPT + 1)]
    for run_id in (*runs, runs[-1], runs[0]):
        await latest.read(world.store, run_id)
    assert [len(tail.log) for tail in read[-2:]] == [1, 2]


async def test_there_is_no_such_run(world: World) -> None:
    assert await Latest().read(world.store, "00-none-0") is None
