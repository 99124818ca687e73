import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.blobs import FolderBlobs, owner_of
from ponderd.channels.documents import MESSAGE_PREVIEW
from ponderd.channels.files import FileReader
from ponderd.channels.message import Attachment
from ponderd.channels.slack.files import FILES, _is_slacks, fetch_files
from ponderd.channels.slack.reading.message import SlackFile
from tests.channels.documents import pdf
from tests.services import slack_api
from tests.services.slack_api import SlackApi

OWNER = owner_of("assistant", "slack:Ev1")
MB = 1024 * 1024


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


@pytest.fixture
async def reader() -> AsyncIterator[FileReader]:
    reader = FileReader()
    yield reader
    await reader.close()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path)


class Desk:
    def __init__(self, api: SlackApi, blobs: FolderBlobs, reader: FileReader) -> None:
        self.api = api
        self.blobs = blobs
        self.reader = reader

    def share(self, content: bytes, name: str = "a.txt", **fields: Any) -> SlackFile:
        known_as = f"F{len(self.api.files) + 1}"
        kind = fields.pop("mimetype", "text/plain")
        self.api.files[known_as] = {
            "content": content,
            "mimetype": kind,
            "name": name,
            "size": len(content),
        }
        given = {
            "name": name,
            "content_type": kind,
            "size": len(content),
            "url": self.api.file_url(known_as),
        }
        return SlackFile(id=known_as, **given | fields)

    async def fetch(
        self, *files: SlackFile, token: str = "xoxb-1", limit: int = MB, seconds: float = 60
    ) -> tuple[Attachment, ...]:
        client = AsyncWebClient(token, base_url=self.api.url, retry_handlers=[])
        return await fetch_files(
            files, client, self.blobs, OWNER, reader=self.reader, limit=limit, seconds=seconds
        )


@pytest.fixture
def desk(api: SlackApi, blobs: FolderBlobs, reader: FileReader) -> Desk:
    return Desk(api, blobs, reader)


async def test_content_is_fetched_read_and_kept(desk: Desk) -> None:
    document = pdf([(72, 700, "hello")])
    text, scanned = await desk.fetch(
        desk.share(b"a,b\n1,2\n", "a.csv", mimetype="text/csv"),
        desk.share(document, "b.pdf", mimetype="application/pdf"),
    )
    assert (text.name, text.text, text.unread, text.size) == ("a.csv", "a,b\n1,2", "", 8)
    assert await desk.blobs.get(text.blob) == b"a,b\n1,2\n"
    assert (scanned.text, scanned.size) == ("hello", len(document))


async def test_what_the_event_leaves_out_is_asked_for(desk: Desk) -> None:
    shared = desk.share(b"words", "notes.txt")
    [found] = await desk.fetch(SlackFile(id=shared.id, name="a file"))
    assert (found.name, found.content_type, found.text) == ("notes.txt", "text/plain", "words")


async def test_what_cannot_be_had_says_why_and_shows_the_preview(desk: Desk) -> None:
    stub = SlackFile(id="F9", name="a file", preview="first lines")
    told = SlackFile(id="F8", name="b.txt", problem="it was deleted")
    lost, deleted, nameless = await desk.fetch(stub, told, SlackFile(id="", name="a file"))
    assert lost.unread == "Slack says: file_not_found; only its preview is here"
    assert (lost.text, lost.length, lost.blob) == ("first lines", 11, "")
    assert (deleted.unread, deleted.text) == ("it was deleted", "")
    assert nameless.unread == "Slack does not say where it is"


async def test_the_preview_gives_way_to_the_content(desk: Desk) -> None:
    [found] = await desk.fetch(desk.share(b"all of it", preview="all"))
    assert (found.text, found.unread) == ("all of it", "")


async def test_the_missing_scope_is_named(desk: Desk) -> None:
    desk.api.errors["files.info"] = "missing_scope"
    [found] = await desk.fetch(SlackFile(id="F1", name="a file"))
    assert found.unread == "the app needs the scope files:read"


async def test_the_login_page_is_no_file(desk: Desk) -> None:
    secret = desk.share(b"secret")
    page = desk.share(b"<p>hi", "a.html", mimetype="text/html")
    for found in await desk.fetch(secret, page, token="xoxb-wrong"):
        assert "files:read" in found.unread and not found.text and not found.blob


