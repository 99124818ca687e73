"""Finished runs leave the store for a folder or S3, and can be read there."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ponderd.channels.blobs import Blobs, FolderBlobs, owner_of
from ponderd.channels.errors import NotFound, StartupError, Unavailable
from ponderd.channels.message import Attachment
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.archive import (
    BATCH,
    Archive,
    FolderArchive,
    S3Archive,
    archive_finished,
    archive_round,
    open_archive,
    open_asleep,
    owners,
)
from ponderd.workers.store.contract import (
    NewMessage,
    Projection,
    Release,
    RunStore,
    conversation_key,
)
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.run_ids import new_run_id
from tests.services.ports import free_port
from tests.services.s3_server import S3Server
from tests.workers.world import World

LOG = (b'{"type":"run_launched"}', '{"text":"Grüße, 世界 \\n"}'.encode(), b"{}")
DONE = Projection("COMPLETED")
buckets = itertools.count()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
async def archive(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Archive]:
    place = str(tmp_path / "archive")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        bucket = f"bucket-{next(buckets)}"
        server.make_bucket(bucket)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        place = f"s3://{bucket}/some/prefix"
    opened = open_archive(WorkerSettings(archive=place))
    yield opened
    await opened.close()


def some_id() -> str:
    return new_run_id("assistant:api::c1")


async def test_all_who_ask_at_once_get_one_identity(archive: Archive) -> None:
    found = await asyncio.gather(*(archive.identity() for _ in range(20)))
    assert set(found) == {await archive.identity()} and len(found[0]) == 16


async def test_without_links_it_has_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError("this file system knows no links")

    monkeypatch.setattr(os, "link", link)
    archive = FolderArchive(tmp_path / "archive")
    assert await archive.identity() == await archive.identity() != ""
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["identity"]


async def finish(store: RunStore, conversation: str) -> str:
    key = conversation_key("assistant", "api", "", conversation)
    admission = await store.admit(
        NewMessage(
            run_id=new_run_id(key),
            conversation_key=key,
            keys=(),
            agent="assistant",
            agent_version="v1",
            channel="api",
            conversation=conversation,
            history=(b'{"launched":1}',),
            received=b'{"received":1}',
        )
    )
    claim = await store.claim(admission.run_id, "worker", 600)
    assert claim is not None
    await store.commit(claim.run_id, claim.token, 2, [b'{"end":1}'], DONE, Release())
    return claim.run_id


class TestArchive:
    async def test_gives_back_what_was_put(self, archive: Archive) -> None:
        run_id, other = some_id(), some_id()
        assert await archive.get(run_id) is None
        await archive.put(run_id, LOG)
        await archive.put(other, LOG[:1])
        assert await archive.get(run_id) == LOG
        assert await archive.get(other) == LOG[:1]

    async def test_putting_again_changes_nothing(self, archive: Archive) -> None:
        run_id = some_id()
        await asyncio.gather(*(archive.put(run_id, LOG) for _ in range(5)))
        assert await archive.get(run_id) == LOG

    async def test_a_run_that_went_on_is_replaced_but_never_cut_short(
        self, archive: Archive
    ) -> None:
        run_id = some_id()
        await archive.put(run_id, LOG[:2])
        await archive.put(run_id, LOG)
        await archive.put(run_id, LOG[:1])
        assert await archive.get(run_id) == LOG

    async def test_a_run_that_took_another_course_is_replaced(self, archive: Archive) -> None:
        """As after a restored backup: the store's word counts."""
        run_id = some_id()
        await archive.put(run_id, LOG)
        await archive.put(run_id, (*LOG[:2], b'{"another":1}'))
        assert await archive.get(run_id) == (*LOG[:2], b'{"another":1}')

    async def test_only_run_ids_name_something(self, archive: Archive) -> None:
        for wrong in ("../../etc/passwd", "00-../../x-1", "", "0c-a-b/c", "0c-a-b\n"):
            assert await archive.get(wrong) is None
            with pytest.raises(ValueError, match="not a run id"):
                await archive.put(wrong, LOG)

    async def test_an_event_is_one_line(self, archive: Archive) -> None:
        with pytest.raises(ValueError, match="one line"):
            await archive.put(some_id(), (b"a\nb",))


