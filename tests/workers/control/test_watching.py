"""Every watcher sees each event once and in order, whatever happens to others and to the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.workers.control import watching as module
from ponderd.workers.control.watching import Watching
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from tests.services.eventually import eventually
from tests.workers.world import World


def write_event(version: int, event: e.Event) -> str:
    return f"{version} {event.type}"


def write_run(run: Run) -> str:
    return f"{run.version} {run.status}"


class Watcher:
    """`seen` are the numbers of events, `statuses` what the run was after each portion of them."""

    def __init__(self, watching: Watching, run_id: str, after: int = 0) -> None:
        self._watching, self._run_id, self._after = watching, run_id, after
        self.seen: list[int] = []
        self.statuses: list[str] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.task = asyncio.create_task(self._watch())

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _watch(self) -> None:
        async with contextlib.aclosing(
            self._watching.follow(self._run_id, self._after, 60)
        ) as steps:
            async for step in steps:
                assert step is not None
                self.seen += [number for number, _ in step.events]
                self.statuses.append(step.status)
                await self.goes_on.wait()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.005)
    yield


@contextlib.asynccontextmanager
async def watched(world: World, *afters: int) -> AsyncIterator[tuple[str, list[Watcher]]]:
    run_id = await world.write()
    watching = Watching(world.log, write_event, write_run)
    watchers = [Watcher(watching, run_id, after) for after in afters]
    try:
        await eventually(lambda: all(one.statuses or one.task.done() for one in watchers))
        yield run_id, watchers
    finally:
        for one in watchers:
            await one.leave()
        assert not watching._watched, "something is watched for nobody"
        assert watching._looking is None


async def test_all_see_the_same_from_where_they_began(world: World) -> None:
    async with watched(world, 0, 0, 1, 2) as (run_id, watchers):
        for number in range(3, 13):
            await world.write(f"message {number}", run_id=run_id)
            if number % 3 == 0:
                await eventually(lambda number=number: watchers[0].seen[-1] == number)
        await eventually(lambda: all(one.seen and one.seen[-1] == 12 for one in watchers))
        assert [one.seen for one in watchers] == [
            list(range(after + 1, 13)) for after in (0, 0, 1, 2)
        ]
        assert {one.statuses[-1] for one in watchers} == {"12 READY"}


async def test_the_status_comes_at_once_even_if_nothing_is_new(world: World) -> None:
    async with watched(world, 2) as (_, [watcher]):
        assert watcher.seen == []
        assert watcher.statuses == ["2 READY"]


async def test_a_slow_one_holds_up_nobody_and_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 4)
    async with watched(world, 0, 0) as (run_id, [slow, quick]):
        slow.goes_on.clear()
        for number in range(3, 30):
            await world.write("more", run_id=run_id)
            await eventually(lambda number=number: quick.seen[-1] == number)
        assert slow.seen[-1] < 5
        slow.goes_on.set()
        await eventually(lambda: slow.seen[-1] == 29)
        assert slow.seen == quick.seen == list(range(1, 30))


async def test_while_the_store_is_away_they_wait(world: World) -> None:
    async with watched(world, 0) as (run_id, [watcher]):
        world.store.available = False
        await asyncio.sleep(0.05)
        world.store.available = True
        await world.write("again", run_id=run_id)
        await eventually(lambda: watcher.seen == [1, 2, 3])


async def test_it_ends_with_the_run(world: World) -> None:
    async with watched(world, 0, 1) as (run_id, watchers):
        history = await world.log.read(run_id)
        await world.log.signal(
            history,
            lambda run, now: None if run.ended else e.RunCancelled(at=now, by="ann", reason=""),
        )
        await eventually(lambda: all(one.task.done() for one in watchers))
        for one in watchers:
            await one.task


async def test_one_that_comes_later_joins_at_what_is_true(world: World) -> None:
    async with watched(world, 0) as (run_id, [first]):
        await world.write("more", run_id=run_id)
        second = Watcher(first._watching, run_id, 3)
        await eventually(lambda: second.statuses)
        await world.write("and more", run_id=run_id)
        await eventually(lambda: second.seen)
        assert second.seen == [4]
        await second.leave()


async def test_unknown_runs_are_not_found(world: World) -> None:
    watching = Watching(world.log, write_event, write_run)
    with pytest.raises(NotFound):
        await anext(watching.follow("00-none-0", 0, 60))


async def test_what_only_a_newer_ponderd_reads_ends_its_streams_and_no_others(
    world: World,
) -> None:
    async with watched(world, 0) as (run_id, [watcher]):
        other = await world.write("another", conversation="another")
        beside = Watcher(watcher._watching, other)
        await eventually(lambda: beside.statuses)
        run: Any = world.store._runs[run_id]
        run.log.append(b'{"type":"run_celebrated","at":1}')
        await eventually(watcher.task.done)
        with pytest.raises(Unavailable, match="newer version of ponderd"):
            await watcher.task
        await world.write("more", run_id=other)
        await eventually(lambda: beside.seen == [1, 2, 3])
        await beside.leave()


async def test_a_bug_ends_only_the_streams_of_its_run(world: World) -> None:
    def trips(version: int, event: e.Event) -> str:
        if version == 3:
            raise ZeroDivisionError
        return write_event(version, event)

    run_id = await world.write()
    watcher = Watcher(Watching(world.log, trips, write_run), run_id)
    await eventually(lambda: watcher.statuses)
    await world.write("more", run_id=run_id)
    await eventually(watcher.task.done)
    with pytest.raises(Unavailable, match="log says more"):
        await watcher.task


async def test_a_server_that_lacks_the_last_events_is_believed(world: World) -> None:
    async with watched(world, 0) as (run_id, [watcher]):
        await world.write("lost", run_id=run_id)
        await eventually(lambda: watcher.seen == [1, 2, 3])
        run: Any = world.store._runs[run_id]
        del run.log[2:]
        await eventually(lambda: watcher._watching._watched[run_id].run.version == 2)
        await world.write("new", run_id=run_id)
        await world.write("newer", run_id=run_id)
        await eventually(lambda: watcher.seen == [1, 2, 3, 4])


async def test_silence_is_told(world: World) -> None:
    run_id = await world.write()
    steps = []
    watching = Watching(world.log, write_event, write_run)
    async with contextlib.aclosing(watching.follow(run_id, 0, 0.01)) as stream:
        async for step in stream:
            steps.append(step)
            if len(steps) == 3:
                break
    assert steps[0] is not None
    assert steps[1:] == [None, None]
