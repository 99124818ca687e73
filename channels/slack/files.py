"""The contents of files that people share in Slack, fetched with the bot's token.

The token goes to Slack alone. What cannot be had is named, with the reason in words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.attachments import keep
from ponderd.channels.blobs import Blobs
from ponderd.channels.documents import FILE_PREVIEW, MESSAGE_PREVIEW, File, preview
from ponderd.channels.files import FileReader
from ponderd.channels.message import Attachment
from ponderd.channels.slack.failures import CALL_ERRORS, failure_of
from ponderd.channels.slack.reading.message import SlackFile
from ponderd.channels.text import clean, one_line

FILES = 20
"""Most files of one message that are fetched."""
SECONDS = 20.0
"""Seconds that the fetching of all files of one message may take."""

_AT_ONCE = 4
_REDIRECTS = 3
_CHUNK = 64 * 1024
_SLACK = ("slack.com", "slack-gov.com")
_NEEDS_SCOPE = "the app needs the scope files:read"
_NO_ACCESS = f"Slack does not let the app read it: perhaps {_NEEDS_SCOPE}"
_LATE = "it takes too long to fetch"
_TOO_MANY = f"of one message, {FILES} files are fetched"

log = structlog.get_logger(__name__)


async def fetch_files(
    files: Sequence[SlackFile],
    client: AsyncWebClient,
    blobs: Blobs,
    owner: str,
    *,
    reader: FileReader,
    limit: int,
    seconds: float = SECONDS,
) -> tuple[Attachment, ...]:
    """Fetch the files of one message, read them, and keep their contents under `owner`.

    `limit` is the most bytes of all of them. Each file becomes an attachment, in order; one that
    cannot be had or read says why. Raises Unavailable if nothing can be stored, or too many files
    wait to be read.
    """
    room = _Room(limit, limit)
    turns = asyncio.Semaphore(_AT_ONCE)
    fetched: dict[int, File] = {}
    lost: dict[int, str] = {}

    async def fetch(number: int, file: SlackFile) -> None:
        async with turns:
            try:
                fetched[number] = await _fetched(file, client, session, room)
            except NotFetchedError as error:
                lost[number] = str(error)

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        tasks = [
            asyncio.create_task(fetch(number, file)) for number, file in enumerate(files[:FILES])
        ]
        if tasks:
            try:
                await asyncio.wait(tasks, timeout=seconds)
            finally:
                for task in tasks:
                    task.cancel()
                for fault in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(fault, Exception):
                        log.error("slack file not fetched", exc_info=fault)
    kept = await keep(await reader.read([*fetched.values()]), owner, blobs)
    by_number = dict(zip(fetched, kept, strict=True))
    shown = MESSAGE_PREVIEW - sum(len(attachment.text) for attachment in kept)
    attachments = []
    for number, file in enumerate(files):
        if number not in by_number:
            why = lost.get(number, _LATE if number < FILES else _TOO_MANY)
            by_number[number] = _unread(file, why, min(shown, FILE_PREVIEW))
            shown -= len(by_number[number].text)
        attachments.append(by_number[number])
    return tuple(attachments)


async def _fetched(
    file: SlackFile, client: AsyncWebClient, session: aiohttp.ClientSession, room: _Room
) -> File:
    """The file with its content. Raises NotFetchedError."""
    if file.problem:
        raise NotFetchedError(file.problem)
    try:
        if not file.url:
            file = await _described(file, client)
        if not _is_slacks(file.url, client.base_url):
            host = urlsplit(file.url).hostname or "nowhere"
            raise NotFetchedError(f"it is not kept in Slack, but at {one_line(host, 80)}")
        room.check(file.size)
        content = await _content(file, client, session, room)
    except CALL_ERRORS as error:
        reason = failure_of(error).reason
        log.warning("slack file not fetched", file=file.id, reason=reason)
        needs_scope = reason == "missing_scope"
        why = _NEEDS_SCOPE if needs_scope else f"Slack says: {one_line(reason)}"
        raise NotFetchedError(why) from error
    except ValueError as error:
        raise NotFetchedError("its address is not valid") from error
    return File(file.name, file.content_type, content)


async def _described(file: SlackFile, client: AsyncWebClient) -> SlackFile:
    """The file with what files.info adds. In a channel that is shared with another organisation,
    the event holds only its id."""
    if not file.id:
        raise NotFetchedError("Slack does not say where it is")
    told = (await client.files_info(file=file.id)).get("file")
    told = told if isinstance(told, dict) else {}
    size = told.get("size")
    return replace(
        file,
        name=one_line(str(told.get("name") or told.get("title") or "")) or file.name,
        content_type=one_line(str(told.get("mimetype") or ""), 100) or file.content_type,
        size=size if isinstance(size, int) and size >= 0 else file.size,
        url=str(told.get("url_private_download") or told.get("url_private") or ""),
    )


async def _content(
    file: SlackFile, client: AsyncWebClient, session: aiohttp.ClientSession, room: _Room
) -> bytes:
    """Raises NotFetchedError, or one of CALL_ERRORS."""
    async with _answer(file.url, client, session) as response:
        if response.status in (401, 403):
            raise NotFetchedError(_NO_ACCESS)
        if response.status != 200:
            raise NotFetchedError(f"Slack answers HTTP {response.status}")
        if _is_login_page(response):
            raise NotFetchedError(_NO_ACCESS)
        room.check(response.content_length or 0)
        content = bytearray()
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                content += chunk
                room.take(len(chunk))
        except BaseException:
            room.left += len(content)
            raise
        return bytes(content)


@contextlib.asynccontextmanager
async def _answer(
    url: str, client: AsyncWebClient, session: aiohttp.ClientSession
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask for `url` with the token, and for what it redirects to, as long as that is Slack's."""
    headers = {"Authorization": f"Bearer {client.token}", "Accept-Encoding": "identity"}
    for _ in range(_REDIRECTS):
        if not _is_slacks(url, client.base_url):
            raise NotFetchedError("Slack sends us elsewhere for it")
        async with session.get(
            url, headers=headers, allow_redirects=False, proxy=client.proxy, ssl=client.ssl or True
        ) as response:
            if response.status not in (301, 302, 303, 307, 308):
                yield response
                return
            url = urljoin(url, response.headers.get("Location", ""))
    raise NotFetchedError(_NO_ACCESS)  # the way to the login page is long


