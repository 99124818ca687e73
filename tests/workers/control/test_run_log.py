"""Reading and writing a log from outside a worker, while others write to it."""

from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.archive import FolderArchive, archive_finished
from tests.workers.world import REPLY, World


def pause(run: Run, now: float) -> e.Event | None:
    return None if run.paused else e.RunPaused(at=now, by="ann")


class TestEventsAfterOne:
    async def test_are_read_without_those_before(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = await world.write()
        for number in range(5):
            await world.write(f"and {number}", run_id=run_id)
        load, read = world.store.load, list[int]()

        async def counted(*args: Any) -> tuple[bytes, ...]:
            found = await load(*args)
            read.append(len(found))
            return found

        all_events = await world.log.events(run_id)
        monkeypatch.setattr(world.store, "load", counted)
        for after in (1, 4, 6, 7, 8, 10**30):
            assert await world.log.events(run_id, after) == all_events[after:]
        assert read == [6, 3, 1, 0, 0, 0]

    async def test_are_found_in_the_archive(self, world: World, tmp_path: Path) -> None:
        world.model.lines = [REPLY]
        run = await world.advance(await world.write())
        all_events = await world.log.events(run.id)
        archive = FolderArchive(tmp_path)
        world.serve({"tester": world.agent}, archive)
        world.clock.now += 100
        assert await archive_finished(world.store, archive, keep=1, now=world.clock.now, limit=9)
        assert await world.store.load(run.id) == ()
        assert await world.log.events(run.id, 2) == all_events[2:]
        assert await world.log.events(run.id, 10**30) == ()

    @pytest.mark.parametrize("run_id", ["00-mha1v2k8-9f3c1a2b7d", "nonsense"])
    async def test_of_no_run_are_not_found(self, world: World, run_id: str) -> None:
        for after in (0, 1, 99):
            with pytest.raises(NotFound):
                await world.log.events(run_id, after)


class TestASignal:
    async def test_returns_the_history_as_it_then_stands(self, world: World) -> None:
        run_id = await world.write()
        before = await world.log.read(run_id)
        world.clock.now += 5
        after = await world.log.signal(before, pause)
        assert after.events == await world.log.events(run_id)
        assert after.events == (*before.events, e.RunPaused(at=world.clock.now, by="ann"))
        assert after.run == fold(after.events)

    async def test_writes_nothing_if_there_is_nothing_to_write(self, world: World) -> None:
        history = await world.log.read(await world.write())
        history = await world.log.signal(history, pause)
        assert await world.log.signal(history, pause) == history
        assert await world.log.version(history.run.id) == len(history.events)

    async def test_is_chosen_again_when_others_were_faster(self, world: World) -> None:
        old = await world.log.read(await world.write())
        await world.write("and this", run_id=old.run.id)
        seen: list[int] = []

        def choose(run: Run, now: float) -> e.Event | None:
            seen.append(run.version)
            return pause(run, now)

        after = await world.log.signal(old, choose)
        assert seen == [old.run.version, old.run.version + 1]
        assert after.events == await world.log.events(old.run.id)

    async def test_is_dropped_when_others_did_the_same(self, world: World) -> None:
        old = await world.log.read(await world.write())
        first = await world.log.signal(old, pause)
        assert await world.log.signal(old, pause) == first

    async def test_needs_a_daemon_that_can_read_what_came_between(self, world: World) -> None:
        old = await world.log.read(await world.write())
        newer = b'{"type":"run_celebrated","at":1}'
        projection: Any = world.store._runs[old.run.id]
        projection.log.append(newer)
        with pytest.raises(Unavailable, match="newer version of ponderd"):
            await world.log.signal(old, pause)


@pytest.mark.parametrize("run_id", ["", "x", "zz-1-2", "00-none-0"])
async def test_a_run_that_is_not_there_is_not_found(world: World, run_id: str) -> None:
    for verb in (world.log.version, world.log.events, world.log.read, world.runs.show):
        with pytest.raises(NotFound, match="there is no run"):
            await verb(run_id)
    assert await world.log.version(await world.write()) == 2