class TestArchiveFinished:
    async def test_moves_runs_that_are_old_enough(self, archive: Archive) -> None:
        store = MemoryStore(lambda: now)
        now = 1_000_000.0
        old = [await finish(store, f"old{i}") for i in range(3)]
        log = await store.load(old[0])
        now += 100
        young = await finish(store, "young")
        assert await archive_finished(store, archive, keep=50, now=now, limit=2) == 2
        assert await archive_finished(store, archive, keep=50, now=now, limit=2) == 1
        assert await archive_finished(store, archive, keep=50, now=now, limit=2) == 0
        for run_id in old:
            assert await store.load(run_id) == ()
            assert await archive.get(run_id) == log
        assert await store.load(young)
        assert await archive.get(young) is None

    async def test_many_at_once_do_no_harm(self, archive: Archive) -> None:
        store = MemoryStore()
        ids = [await finish(store, f"c{i}") for i in range(5)]
        now = (await store.head(ids[-1])).updated_at + 1  # type: ignore[union-attr]
        done = await asyncio.gather(
            *(archive_finished(store, archive, keep=0, now=now, limit=10) for _ in range(4))
        )
        assert sum(done) == 5
        for run_id in ids:
            assert await archive.get(run_id) is not None

    async def test_a_run_that_got_a_message_meanwhile_stays(self, tmp_path: Path) -> None:
        store = MemoryStore()
        run_id = await finish(store, "c1")

        class Interrupted(FolderArchive):
            async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
                await super().put(run_id, log)
                await store.signal(run_id, len(log), b'{"cancelled":1}', Projection("CANCELLED"))

        archive = Interrupted(tmp_path)
        later = (await store.head(run_id)).updated_at + 1  # type: ignore[union-attr]
        assert await archive_finished(store, archive, keep=0, now=later, limit=10) == 0
        assert len(await store.load(run_id)) == 4

    async def test_nothing_expires_while_the_archive_is_away(self, tmp_path: Path) -> None:
        store = MemoryStore()
        run_id = await finish(store, "c1")
        later = (await store.head(run_id)).updated_at + 1  # type: ignore[union-attr]
        (tmp_path / "file").touch()
        with pytest.raises(Unavailable):
            await archive_finished(
                store, FolderArchive(tmp_path / "file"), keep=0, now=later, limit=10
            )
        assert await store.load(run_id)


class TestFilesOfAnArchivedRun:
    async def attach(self, world: World, blobs: Blobs, agent: str, key: str) -> Attachment:
        owner = owner_of(agent, key)
        handle, whole = await blobs.put(owner, b"%PDF"), await blobs.put(owner, b"its text")
        return Attachment(
            name="a.pdf", content_type="application/pdf", size=4, blob=handle, text_blob=whole
        )

    async def archived(self, world: World, archive: Archive, blobs: Blobs) -> int:
        world.clock.now += 100
        return await archive_finished(
            world.store, archive, keep=10, now=world.clock.now, limit=9, blobs=blobs
        )

    async def test_go_with_it(self, world: World, tmp_path: Path) -> None:
        blobs, archive = FolderBlobs(tmp_path / "blobs"), FolderArchive(tmp_path / "archive")
        first = await self.attach(world, blobs, "tester", "email:1")
        second = await self.attach(world, blobs, "tester", "email:2")
        stranger = await self.attach(world, blobs, "other", "email:1")
        run = await world.advance(await world.write("one", attachments=(first,)))
        await world.say(run.id, "two", attachments=(second,))
        assert await blobs.get(first.blob) == b"%PDF"
        assert await self.archived(world, archive, blobs) == 1
        for handle in (first.blob, first.text_blob, second.blob, second.text_blob):
            with pytest.raises(NotFound):
                await blobs.get(handle)
        assert await blobs.get(stranger.blob) == b"%PDF"

    async def test_stay_with_a_run_that_got_a_message_meanwhile(
        self, world: World, tmp_path: Path
    ) -> None:
        blobs = FolderBlobs(tmp_path / "blobs")
        file = await self.attach(world, blobs, "tester", "email:1")
        run = await world.advance(await world.write("one", attachments=(file,)))

        class Interrupted(FolderArchive):
            async def put(self, run_id: str, log: tuple[bytes, ...]) -> None:
                await super().put(run_id, log)
                await world.write("two", run_id=run.id)

        assert await self.archived(world, Interrupted(tmp_path / "archive"), blobs) == 0
        assert await blobs.get(file.blob) == b"%PDF"

    async def test_stay_with_the_source_when_its_fork_goes(
        self, world: World, tmp_path: Path
    ) -> None:
        blobs = FolderBlobs(tmp_path / "blobs")
        file = await self.attach(world, blobs, "tester", "email:1")
        run = await world.advance(await world.write("one", attachments=(file,)))
        fork = await world.runs.fork(run.id, at=None, by="ann")
        assert owners(await world.store.load(fork.id)) == set()
        assert owners(await world.store.load(run.id)) == {owner_of("tester", "email:1")}

    async def test_that_cannot_be_deleted_hold_nothing_up(
        self, world: World, tmp_path: Path
    ) -> None:
        class Away(FolderBlobs):
            async def delete(self, owner: str) -> None:
                raise Unavailable("away")

        blobs, archive = Away(tmp_path / "blobs"), FolderArchive(tmp_path / "archive")
        file = await self.attach(world, blobs, "tester", "email:1")
        run = await world.advance(await world.write("one", attachments=(file,)))
        assert await self.archived(world, archive, blobs) == 1
        assert await archive.get(run.id)

    def test_of_older_logs_are_none(self) -> None:
        old = b'{"type":"message_received","attachments":["a.csv (text/csv, 29 bytes)"]}'
        assert owners((b"{}", old)) == set()