def _is_login_page(response: aiohttp.ClientResponse) -> bool:
    """Whether it is the page on which people log in. Slack sends that, with 200, to whoever may not
    read the file. Files, those of HTML too, come with a disposition."""
    return response.content_type == "text/html" and "Content-Disposition" not in response.headers


def _is_slacks(url: str, api_url: str) -> bool:
    """Whether the token may go to `url`. Raises ValueError for what is no URL."""
    given, api = urlsplit(url), urlsplit(api_url)
    if given.username is not None or given.password is not None:
        return False
    if given.scheme and (given.scheme, given.netloc) == (api.scheme, api.netloc):
        return True
    host = given.hostname or ""
    is_ours = any(host == own or host.endswith(f".{own}") for own in _SLACK)
    return given.scheme == "https" and given.port in (None, 443) and is_ours


@dataclass(slots=True)
class _Room:
    """The bytes that the files of one message may still have."""

    limit: int
    left: int

    def check(self, size: int) -> None:
        if size > self.limit:
            raise NotFetchedError(f"it has {size:,} bytes, more than {self.limit:,} are fetched")
        if size > self.left:
            raise self._full()

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self._full()

    def _full(self) -> NotFetchedError:
        return NotFetchedError(
            f"the files of one message that are fetched have at most {self.limit:,} bytes"
        )


class NotFetchedError(Exception):
    """Why a file cannot be had, in words."""


def _unread(file: SlackFile, why: str, room: int) -> Attachment:
    """With what the event told of the file, at most `room` characters."""
    text = preview(clean(file.preview), room)
    return Attachment(
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        text=text,
        length=len(text),
        unread=f"{why}; only its preview is here" if text else why,
    )
