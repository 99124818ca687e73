from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from typer import Exit

from ponderd.channels.errors import NotFound
from ponderd.daemon.api.http import install_errors
from ponderd.daemon.api.snapshot_checks import check_routes
from ponderd.daemon.commands import snapshot_checks as command
from ponderd.workers.control import snapshot_checks
from ponderd.workers.control.snapshot_checks import Checked, SnapshotChecks
from ponderd.workers.execution import snapshots
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Status
from tests.services.asgi import ask
from tests.workers.world import REPLY, World

NOWHERE = "00-mha1v2k8-9f3c1a2b7d"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "EVENTS", 1)


@pytest.fixture
def checks(world: World) -> SnapshotChecks:
    return SnapshotChecks(world.log)


async def answered(world: World, conversation: str) -> str:
    """A run with a snapshot."""
    world.model.lines = [REPLY]
    run = await world.advance(await world.write(conversation=conversation))
    assert world.store._runs[run.id].snapshot
    return run.id


async def falsify(world: World, run_id: str) -> None:
    """Let its snapshot be well made, at the end of its log, and say something else."""
    log = await world.store.load(run_id)
    other = replace(fold(e.decode_all(log)), ended=Status.FAILED)
    world.store._runs[run_id].snapshot = snapshots.seal(other, log[-1])


async def all_of(checks: SnapshotChecks, limit: int) -> list[Checked]:
    portions = [await checks.check_all(limit=limit, cursor=None)]
    while cursor := portions[-1].cursor:
        portions.append(await checks.check_all(limit=limit, cursor=cursor))
    return portions


async def test_what_the_log_says_is_right(world: World, checks: SnapshotChecks) -> None:
    run_id = await answered(world, "a")
    await world.write("and now?", conversation="a")  # after the snapshot
    await world.write(conversation="without a snapshot")
    assert await checks.check_all(limit=9, cursor=None) == Checked(
        checked=2, snapshots=1, wrong=[], cursor=None
    )
    assert world.store._runs[run_id].snapshot


async def test_what_it_does_not_say_is_wrong_and_dropped(
    world: World, checks: SnapshotChecks
) -> None:
    runs = [await answered(world, name) for name in "abc"]
    before = await world.run(runs[1])
    await falsify(world, runs[1])
    assert (await world.runs.show(runs[1])).status == "FAILED"
    assert await checks.check_all(limit=9, cursor=None) == Checked(
        checked=3, snapshots=3, wrong=[runs[1]], cursor=None
    )
    [again] = await all_of(checks, 9)
    assert (again.snapshots, again.wrong) == (2, [])
    world.serve({"tester": world.agent})  # a daemon that does not remember the run
    assert (await world.runs.show(runs[1])).status == before.status == "COMPLETED"


async def test_one_that_cannot_be_read_is_wrong(world: World, checks: SnapshotChecks) -> None:
    run_id = await answered(world, "a")
    kept = world.store._runs[run_id]
    kept.snapshot = kept.snapshot.partition(b"\n")[0] + b"\n{"
    assert (await checks.check(run_id)).wrong == [run_id]
    assert kept.snapshot == b""


async def test_a_log_that_cannot_be_read_is_told(world: World, checks: SnapshotChecks) -> None:
    run_id = await answered(world, "a")
    world.store._runs[run_id].log[1] = b"{}"
    assert (await checks.check(run_id)).wrong == [run_id]


async def test_one_run(world: World, checks: SnapshotChecks) -> None:
    run_id, other = await answered(world, "a"), await world.write(conversation="b")
    assert await checks.check(run_id) == Checked(checked=1, snapshots=1, wrong=[], cursor=None)
    assert await checks.check(other) == Checked(checked=1, snapshots=0, wrong=[], cursor=None)
    for nowhere in (NOWHERE, "nonsense"):
        with pytest.raises(NotFound):
            await checks.check(nowhere)


async def test_portions_end_after_so_many_runs_or_events(
    world: World, checks: SnapshotChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        await answered(world, str(number))
    assert [portion.checked for portion in await all_of(checks, 6)] == [10, 2]
    monkeypatch.setattr(snapshot_checks, "EVENTS", 1)
    assert [portion.checked for portion in await all_of(checks, 100)] == [5, 5, 2]


async def test_over_http(world: World, checks: SnapshotChecks) -> None:
    app = FastAPI()
    install_errors(app)
    app.include_router(check_routes(checks))

    async def post(path: str, **body: Any) -> tuple[int, Any]:
        content = {"content-type": "application/json"}
        answer = await ask(app, "POST", path, json.dumps(body).encode(), content)
        return answer.status, json.loads(answer.body)

    run_id = await answered(world, "a")
    right = {"checked": 1, "snapshots": 1, "wrong": [], "cursor": None}
    assert await post("/runs/check") == (200, right)
    assert await post(f"/runs/{run_id}/check") == (200, right)
    assert (await post("/runs/check", cursor="nonsense"))[0] == 400
    assert (await post("/runs/check", limit=0))[0] == 422
    assert (await post(f"/runs/{NOWHERE}/check"))[0] == 404


class Api:
    """Finds one of three runs wrong."""

    def check_all(self) -> list[dict[str, object]]:
        return [
            {"checked": 2, "snapshots": 1, "wrong": [], "cursor": "1"},
            {"checked": 1, "snapshots": 1, "wrong": ["w"], "cursor": None},
        ]

    def check(self, run_id: str) -> dict[str, object]:
        wrong = [run_id] if run_id == "w" else []
        return {"checked": 1, "snapshots": 1, "wrong": wrong, "cursor": None}


def test_the_command_fails_if_one_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "connect", Api)
    with pytest.raises(Exit) as ended:
        command.check()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out.split("\n")[:2] == ["w", "3 runs, 2 snapshots, 1 of them wrong"]
    command.check(["a", "b"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"checked": 2, "snapshots": 2, "wrong": []}
