"""The contents of attachments: one conformance test for a folder and for S3."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ponderd.channels.blobs import Blobs, FolderBlobs, S3Blobs, open_blobs, owner_in, owner_of
from ponderd.channels.errors import NotFound, StartupError, Unavailable
from ponderd.channels.settings import ChannelSettings
from tests.services.ports import free_port
from tests.services.s3_server import S3Server

OWNER, OTHER = owner_of("assistant", "email:<1@x>"), owner_of("triage", "email:<1@x>")
buckets = itertools.count()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Blobs]:
    place = str(tmp_path / "some" / "blobs")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        bucket = f"blobs-{next(buckets)}"
        server.make_bucket(bucket)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        place = f"s3://{bucket}/some/prefix"
    opened = open_blobs(ChannelSettings(blobs=place))
    yield opened
    await opened.close()


class TestBlobs:
    async def test_give_back_what_was_put(self, blobs: Blobs) -> None:
        for content in (b"", b"one", bytes(range(256)) * 4096 * 8):  # 8 MB: in several parts
            handle = await blobs.put(OWNER, content)
            assert owner_in(handle) == OWNER
            assert await blobs.get(handle) == content

    async def test_the_same_content_has_the_same_handle(self, blobs: Blobs) -> None:
        first = await blobs.put(OWNER, b"one")
        assert await blobs.put(OWNER, b"one") == first
        assert await blobs.put(OWNER, b"two") != first
        assert await blobs.put(OTHER, b"one") != first

    async def test_an_owner_s_contents_go_together_and_no_other_s(self, blobs: Blobs) -> None:
        mine = [await blobs.put(OWNER, content) for content in (b"one", b"two")]
        other = await blobs.put(OTHER, b"one")
        await blobs.delete(OWNER)
        await blobs.delete(OWNER)
        for handle in mine:
            with pytest.raises(NotFound, match="not kept"):
                await blobs.get(handle)
        assert await blobs.get(other) == b"one"
        assert await blobs.put(OWNER, b"one") == mine[0]
        assert await blobs.get(mine[0]) == b"one"

    async def test_only_handles_name_something(self, blobs: Blobs) -> None:
        digest = "0" * 64
        for wrong in ("", "../../etc/passwd", f"{OWNER}/../{OTHER}", f"{OWNER}/{digest}\n", OWNER):
            assert owner_in(wrong) == ""
            with pytest.raises(NotFound):
                await blobs.get(wrong)
        for wrong in ("", "..", f"{OWNER}/{digest[:10]}", OWNER.upper() + "\n"):
            with pytest.raises(ValueError):
                await blobs.put(wrong, b"one")
            with pytest.raises(ValueError):
                await blobs.delete(wrong)


def test_an_owner_is_of_one_agent_and_one_message() -> None:
    assert OWNER == owner_of("assistant", "email:<1@x>") != OTHER
    assert len({owner_of("a", key) for key in ("", "1", "2", "a\ud800")}) == 4


async def test_a_folder_holds_the_contents_and_nothing_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    handle = await FolderBlobs(folder).put(OWNER, b"one")
    (only,) = [path for path in folder.rglob("*") if path.is_file()]
    assert only.relative_to(folder) == Path(OWNER[:2]) / handle
    assert only.read_bytes() == b"one"
    assert folder.stat().st_mode & 0o077 == 0, "for nobody else to read"


async def test_what_was_damaged_is_not_given_and_is_mended_by_a_redelivery(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    handle = await blobs.put(OWNER, b"one")
    (tmp_path / OWNER[:2] / handle).write_bytes(b"two")
    with pytest.raises(NotFound, match="damaged"):
        await blobs.get(handle)
    await blobs.put(OWNER, b"one")
    assert await blobs.get(handle) == b"one"


async def test_a_full_disk_is_unavailable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FolderBlobs(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await blobs.put(OWNER, b"one")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blobs = FolderBlobs(tmp_path / "file")
    with pytest.raises(Unavailable):
        await blobs.put(OWNER, b"one")
    with pytest.raises(Unavailable):
        await blobs.get(f"{OWNER}/{'0' * 64}")
    with pytest.raises(Unavailable):
        await blobs.delete(OWNER)


async def test_s3_that_is_away_or_lacks_the_bucket_is_unavailable(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    nowhere = open_blobs(ChannelSettings(blobs="s3://no-such-bucket"))
    with pytest.raises(Unavailable):
        await nowhere.put(OWNER, b"one")
    with pytest.raises(Unavailable):
        await nowhere.delete(OWNER)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    away = open_blobs(ChannelSettings(blobs="s3://bucket"))
    with pytest.raises(Unavailable):
        await away.get(f"{OWNER}/{'0' * 64}")


def test_the_place_is_a_folder_or_s3(tmp_path: Path) -> None:
    assert isinstance(open_blobs(ChannelSettings(data_dir=tmp_path)), FolderBlobs)
    assert isinstance(open_blobs(ChannelSettings(blobs="s3://bucket/a/b")), S3Blobs)
    for wrong in ("s3://", "gs://bucket", "s3://bucket?x=1"):
        with pytest.raises(StartupError, match="PONDERD_BLOBS"):
            open_blobs(ChannelSettings(blobs=wrong))
