from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ponderd.workers.execution import snapshots
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import Tail
from tests.test_house import ROOT, imports
from tests.workers.protocol.wanderer import Wanderer
from tests.workers.world import REPLY, World


async def log_of(world: World, run_id: str) -> tuple[bytes, ...]:
    return await world.store.load(run_id)


def kept(world: World, run_id: str) -> bytes:
    return world.store._runs[run_id].snapshot


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "EVENTS", 1)


async def talk(world: World, messages: int) -> Run:
    world.model.lines = [REPLY] * messages
    for number in range(messages):
        run_id = await world.write(f"message {number}", conversation="c")
        await world.advance(run_id)
    return await world.run(run_id)


class TestASnapshot:
    async def test_is_taken_when_the_run_is_given_back_and_enough_has_happened(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(snapshots, "EVENTS", 8)
        run = await talk(world, 1)
        assert kept(world, run.id) == b""
        run = await talk(world, 2)
        log = await log_of(world, run.id)
        version = int(kept(world, run.id).split()[0])
        assert 8 <= version <= len(log)
        assert snapshots.unseal(kept(world, run.id), version) == fold(e.decode_all(log[:version]))

    async def test_says_what_the_log_says(self, world: World, often: None) -> None:
        run = await talk(world, 3)
        tail = await world.store.latest(run.id, snapshots.code())
        assert (tail.known, len(tail.log)) == (run.version, 1)
        assert await snapshots.whole(world.store, run.id, tail) == (run, ())

    async def test_that_is_gone_changes_nothing(self, world: World, often: None) -> None:
        run = await talk(world, 2)
        await world.store.drop_snapshot(run.id)
        assert (await world.store.latest(run.id, snapshots.code())).known == 0
        after = await talk(world, 1)
        assert after.outbox.answered_at and after.version > run.version

    @pytest.mark.parametrize(
        "damage",
        [
            lambda kept: kept[:-9],
            lambda kept: kept.partition(b"\n")[0] + b"\n",
            lambda kept: kept.partition(b"\n")[0] + b"\n{}",
            lambda kept: kept[:20],
            lambda kept: b"",
            lambda kept: b"1" * 40 + b" " + kept.split(b" ", 1)[1],
            lambda kept: kept.replace(b'"version":', b'"version":1'),
        ],
    )
    async def test_that_is_damaged_is_passed_over(
        self, world: World, often: None, damage: Any
    ) -> None:
        run = await talk(world, 2)
        world.store._runs[run.id].snapshot = damage(kept(world, run.id))
        assert await world.runs.show(run.id)
        after = await talk(world, 1)
        assert after.version > run.version
        assert after == fold(e.decode_all(await log_of(world, run.id)))

    async def test_of_other_code_is_passed_over(
        self, world: World, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = await talk(world, 2)
        tail = await world.store.latest(run.id, "othercode")
        assert (tail.known, tail.snapshot, len(tail.log)) == (0, b"", run.version)

    async def test_is_enough_to_know_the_run(
        self, world: World, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = await talk(world, 3)
        await world.write("after it", conversation="c")
        monkeypatch.setattr(world.store, "load", None)
        found = await snapshots.newest(world.store, run.id)
        monkeypatch.undo()
        now = await world.run(run.id)
        assert found == now and now.version > run.version
        assert await snapshots.newest(world.store, "00-mha1v2k8-9f3c1a2b7d") is None

    async def test_is_enough_to_record_that_a_step_failed(
        self, world: World, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = await talk(world, 3)
        load = world.store.load

        async def tail(run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
            assert after or limit, "it reads the whole log"
            return await load(run_id, after, limit)

        def breaks(*_: object) -> None:
            raise RuntimeError("a bug")

        await world.write("once more", conversation="c")
        monkeypatch.setattr(world.store, "load", tail)
        monkeypatch.setattr("ponderd.workers.execution.executor.next_step", breaks)
        await world.executor.advance(run.id)
        monkeypatch.undo()
        [failed] = await world.of_type(run.id, e.StepFailed)
        assert failed.error == "RuntimeError: a bug"

    async def test_never_ends_with_what_came_from_outside(self, world: World, often: None) -> None:
        """Whoever has the run next shows it to the observer, as without a snapshot."""
        run = await talk(world, 1)
        before = kept(world, run.id)
        await world.runs.feedback(run.id, 1.0, by="ann", source="thumb")
        await world.advance(run.id)
        assert kept(world, run.id) == before

    async def test_is_no_larger_than_what_was_written_since_the_last(self) -> None:
        pace = snapshots.Pace(Tail(100, b"x" * 5000, (b"y" * 10,) * 80))
        run = fold(
            [
                e.RunLaunched(
                    at=0,
                    run_id="00-a-b",
                    agent="a",
                    agent_version="",
                    channel="api",
                    conversation="c",
                )
            ]
        )
        last = e.encode(e.ReplySent(at=1, receipt=""))
        assert pace.snapshot(run, last, rests=True) == b""
        pace.saw([b"z" * 4200])
        assert pace.snapshot(run, last, rests=False) == b""
        assert pace.snapshot(run, last, rests=True) != b""


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happened_comes_back_as_it_was(seed: int) -> None:
    """At any moment of a walk through all that people, models, tools and channels do."""
    log, run = Wanderer(seed).walk(60), None
    for event in log:
        run = fold([e.decode(event)], run)
        sealed = snapshots.seal(run, event)
        assert snapshots.unseal(sealed, run.version) == run


class TestTheCheck:
    async def test_finds_one_that_is_wrong(self, world: World, often: None) -> None:
        run = await talk(world, 2)
        log = await log_of(world, run.id)
        wrong = snapshots.seal(fold(e.decode_all(log[:-1])), log[-1])
        wrong = b"%d" % len(log) + wrong[wrong.index(b" ") :]
        wrong = wrong.replace(b'"version":%d' % (len(log) - 1), b'"version":%d' % len(log))
        world.store._runs[run.id].snapshot = wrong
        metrics = Metrics()
        looking = snapshots.Snapshots(world.store, metrics)
        tail = await world.store.latest(run.id, snapshots.code())
        while not metrics.take().get("snapshots_wrong"):
            await looking.open(run.id, tail)
            for task in list(looking._checks):
                await task
        assert kept(world, run.id) == b""

    async def test_leaves_a_right_one_alone(self, world: World, often: None) -> None:
        run = await talk(world, 2)
        log = await log_of(world, run.id)
        assert not await snapshots.differs(world.store, run, log[-1])
        assert not await snapshots.differs(world.store, run, b"an event of another log")


def test_the_code_that_a_fold_depends_on_is_known() -> None:
    """All that is imported by what a snapshot is made of, from there on."""
    packages = ROOT / "workers" / "run"
    waiting, seen = [*packages.glob("*.py")], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path):
            found = ROOT.joinpath(*name.split(".")[1:]) if name.startswith("ponderd.") else None
            if found:
                waiting += [one for one in (found.with_suffix(".py"),) if one.is_file()]
                waiting += [*found.glob("*.py")] if found.is_dir() else []
    outside = {path for path in seen if path.parent != packages}
    named = {path.parent.name if path.parent.name != "channels" else path.stem for path in outside}
    assert named <= set(snapshots.WORDS) | {"run"}
