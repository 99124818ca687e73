"""What did not arrive, listed and sent again for all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, DeliveryError, Malformed, NotFound
from ponderd.workers.control import deliveries as module
from ponderd.workers.control.deliveries import Deliveries, Wanted
from ponderd.workers.execution.delivery_list import UNDELIVERED
from ponderd.workers.run.state import Status
from ponderd.workers.store.archive import FolderArchive
from ponderd.workers.store.tables import Row, RowPage
from tests.workers.world import CALLBACK, LAUNCH, MAILBOX, THREAD, Crash, World

REVOKED = DeliveryError("slack: token_revoked", mendable=True)
GONE = DeliveryError("callback answered 410", permanent=True)


@pytest.fixture
def deliveries(world: World) -> Deliveries:
    return Deliveries(world.log, world.runs)


async def rows(world: World) -> dict[str, bytes]:
    """What the store keeps, by run."""
    return {key: value for _, key, value in (await world.store.rows(UNDELIVERED, "", 999)).rows}


async def three_in_trouble(world: World) -> list[str]:
    world.slack.failures, world.channel.failures = [REVOKED], [GONE]
    world.mail.failures = [DeliveryError("451 later")]
    runs = []
    for place in (THREAD, CALLBACK, MAILBOX):
        runs.append(await world.write(reply_to=place, conversation=place.channel))
        await world.advance(runs[-1])
        world.clock.now += 1
    return runs


async def test_are_listed_with_why_and_when(world: World, deliveries: Deliveries) -> None:
    slack, callback, mail = await three_in_trouble(world)
    listed = (await deliveries.listed()).deliveries
    assert [(d.run_id, d.to, d.error, d.mendable, d.state) for d in listed] == [
        (slack, "slack:C1", "slack: token_revoked", True, "trying"),
        (callback, "https://example.com/answers", "callback answered 410", False, "undelivered"),
        (mail, "email:ann@example.com", "451 later", False, "trying"),
    ]
    assert [d.next_attempt_at is None for d in listed] == [False, True, False]
    assert {(d.kind, d.text, d.attempts, d.agent) for d in listed} == {
        ("answer", "ok", 1, "tester")
    }
    assert await deliveries.counted() == {"trying": 1, "mendable": 1, "undelivered": 1}


async def test_are_gone_when_they_arrived(world: World, deliveries: Deliveries) -> None:
    runs = await three_in_trouble(world)
    sent = (await deliveries.retry_all(by="api:ann")).deliveries
    assert sorted(d.run_id for d in sent) == sorted(runs)
    for run_id in runs:
        assert (await world.advance(run_id)).status is Status.COMPLETED
    assert await rows(world) == {}
    assert (await deliveries.listed()).deliveries == []
    with pytest.raises(Conflict, match="nothing undelivered"):
        await deliveries.retry(runs[0], by="api:ann")
    with pytest.raises(NotFound):
        await deliveries.retry("00-nothing", by="api:ann")


async def test_are_gone_when_they_were_decided_elsewhere(
    world: World, deliveries: Deliveries
) -> None:
    world.model.lines = [LAUNCH, {"action": "reply", "text": "launched"}]
    world.slack.failures = [REVOKED]
    run_id = await world.write("launch", reply_to=THREAD)
    await world.advance(run_id)
    assert [d.kind for d in (await deliveries.listed()).deliveries] == ["question"]
    await world.decide(run_id, True, "api:ann")
    assert await deliveries.counted() == {"trying": 0, "mendable": 0, "undelivered": 0}
    assert await rows(world) == {}


async def test_are_not_lost_with_a_worker_that_dies(
    world: World, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.channel.failures = [GONE]
    run_id = await world.write(reply_to=CALLBACK)
    commit = world.store.commit

    async def commits(*args: Any) -> Any:
        outcome = await commit(*args)
        if b"reply_failed" in b"".join(args[3]):
            raise Crash
        return outcome

    monkeypatch.setattr(world.store, "commit", commits)
    with pytest.raises(Crash):
        await world.executor.advance(run_id)
    monkeypatch.undo()
    assert [d.run_id for d in (await deliveries.listed()).deliveries] == [run_id]


async def test_a_stale_entry_is_tidied_away(world: World, deliveries: Deliveries) -> None:
    [run_id, *_] = await three_in_trouble(world)
    entry = Row("1", (await rows(world))[run_id], {"trying": 5})
    await deliveries.retry(run_id, by="api:ann")
    await world.advance(run_id)
    await world.store.set_row(UNDELIVERED, run_id, entry)
    await world.store.set_row(UNDELIVERED, "00-gone", entry)
    await world.store.set_row(UNDELIVERED, "00-newer", Row("1", b'{"from": "the future"}'))
    assert run_id not in {d.run_id for d in (await deliveries.listed()).deliveries}
    assert not {run_id, "00-gone"} & set(await rows(world))
    assert await deliveries.counted() == {"trying": 1, "mendable": 0, "undelivered": 1}


async def test_come_back_from_the_archive(world: World, tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    world.serve({"tester": world.agent}, archive)
    deliveries = Deliveries(world.log, world.runs)
    world.channel.failures = [GONE]
    run_id = await world.write(reply_to=CALLBACK)
    run = await world.advance(run_id)
    await archive.put(run_id, await world.store.load(run_id))
    assert await world.store.expire(run_id, run.version)
    assert [d.run_id for d in (await deliveries.listed()).deliveries] == [run_id]
    await deliveries.retry(run_id, by="api:ann")
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert world.channel.texts == ["ok"]


async def in_trouble(world: World, count: int) -> list[str]:
    runs = []
    for number in range(count):
        world.channel.failures = [GONE if number % 5 else DeliveryError("451 later")]
        runs.append(await world.write(reply_to=CALLBACK, conversation=f"c{number}"))
        await world.advance(runs[-1])
    return runs


class Reading:
    """Counts the rows that are read."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._rows = world.store.rows
        monkeypatch.setattr(world.store, "rows", self.rows)

    async def rows(self, table: str, after: str, limit: int) -> RowPage:
        page = await self._rows(table, after, limit)
        self.count += len(page.rows)
        return page


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(error="451"), Wanted(agent="another")])
async def test_portions_together_are_all_of_them(
    world: World, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch, wanted: Wanted
) -> None:
    monkeypatch.setattr(module, "BITE", 3)
    monkeypatch.setattr(module, "LOOKED_THROUGH", 7)
    runs = await in_trouble(world, 18)
    fit = {"451": runs[::5], None: runs}[wanted.error] if not wanted.agent else []
    reading = Reading(world, monkeypatch)
    found, cursor, lefts = list[str](), None, [99]
    while True:
        reading.count = 0
        portion = await deliveries.listed(wanted, cursor=cursor, limit=4)
        assert reading.count <= 9
        assert portion.left < lefts[-1]
        lefts.append(portion.left)
        assert len(portion.deliveries) <= 4
        found += [d.run_id for d in portion.deliveries]
        cursor = portion.next
        if cursor is None:
            break
    assert (sorted(found), lefts[-1]) == (sorted(fit), 0)


