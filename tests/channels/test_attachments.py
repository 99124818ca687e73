"""The files of a message, on their way into the blob store."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels.attachments import keep
from ponderd.channels.blobs import FolderBlobs, owner_of
from ponderd.channels.documents import FILE_PREVIEW, MESSAGE_PREVIEW, File
from ponderd.channels.errors import Unavailable

OWNER = owner_of("assistant", "<m1@team.test>")


async def test_a_short_text_is_shown_whole_and_kept_once(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    [kept] = await keep([File("a.csv", "text/csv", b"a,b", text="a,b")], OWNER, blobs)
    assert (kept.text, kept.text_blob, kept.length, kept.size) == ("a,b", "", 3, 3)
    assert await blobs.get(kept.blob) == b"a,b"


async def test_of_a_long_text_the_beginning_is_shown_and_the_whole_is_kept(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    text = "line\n" * FILE_PREVIEW
    [kept] = await keep([File("a.txt", "text/plain", b"raw", text=text)], OWNER, blobs)
    assert text.startswith(kept.text) and len(kept.text) <= FILE_PREVIEW
    assert kept.length == len(text)
    assert (await blobs.get(kept.text_blob)).decode() == text


async def test_many_files_share_the_room_of_a_message(tmp_path: Path) -> None:
    files = [
        File(f"{n}.txt", "text/plain", b"%d" % n, text="word\n" * FILE_PREVIEW) for n in range(9)
    ]
    kept = await keep(files, OWNER, FolderBlobs(tmp_path))
    assert sum(len(file.text) for file in kept) <= MESSAGE_PREVIEW
    assert all(file.text_blob for file in kept)


async def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    file = File("a.bin", "application/x", b"123", text="", unread="nobody knows this format")
    [kept] = await keep([file], OWNER, FolderBlobs(tmp_path))
    assert (kept.unread, kept.text, kept.text_blob) == ("nobody knows this format", "", "")


async def test_a_full_disk_means_later(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(Unavailable):
        await keep([File("a", "text/plain", b"x")], OWNER, FolderBlobs(tmp_path / "in the way"))