class TestArchiveRound:
    async def test_takes_all_that_is_old_enough_in_bites(self, tmp_path: Path) -> None:
        two_days_ago = time.time() - 2 * 86_400
        store, archive = MemoryStore(lambda: two_days_ago), FolderArchive(tmp_path)
        runs = [await finish(store, f"c{i}") for i in range(2 * BATCH + 1)]
        await archive_round(store, archive, owner="w1", keep_days=3)
        assert await archive.get(runs[0]) is None
        await archive_round(store, archive, owner="w1", keep_days=1)
        assert not (await store.list_runs(status=None, agent=None, limit=9, cursor=None)).heads
        assert all([await archive.get(run_id) for run_id in runs])

    async def test_is_left_to_one_worker(self, tmp_path: Path) -> None:
        store, archive = MemoryStore(lambda: 1_000.0), FolderArchive(tmp_path)
        await archive_round(store, archive, owner="w1", keep_days=1)
        run_id = await finish(store, "c1")
        await archive_round(store, archive, owner="w2", keep_days=1)
        assert await archive.get(run_id) is None
        await archive_round(store, archive, owner="w1", keep_days=1)
        assert await archive.get(run_id) is not None

    async def test_can_be_switched_off(self, tmp_path: Path) -> None:
        store, archive = MemoryStore(lambda: 1_000.0), FolderArchive(tmp_path)
        run_id = await finish(store, "c1")
        await archive_round(store, archive, owner="w1", keep_days=0)
        assert await store.load(run_id)
        assert await archive.get(run_id) is None


async def test_a_folder_holds_json_lines_and_nothing_unfinished(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    run_id = some_id()
    await archive.put(run_id, LOG)
    (only,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert only.name == f"{run_id}.jsonl"
    assert only.read_bytes() == b"".join(event + b"\n" for event in LOG)


async def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = FolderArchive(tmp_path)
    run_id = some_id()
    await archive.put(run_id, LOG[:1])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await archive.put(run_id, LOG)
    assert await archive.get(run_id) == LOG[:1]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


async def test_s3_that_is_away_or_lacks_the_bucket_is_unavailable(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    nowhere = open_archive(WorkerSettings(archive="s3://no-such-bucket"))
    with pytest.raises(Unavailable):
        await nowhere.put(some_id(), LOG)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    away = open_archive(WorkerSettings(archive="s3://bucket"))
    with pytest.raises(Unavailable):
        await away.get(some_id())


def test_runs_do_not_sleep_where_files_are_deleted_by_age(tmp_path: Path) -> None:
    for place in (str(tmp_path), "s3://bucket/a"):
        with pytest.raises(StartupError, match="are the same place"):
            open_asleep(WorkerSettings(archive=place, asleep=place))
    with pytest.raises(StartupError, match="are the same place"):
        open_asleep(WorkerSettings(data_dir=tmp_path, asleep=str(tmp_path / "archive")))
    open_asleep(WorkerSettings(data_dir=tmp_path))


def test_the_place_is_a_folder_or_s3(tmp_path: Path) -> None:
    assert isinstance(open_archive(WorkerSettings(data_dir=tmp_path)), FolderArchive)
    assert isinstance(open_archive(WorkerSettings(archive="s3://bucket/a/b")), S3Archive)
    for wrong in ("s3://", "s3:/bucket", "gs://bucket", "s3://bucket?x=1"):
        with pytest.raises(StartupError, match="PONDERD_ARCHIVE"):
            open_archive(WorkerSettings(archive=wrong))


async def test_a_mail_that_answers_an_archived_run_brings_it_back(
    world: World, tmp_path: Path
) -> None:
    archive = FolderArchive(tmp_path)
    world.serve({"tester": world.agent}, archive)
    run = await world.advance(await world.write("one", channel="email", conversation="<m@x>"))
    world.clock.now += 100
    assert await archive_finished(world.store, archive, keep=10, now=world.clock.now, limit=9) == 1
    assert await world.write("two", run_id=run.id, channel="email", conversation="<m@x>") == run.id
    assert (await world.advance(run.id)).turns[0].text == "one"
