"""Who falls asleep; and that nothing is dropped that the archive does not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution import falling_asleep
from ponderd.workers.execution.archive_readers import misplaced, tell
from ponderd.workers.execution.falling_asleep import send_to_sleep, sleep_round, wake_round
from ponderd.workers.execution.fleet import Fleet
from ponderd.workers.execution.stranded import STRANDED
from ponderd.workers.execution.waking import Waking
from ponderd.workers.store.archive import FolderArchive
from ponderd.workers.store.asleep import mark_of
from tests.workers.world import LAUNCH, REPLY, World

HOUR = 3600.0


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "archive")


async def waits(world: World, conversation: str = "c") -> str:
    """A run that waits for a yes, and reminds nobody."""
    world.model.lines = [LAUNCH, REPLY]
    world.model.prompts.clear()
    quiet = world.agent.approvals.model_copy(update={"remind_every": None})
    world.become(approvals=quiet)
    run_id = await world.write("go", conversation=conversation)
    await world.advance(run_id)
    return run_id


def asleep(world: World) -> set[str]:
    return {run_id for run_id, run in world.store._runs.items() if run.asleep}


async def sleeps(world: World, archive: FolderArchive) -> int:
    """A round, one minute after the last one."""
    world.clock.now += 60
    fleet = Fleet("w1", [world.agent])
    fleet.archive = await archive.identity()
    await fleet.meet(world.store)
    await tell(world.store, archive, "d1")
    return await sleep_round(world.store, archive, owner="w1", after=24 * HOUR)


async def test_what_waits_for_longer_than_a_day(world: World, archive: FolderArchive) -> None:
    old = await waits(world, "old")
    paused = await waits(world, "paused")
    await world.runs.pause(paused, by="ann")
    await world.advance(paused)
    world.clock.now += 25 * HOUR
    young = await waits(world, "young")
    assert await sleeps(world, archive) == 2
    assert asleep(world) == {old, paused}
    assert await sleeps(world, archive) == 0
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 1
    assert asleep(world) == {old, paused, young}


async def test_all_wake_where_it_is_switched_off(world: World, archive: FolderArchive) -> None:
    ids = [await waits(world, conversation) for conversation in ("a", "b", "c")]
    await world.runs.pause(ids[0], by="ann")
    await world.advance(ids[0])
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 3
    before = [await world.store.head(run_id) for run_id in ids]
    store = Waking(world.store, archive)
    assert await wake_round(store, owner="w2") == 0  # somebody has done this minute's round
    path = next(archive._folder.rglob(f"{ids[1]}.jsonl"))
    path.rename(path.with_suffix(".away"))
    world.clock.now += 60
    with pytest.raises(Unavailable, match=f"does not have the log of run {ids[1]}"):
        await wake_round(store, owner="w1")
    assert asleep(world) == {ids[1]}  # it keeps no other from waking
    path.with_suffix(".away").rename(path)
    world.clock.now += 60
    assert await wake_round(store, owner="w1") == 1
    after = [await world.store.head(run_id) for run_id in ids]
    assert [replace(head, asleep=False) for head in before if head] == after
    assert await world.store.box(STRANDED) == {}


async def test_one_file_that_cannot_be_written_keeps_one_run_awake(
    world: World, archive: FolderArchive
) -> None:
    ids = [await waits(world, conversation) for conversation in ("a", "b", "c")]
    path = archive._folder / ids[1][:2] / ids[1][-2:] / f"{ids[1]}.jsonl"
    path.mkdir(parents=True)
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 2
    assert asleep(world) == {ids[0], ids[2]}


async def test_another_place_is_taken_where_nobody_sleeps(
    world: World, archive: FolderArchive
) -> None:
    await waits(world)
    assert await sleeps(world, archive) == 0  # it is known by now
    (archive._folder / "identity").unlink()
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 1


async def test_another_place_is_named(world: World, archive: FolderArchive) -> None:
    await waits(world)
    assert await misplaced(world.store, archive) is None
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 1
    assert await misplaced(world.store, archive) is None
    await waits(world, "other")
    name = await archive.identity()
    (archive._folder / "identity").unlink()
    world.clock.now += 25 * HOUR
    assert await sleeps(world, archive) == 0
    line = await misplaced(world.store, archive)
    assert line and f"write {name} into its file `identity`" in line
    (archive._folder / "identity").write_text(name)
    assert await sleeps(world, archive) == 1


async def test_nobody_where_not_all_read_the_archive(
    world: World, archive: FolderArchive, tmp_path: Path
) -> None:
    await waits(world)
    world.clock.now += 25 * HOUR
    other = FolderArchive(tmp_path / "another")
    await tell(world.store, other, "d2")
    assert await sleeps(world, archive) == 0


async def test_one_worker_does_it_in_a_round(world: World, archive: FolderArchive) -> None:
    await sleeps(world, archive)
    await waits(world)
    assert await sleep_round(world.store, archive, owner="w2", after=0.001) == 0


async def test_who_has_just_changed_stays_awake(world: World, archive: FolderArchive) -> None:
    run_id = await waits(world)
    world.clock.now += 25 * HOUR
    await world.runs.pause(run_id, by="ann")
    await world.advance(run_id)
    assert await sleeps(world, archive) == 0


async def test_a_round_goes_on_where_the_last_one_ended(
    world: World, archive: FolderArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(falling_asleep, "PAGE", 1)
    monkeypatch.setattr(falling_asleep, "LOOKED_AT", 2)
    for number in range(5):
        await waits(world, f"c{number}")
    world.clock.now += 25 * HOUR
    assert [await sleeps(world, archive) for _ in range(3)] == [2, 2, 1]


class Harmed(FolderArchive):
    """Keeps something else than it was given."""

    async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
        await super().put(run_id, log[:-1])


async def test_nothing_is_dropped_that_the_archive_does_not_give_back(
    world: World, tmp_path: Path
) -> None:
    run_id = await waits(world)
    before = await world.store.load(run_id)
    assert not await send_to_sleep(world.store, Harmed(tmp_path), run_id)
    assert await world.store.load(run_id) == before


@pytest.mark.parametrize("call", ["put", "get"])
async def test_nothing_is_dropped_while_the_archive_is_away(
    world: World, archive: FolderArchive, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("read-only")

    run_id = await waits(world)
    monkeypatch.setattr(archive, call, away)
    assert not await send_to_sleep(world.store, archive, run_id)  # perhaps only its file
    assert asleep(world) == set()
    monkeypatch.setattr(archive, "identity", away)
    with pytest.raises(Unavailable, match="read-only"):
        await send_to_sleep(world.store, archive, run_id)
    assert await world.store.load(run_id)


async def test_a_run_that_got_a_message_meanwhile_stays_awake(world: World, tmp_path: Path) -> None:
    run_id = await waits(world)

    class Interrupted(FolderArchive):
        async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
            await super().put(run_id, log)
            await world.write("hm", run_id=run_id)

    assert not await send_to_sleep(world.store, Interrupted(tmp_path), run_id)
    assert len(await world.store.load(run_id)) > 3


async def test_the_archive_may_have_more_of_it(world: World, archive: FolderArchive) -> None:
    """Redis lost its last second, but the archive has it."""
    run_id = await waits(world)
    log = await world.store.load(run_id)
    await archive.put(run_id, (*log, b'{"lost":1}'))
    assert await send_to_sleep(world.store, archive, run_id)
    assert world.store._runs[run_id].asleep == mark_of(log)


async def test_there_may_be_none(world: World, archive: FolderArchive) -> None:
    assert not await send_to_sleep(world.store, archive, "00-none-0")