async def test_a_page_that_somebody_shared_is_one(desk: Desk) -> None:
    [found] = await desk.fetch(desk.share(b"<p>hi</p>", "a.html", mimetype="text/html"))
    assert (found.text, found.unread) == ("hi", "")


async def test_the_token_goes_to_slack_alone(desk: Desk) -> None:
    async with slack_api.serve() as elsewhere:
        shared = desk.share(b"x")
        desk.api.files[shared.id]["redirect"] = elsewhere.file_url("F1")
        direct = SlackFile(id="F2", name="b", url=elsewhere.file_url("F2"))
        redirected, external = await desk.fetch(shared, direct)
        assert redirected.unread == "Slack sends us elsewhere for it"
        assert external.unread == "it is not kept in Slack, but at 127.0.0.1"
        assert elsewhere.calls == []


async def test_slack_may_send_us_on_to_itself(desk: Desk) -> None:
    there, here = desk.share(b"words"), desk.share(b"")
    desk.api.files[here.id]["redirect"] = there.url
    [found] = await desk.fetch(here)
    assert found.text == "words"
    desk.api.files[there.id]["redirect"] = here.url
    [lost] = await desk.fetch(here)
    assert "files:read" in lost.unread


@pytest.mark.parametrize(
    ("url", "is_slacks"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a", True),
        ("https://acme.enterprise.slack.com/files-pri/a", True),
        ("https://files.slack-gov.com/files-pri/a", True),
        ("http://files.slack.com/files-pri/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://files.slack.com.evil.test/a", False),
        ("https://evilslack.com/a", False),
        ("https://files.slack.com@evil.test/a", False),
        ("https://user@files.slack.com/a", False),
        ("https://docs.google.com/document/d/1", False),
        ("http://127.0.0.1:80/a", False),
        ("http://proxy.test:99/files/a", True),
        ("http://proxy.test:98/files/a", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_which_addresses_are_slacks(url: str, is_slacks: bool) -> None:
    assert _is_slacks(url, "http://proxy.test:99/api/") is is_slacks


async def test_what_is_too_large_is_named(desk: Desk) -> None:
    small, large = desk.share(b"x" * 10), desk.share(b"x" * 2_000)
    liar = desk.share(b"x" * 2_000, size=0)
    found = await desk.fetch(small, large, liar, limit=1_000)
    assert [bool(each.blob) for each in found] == [True, False, False]
    for each in found[1:]:
        assert each.unread == "it has 2,000 bytes, more than 1,000 are fetched"


async def test_files_share_the_room_of_a_message(desk: Desk) -> None:
    shared = [desk.share(b"%d" % number * 400) for number in range(4)]
    found = await desk.fetch(*shared, limit=1_000)
    assert sum(bool(each.blob) for each in found) == 2
    full = "the files of one message that are fetched have at most 1,000 bytes"
    assert {each.unread for each in found} == {"", full}


async def test_of_very_many_only_so_many_are_fetched(desk: Desk) -> None:
    shared = [desk.share(b"%d" % number, preview="x" * 900) for number in range(FILES + 9)]
    found = await desk.fetch(*shared)
    assert sum(bool(each.blob) for each in found) == FILES
    assert [each.name for each in found] == [each.name for each in shared]
    assert found[-1].unread.startswith(f"of one message, {FILES} files are fetched")
    assert sum(len(each.text) for each in found) <= MESSAGE_PREVIEW


async def test_a_slow_file_costs_only_itself(desk: Desk) -> None:
    quick = desk.share(b"words")
    desk.api.delays["files.info"] = 3600
    fetching = desk.fetch(quick, SlackFile(id="F9", name="a file"), seconds=2)
    found, late = await asyncio.wait_for(fetching, 60)
    assert (found.text, late.unread) == ("words", "it takes too long to fetch")


async def test_no_files_make_no_call(desk: Desk) -> None:
    assert await desk.fetch() == ()
    assert desk.api.calls == []


async def test_where_slack_is_away_the_file_is_named(desk: Desk) -> None:
    shared = desk.share(b"x")
    desk.api.files.clear()
    [gone] = await desk.fetch(shared)
    assert gone.unread == "Slack answers HTTP 404"
