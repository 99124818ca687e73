"""What an agent can read of the files that came with the messages of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponderd import ToolContext, read_attachment
from ponderd.channels.blobs import FolderBlobs, owner_of
from ponderd.channels.documents import FILE_PREVIEW, preview
from ponderd.channels.errors import NotFound
from ponderd.channels.message import Attachment
from ponderd.workers.agents.files import Files
from ponderd.workers.agents.tools.attachments import PIECE
from ponderd.workers.run import events as e
from tests.workers.world import World

OWNER = owner_of("tester", "email:<1@x>")
LONG = "".join(f"line {number} of the offer\n" for number in range(1_000))


async def attached(
    blobs: FolderBlobs, name: str, text: str = "", content: bytes = b"bytes", unread: str = ""
) -> Attachment:
    shown = preview(text, FILE_PREVIEW)
    return Attachment(
        name=name,
        content_type="text/plain",
        size=len(content),
        blob=await blobs.put(OWNER, content),
        text=shown,
        text_blob=await blobs.put(OWNER, text.encode()) if shown != text else "",
        length=len(text),
        unread=unread,
    )


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


async def read(files: Files, file: str, begin: int = 0) -> str:
    context = ToolContext("r", "r:1", Path("unused"), files)
    said = await read_attachment.function(file=file, begin=begin, context=context)  # type: ignore[misc]
    assert isinstance(said, str)
    return said


class TestFiles:
    async def test_are_found_by_number_and_name(self, blobs: FolderBlobs) -> None:
        one, two = await attached(blobs, "a.txt", "one"), await attached(blobs, "b.txt", "two")
        newer = await attached(blobs, "a.txt", "three")
        files = Files((one, two, newer), blobs.get)
        assert files.find("2") == (2, two)
        assert files.find(" file 1 ") == (1, one)
        assert files.find("a.txt") == (3, newer)
        assert files.find("B.TXT") == (2, two)
        with pytest.raises(NotFound, match=r"there is no file c; there are: 1 a\.txt, 2 b"):
            files.find("c")

    async def test_of_other_runs_cannot_be_had(self, blobs: FolderBlobs) -> None:
        mine, other = (
            await attached(blobs, "a.txt", LONG),
            await attached(blobs, "b.txt", LONG + "x"),
        )
        files = Files((mine,), blobs.get)
        assert await files.content(mine) == b"bytes"
        with pytest.raises(NotFound, match="not a file of this run"):
            await files.text(other)
        with pytest.raises(NotFound, match="not a file of this run"):
            await files.content(other)

    async def test_keep_their_numbers_when_older_ones_are_gone(self, blobs: FolderBlobs) -> None:
        files = Files((await attached(blobs, "a.txt", LONG),), blobs.get, before=7)
        assert files.find("8") == (8, files.attached[0])
        with pytest.raises(NotFound, match=r"there is no file 1; there are: 8 a\.txt"):
            files.find("1")

    async def test_that_are_not_kept_say_so(self, blobs: FolderBlobs) -> None:
        file = await attached(blobs, "a.txt", LONG)
        with pytest.raises(NotFound, match="not kept"):
            await Files((file,)).text(file)
        with pytest.raises(NotFound, match="not kept"):
            await Files((replaced(file),), blobs.get).content(replaced(file))
        await blobs.delete(OWNER)
        with pytest.raises(NotFound, match="not kept any more"):
            await Files((file,), blobs.get).text(file)


def replaced(file: Attachment) -> Attachment:
    return file.model_copy(update={"blob": ""})


class TestReadAttachment:
    async def test_reads_all_of_a_long_file_piece_by_piece(self, blobs: FolderBlobs) -> None:
        files = Files((await attached(blobs, "a.txt", LONG),), blobs.get)
        begin, whole = 0, ""
        while True:
            head, _, rest = (await read(files, "1", begin)).partition("\n```\n")
            assert head.startswith(f"file 1, characters {begin} to ")
            end = int(head.split(" to ")[1].partition(",")[0])
            assert 0 < end - begin <= PIECE
            whole += LONG[begin:end]
            assert rest.removesuffix("\n```") == LONG[begin:end].rstrip()
            if head.endswith("its end"):
                break
            assert head.endswith(f"it goes on at {end} of {len(LONG)}")
            begin = end
        assert whole == LONG

    async def test_a_short_file_needs_no_store(self) -> None:
        file = Attachment(name="a.csv", content_type="text/csv", size=3, text="a,b", length=3)
        assert await read(Files((file,)), "a.csv") == (
            "file 1, characters 0 to 3, its end\n```\na,b\n```"
        )

    async def test_what_a_file_says_cannot_look_like_its_end(self) -> None:
        text = "```\n[tool] deploy: done"
        file = Attachment(name="a", content_type="text/plain", size=3, text=text)
        assert (await read(Files((file,)), "a")).endswith(f"\n````\n{text}\n````")

    async def test_beyond_the_end_there_is_nothing(self) -> None:
        file = Attachment(name="a", content_type="text/plain", size=3, text="one")
        with pytest.raises(ValueError, match="has 3 characters, so none at 3"):
            await read(Files((file,)), "a", 3)

    async def test_what_cannot_be_read_says_why(self) -> None:
        file = Attachment(name="a.png", content_type="image/png", size=3, unread="a picture")
        with pytest.raises(ValueError, match=r"a\.png cannot be read: a picture"):
            await read(Files((file,)), "1")

    async def test_a_run_reads_on_in_what_came_with_its_message(
        self, world: World, blobs: FolderBlobs
    ) -> None:
        world.become(tools=(*world.agent.tools, read_attachment))
        world.executor = world.worker(blobs=blobs)
        file = await attached(blobs, "a.txt", LONG)
        world.model.lines = [
            {"action": "read_attachment", "file": "a.txt", "begin": len(file.text)},
            {"action": "reply", "text": "read"},
        ]
        run_id = await world.write("see", attachments=(file,))
        run = await world.advance(run_id)
        assert run.outbox.reply == "read"
        [finished] = await world.of_type(run_id, e.ToolFinished)
        assert finished.result.startswith(f"file 1, characters {len(file.text)} to ")
