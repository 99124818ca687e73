from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.archive_readers import LIVE_SECONDS, READERS, all_read, tell
from ponderd.workers.execution.falling_asleep import send_to_sleep
from ponderd.workers.execution.fleet import Fleet
from ponderd.workers.execution.waking import Waking
from ponderd.workers.store.archive import Archive, FolderArchive
from tests.workers.world import LAUNCH, World


async def works(world: World, name: str, archive: Archive | None) -> None:
    fleet = Fleet(name)
    fleet.archive = await archive.identity() if archive else ""
    await fleet.meet(world.store)


@pytest.fixture
async def archive(world: World, tmp_path: Path) -> FolderArchive:
    """One that a worker and a daemon read."""
    archive = FolderArchive(tmp_path / "ours")
    await works(world, "w1", archive)
    await tell(world.store, FolderArchive(tmp_path / "ours"), "d1")
    return archive


async def test_all_read_it(world: World, archive: FolderArchive) -> None:
    assert await all_read(world.store, archive)


async def test_a_worker_reads_another_folder(
    world: World, archive: FolderArchive, tmp_path: Path
) -> None:
    await works(world, "w2", FolderArchive(tmp_path / "another"))
    assert not await all_read(world.store, archive)
    assert not await all_read(world.store, FolderArchive(tmp_path / "another"))


async def test_a_worker_of_an_earlier_version_tells_nothing(
    world: World, archive: FolderArchive
) -> None:
    await works(world, "w2", None)
    assert not await all_read(world.store, archive)


async def test_a_daemon_reads_another_folder_until_it_is_gone(
    world: World, archive: FolderArchive, tmp_path: Path
) -> None:
    await tell(world.store, FolderArchive(tmp_path / "another"), "d2")
    assert not await all_read(world.store, archive)
    world.clock.now += LIVE_SECONDS + 1
    await tell(world.store, archive, "d1")
    await works(world, "w1", archive)
    assert await all_read(world.store, archive)
    assert set(await world.store.box(READERS)) == {"d1"}


async def test_no_daemon_or_no_worker_tells(world: World, tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    await works(world, "w1", archive)
    assert not await all_read(world.store, archive)
    await Fleet("w1").leave(world.store)
    await tell(world.store, archive, "d1")
    assert not await all_read(world.store, archive)


async def test_a_daemon_that_cannot_read_it_says_so(
    world: World, archive: FolderArchive, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        await tell(world.store, FolderArchive(tmp_path / "file"), "d1")
    assert not await all_read(world.store, archive)


async def test_it_is_not_the_one_that_was_read_before(
    world: World, archive: FolderArchive, tmp_path: Path
) -> None:
    """As where its folder is not mounted. Where nobody sleeps, nobody misses that one."""
    assert await all_read(world.store, archive)
    world.model.lines = [LAUNCH]
    run_id = await world.write("go")
    await world.advance(run_id)
    assert await send_to_sleep(world.store, archive, run_id, idle=0)
    empty = FolderArchive(tmp_path / "empty")
    await works(world, "w1", empty)
    await tell(world.store, empty, "d1")
    assert not await all_read(world.store, empty)
    await Waking(world.store, archive).wake_up(run_id)
    assert await all_read(world.store, empty)


async def test_what_a_newer_daemon_tells_is_not_understood(
    world: World, archive: FolderArchive
) -> None:
    await world.store.put(READERS, "d2", b'{"reads": "all"}')
    assert not await all_read(world.store, archive)