async def test_a_cursor_is_one_of_the_list(deliveries: Deliveries) -> None:
    for cursor in ("", "x", "1:00-a", "1764500000.5:00-a", f"{7:017d}:"):
        with pytest.raises(Malformed, match="is not a cursor"):
            await deliveries.listed(cursor=cursor)


async def test_counting_reads_no_more_the_longer_the_list_is_and_passes_all_in_turn(
    world: World, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLE", 4)
    await in_trouble(world, 10)
    await world.store.set_row(
        UNDELIVERED, "00-gone", Row("9" * 17, (b"%s" % gone()), {"trying": 1})
    )
    reading = Reading(world, monkeypatch)
    counts = [await deliveries.counted() for _ in range(3)]
    assert [each["trying"] for each in counts] == [3, 3, 2]
    assert {each["undelivered"] for each in counts} == {8}
    assert reading.count == 11
    await deliveries.counted()
    assert reading.count == 15


def gone() -> bytes:
    """What was listed of a run that there is not any more."""
    return b'{"version": 1, "deliveries": []}'


async def test_what_an_earlier_version_listed_is_taken_over(
    world: World, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = await three_in_trouble(world)
    for run_id, value in (await rows(world)).items():
        await world.store.drop_row(UNDELIVERED, run_id)
        await world.store.put(UNDELIVERED, run_id, value)
    await world.store.put(UNDELIVERED, "00-newer", b'{"from": "the future"}')
    assert await deliveries.counted() == {"trying": 1, "mendable": 1, "undelivered": 1}
    assert [d.run_id for d in (await deliveries.listed()).deliveries] == runs
    assert set(await world.store.box(UNDELIVERED)) == {"00-newer"}
