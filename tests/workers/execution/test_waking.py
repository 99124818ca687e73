"""Runs that sleep are woken by whoever writes to them, and by nobody else; and whatever fails, none
is lost, or goes on without its log."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.workers.control.snapshot_checks import SnapshotChecks
from ponderd.workers.control.stranded import StrandedRuns, degraded
from ponderd.workers.execution.falling_asleep import send_to_sleep
from ponderd.workers.execution.fleet import Fleet
from ponderd.workers.execution.waking import waking
from ponderd.workers.store.archive import FolderArchive, archive_finished
from ponderd.workers.store.contract import Projection, RunStore
from tests.workers.world import LAUNCH, REPLY, World


class Flaky(FolderArchive):
    """An archive that is away when it should, and counts who asks."""

    away = False
    asked = 0

    async def get(self, run_id: str) -> tuple[bytes, ...] | None:
        self.asked += 1
        if self.away:
            raise Unavailable("the archive cannot be used: gone")
        return await super().get(run_id)

    async def identity(self) -> str:
        if self.away:
            raise Unavailable("the archive cannot be used: gone")
        return await super().identity()

    def path(self, run_id: str) -> Path:
        return next(self._folder.rglob(f"{run_id}.jsonl"))


@pytest.fixture
def archive(tmp_path: Path) -> Flaky:
    return Flaky(tmp_path / "archive")


async def sleeper(world: World, archive: FolderArchive) -> str:
    """A run that waits for a yes, asleep, in a world that wakes."""
    world.model.lines = [LAUNCH, REPLY]
    run_id = await world.write("go")
    await world.advance(run_id)
    assert await send_to_sleep(world.store, archive, run_id)
    assert world.store._runs[run_id].log == []
    world.store = waking(world.store, archive)  # type: ignore[assignment]
    world.serve({"tester": world.agent}, archive)
    world.executor = world.worker()
    return run_id


def is_asleep(world: World, run_id: str) -> bool:
    return bool(world.store._runs[run_id].asleep)


async def approve(world: World) -> None:
    [asked] = await world.open_approvals()
    await world.inquiries.decide(asked.id, approve=True, by="api:ann")


async def other(world: World) -> str:
    """A run of another conversation that waits for a yes, awake."""
    world.model.lines = [LAUNCH, REPLY]
    world.model.prompts.clear()
    run_id = await world.write("go", conversation="other")
    await world.advance(run_id)
    return run_id


async def test_one_file_that_cannot_be_read_keeps_one_run_asleep(
    world: World, archive: Flaky
) -> None:
    bad = await sleeper(world, archive)
    good = await other(world)
    assert await send_to_sleep(world.store, archive, good)
    path = archive.path(bad)
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    assert await world.write("yes", conversation="other") == good
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be had from PONDERD_ASLEEP"):
            await world.log.events(bad)
        assert await world.log.events(good)
    await world.executor.advance(good)
    assert is_asleep(world, bad) and not is_asleep(world, good)


async def test_a_log_that_is_lost_keeps_no_other_from_being_listed_and_checked(
    world: World, archive: Flaky
) -> None:
    bad = await sleeper(world, archive)
    good = await other(world)
    for run_id in (bad, good):  # so lists must ask their logs
        world.store._runs[run_id].asks = (0, b"")
    archive.path(bad).unlink()
    assert [one.run_id for one in await world.open_approvals()] == [good]
    asked = archive.asked
    checked = await SnapshotChecks(world.log).check_all(limit=10, cursor=None)
    assert (checked.checked, checked.cursor, archive.asked) == (2, None, asked)
    world.store._store.available = False  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await world.open_approvals()


async def test_reading_wakes_nobody(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    events = await world.log.events(run_id)
    assert [event.type for event in events][:2] == ["run_launched", "message_received"]
    assert await world.log.latest(run_id) == await world.run(run_id)
    assert await world.log.events(run_id, 2) == events[2:]
    assert await world.log.event(run_id, 2) == events[1]
    assert await world.log.between(run_id, 1, 3) == events[1:3]
    assert await world.log.version(run_id) == len(events)
    assert len(await world.open_approvals()) == 1
    before = archive.asked
    assert await world.log.events(run_id, len(events)) == ()
    assert archive.asked == before
    assert is_asleep(world, run_id)


async def test_a_yes_wakes_it_and_it_goes_on(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    await approve(world)
    assert not is_asleep(world, run_id)
    assert (await world.advance(run_id)).status == "COMPLETED"
    assert world.effects.counted == ["rocket"]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_so_do_people_who_stop_it(world: World, archive: Flaky, verb: str) -> None:
    run_id = await sleeper(world, archive)
    await getattr(world.runs, verb)(run_id, by="ann")
    assert (await world.advance(run_id)).status == {"pause": "PAUSED", "cancel": "CANCELLED"}[verb]


async def test_a_message_is_kept_though_the_archive_is_away(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    archive.away = True
    assert await world.write("yes") == run_id
    await world.executor.advance(run_id)
    assert is_asleep(world, run_id)
    with pytest.raises(Unavailable, match="gone"):
        await world.log.events(run_id)
    with pytest.raises(Unavailable):
        await world.runs.cancel(run_id, by="ann")
    stranded = StrandedRuns(world.log)
    await Fleet("me", [world.agent]).meet(world.store)
    assert (await stranded.counted())["archive"] == 1
    assert degraded(await stranded.listed()) == [
        "1 run cannot be woken: PONDERD_ASLEEP lacks the logs"
    ]
    archive.away = False
    world.executor = world.worker(store=waking(world.store._store, archive))
    await world.later(60)
    world.serve({"tester": world.agent})
    assert (await world.run(run_id)).status == "COMPLETED"
    assert world.effects.counted == ["rocket"]
    assert (await stranded.counted())["archive"] == 0


async def test_it_is_looked_at_again_by_itself(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    archive.away = True
    await world.write("yes")
    await world.executor.advance(run_id)
    assert await world.store.sweep(10, 1) == []
    world.clock.now += 11
    assert await world.store.sweep(10, 1) == [run_id]


@pytest.mark.parametrize("harm", ["lost", "cut", "changed"])
async def test_another_log_than_its_own_is_never_taken(
    world: World, archive: Flaky, harm: str
) -> None:
    run_id = await sleeper(world, archive)
    whole = archive.path(run_id).read_bytes()
    match harm:
        case "lost":
            archive.path(run_id).unlink()
        case "cut":
            archive.path(run_id).write_bytes(whole[: whole.index(b"\n") + 1])
        case _:
            archive.path(run_id).write_bytes(whole.replace(b"rocket", b"pocket"))
    await world.write("yes")
    await world.executor.advance(run_id)
    with pytest.raises(Unavailable, match=f"log of run {run_id}"):
        await world.log.events(run_id)
    assert is_asleep(world, run_id)
    assert world.effects.counted == []


async def test_an_archive_that_is_away_is_not_asked_for_each_run(
    world: World, archive: Flaky
) -> None:
    run_id = await sleeper(world, archive)
    archive.away, before = True, archive.asked
    for _ in range(5):
        with pytest.raises(Unavailable, match="gone"):
            await world.store.load(run_id)
    assert archive.asked == before + 1
    archive.away = False
    world.store._away_until = time.monotonic()  # type: ignore[attr-defined]
    assert await world.store.load(run_id)


async def test_two_workers_and_a_person_wake_it_once(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    await world.write("hm")
    workers = world.executor.advance(run_id), world.worker().advance(run_id)
    await asyncio.gather(*workers, world.runs.message(run_id, "hm, well", sender="bob"))
    types = await world.types(run_id)
    assert types.count("run_launched") == 1
    assert types.count("message_received") == 3
    assert not is_asleep(world, run_id)


async def test_it_may_sleep_again_and_end_in_the_archive(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)
    await world.runs.pause(run_id, by="ann")
    await world.advance(run_id)
    assert await send_to_sleep(world.store, archive, run_id)
    await world.runs.resume(run_id, by="ann")
    await approve(world)
    events = (await world.advance(run_id), await world.log.events(run_id))[1]
    world.clock.now += 100
    now = world.clock.now
    assert await archive_finished(world.store, archive, keep=10, now=now, limit=9) == 1
    assert await world.log.events(run_id) == events
    assert world.effects.counted == ["rocket"]


async def test_one_that_always_falls_asleep_again_is_left(world: World, archive: Flaky) -> None:
    run_id = await sleeper(world, archive)

    plain: RunStore = world.store._store  # type: ignore[attr-defined]
    wakes = 0

    async def wake(run_id: str, mark: str, log: object) -> bool:
        nonlocal wakes
        wakes += 1
        return False

    plain.wake = wake  # type: ignore[method-assign,assignment]
    with pytest.raises(Unavailable, match="whenever it is woken"):
        await world.store.signal(run_id, 1, b"x", Projection("READY"))
    assert wakes == 3
