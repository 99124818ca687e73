"""Signs that a message was heard and is worked on: Slack's status line, or else a reaction.

The status needs nothing but chat:write. Slack takes it away with the next post in that thread, or
after two minutes. Where it cannot be shown, and below the newest direct message, where nobody sees
it, the message gets a reaction, which `end` takes away. Daemon and workers share no memory: what
one has put there the other takes away, by trying.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.message import Address
from ponderd.channels.slack.failures import CALL_ERRORS, Failure, failure_of
from ponderd.channels.slack.kept_for import KeptFor
from ponderd.channels.text import one_line

THINKING = "is thinking…"
"""The first sign. Slack puts the app's name before it."""
REACTION = "eyes"
SECONDS = 3
"""Seconds that one sign may take. Nothing waits for it."""
INTERVAL = 1.0
"""Least seconds between two states of one thread. Of those in between the newest counts."""
STATUS_LIMIT = 100
"""Characters of a status. Slack names no limit, but shows one short line."""

_IDLE = 60
"""Seconds for which a connection without a call is kept."""
_REMEMBERED = 600
"""Seconds for which we do not try again what is not possible. Somebody may mend it."""
_PLACES = 5_000
"""Most places whose abilities are remembered."""
_YOUNG = 5
"""Seconds. So soon after a message, its first sign may arrive behind its answer."""
_LONGEST_WAIT = 30
"""Seconds that a sign waits at most before it is taken away, if Slack asks for that."""

# They hold for a whole workspace; others only where they were met.
_EVERYWHERE = frozenset(
    "unknown_method missing_scope not_allowed_token_type no_permission access_denied"
    " method_deprecated deprecated_endpoint".split()
)
# They say nothing of the next message.
_OF_THE_MESSAGE = (
    "already_reacted", "no_reaction", "message_not_found", "invalid_thread_ts", "thread_not_found"
)  # fmt: skip

_Call = Callable[[AsyncWebClient], Awaitable[None]]

log = structlog.get_logger(__name__)


class Signs:
    """Shows signs, each in the background: all methods but `close` return at once, and none raises.

    `client_of` gives the client for a team of an organisation; it may raise DeliveryError.
    """

    def __init__(
        self, client_of: Callable[[str, str], AsyncWebClient], *, interval: float = INTERVAL
    ) -> None:
        self._client_of = client_of
        self._interval = interval
        self._session: aiohttp.ClientSession | None = None
        self._lanes: dict[_Place, _Lane] = {}
        self._works: KeptFor[bool] = KeptFor(_PLACES, _REMEMBERED)
        self._fails: KeptFor[Failure] = KeptFor(_PLACES, _REMEMBERED)
        self._told: KeptFor[bool] = KeptFor(_PLACES, _REMEMBERED)
        self._limited: KeptFor[float] = KeptFor(_PLACES, _REMEMBERED)

    def begin(self, address: Address, ts: str) -> None:
        """Show that the message `ts` was heard. Its answer goes to `address`."""
        self._want(_place(address, ts), THINKING, first=True)

    def doing(self, address: Address, words: str) -> None:
        """Show what is being done: "is searching the wiki…". Nothing where there is no status."""
        self._want(_place(address), one_line(words, STATUS_LIMIT) or THINKING)

    def end(self, address: Address) -> None:
        """Take all signs away. Call it when the answer is there."""
        self._want(_place(address), "")

    async def close(self) -> None:
        """Wait for what is under way, and give the rest up."""
        for lane in self._lanes.values():
            lane.is_last = True
            lane.news.set()
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        """One session for all signs: a new connection for each would delay it by three ways to
        Slack and back."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(keepalive_timeout=_IDLE)
            timeout = aiohttp.ClientTimeout(total=SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    def _want(self, place: _Place, words: str, *, first: bool = False) -> None:
        if not place.thread:
            return
        lane = self._lanes.setdefault(place, _Lane())
        if lane.is_clear and lane.words is None and not words:
            return
        lane.words, lane.first = words, lane.first or first
        lane.overtaken |= not words and lane.is_calling
        lane.news.set()
        if lane.task is None:
            lane.task = asyncio.create_task(self._follow(place, lane))

    async def _follow(self, place: _Place, lane: _Lane) -> None:
        """Show the newest state of one thread, again and again, until there is no new one."""
        try:
            while (words := lane.words) is not None:
                lane.words, first, lane.first = None, lane.first, False
                lane.is_calling, lane.is_clear = True, not words
                if words:
                    await self._show(place, words, first)
                else:
                    overtaken, lane.overtaken = lane.overtaken, False
                    await self._clear(place, overtaken)
                lane.is_calling = False
                await lane.rest(self._interval)
        finally:
            self._lanes.pop(place, None)

    async def _show(self, place: _Place, words: str, first: bool) -> None:
        if first and place.top_level:
            await asyncio.gather(self._status(place, words), self._react(place))
        elif not await self._status(place, words) and first:
            await self._react(place)

    async def _clear(self, place: _Place, overtaken: bool) -> None:
        is_young = place.age < _YOUNG
        if place.top_level or overtaken or is_young:
            await self._status(place, "", patient=True)
        if place.top_level or not self._works.get((place.team, place.channel)):
            found = await self._unreact(place)
            if not found and is_young:
                await asyncio.sleep(self._interval)
                await self._unreact(place)

    async def _status(self, place: _Place, words: str, *, patient: bool = False) -> bool:
        """Whether there may be a status here. False: only a reaction can be seen."""

        async def call(client: AsyncWebClient) -> None:
            await client.assistant_threads_setStatus(
                channel_id=place.channel, thread_ts=place.thread, status=words
            )

        failure = await self._call("status", place, call, patient)
        if failure is None:
            self._works.put((place.team, place.channel), True)
        return failure is None or failure.passes

    async def _react(self, place: _Place) -> None:
        async def call(client: AsyncWebClient) -> None:
            await client.reactions_add(channel=place.channel, timestamp=place.ts, name=REACTION)

        await self._call("reaction", place, call)

    async def _unreact(self, place: _Place) -> bool:
        """False: there is no reaction of ours (yet)."""

        async def call(client: AsyncWebClient) -> None:
            await client.reactions_remove(channel=place.channel, timestamp=place.ts, name=REACTION)

        failure = await self._call("reaction", place, call, patient=True)
        return failure is None or failure.reason != "no_reaction"

    async def _call(
        self, kind: str, place: _Place, call: _Call, patient: bool = False
    ) -> Failure | None:
        """Make one call to Slack, unless it is known to fail. Returns why it failed. `patient`:
        wait for Slack's rate limit, if that is not long."""
        for key in ((kind, place.team), (kind, place.team, place.channel)):
            if known := self._fails.get(key):
                return known
        limited = self._limited.get(place.team)
        if limited is not None:
            wait = limited - time.monotonic()
            if not patient or wait > _LONGEST_WAIT:
                return Failure("ratelimited", True, wait)
            await asyncio.sleep(wait)
        try:
            async with asyncio.timeout(SECONDS):
                client = self._client_of(place.team, place.enterprise)
                client.session = self._connected()
                await call(client)
        except CALL_ERRORS as error:
            failure = failure_of(error)
            self._learn(kind, place, failure)
            return failure
        return None

    def _learn(self, kind: str, place: _Place, failure: Failure) -> None:
        """Remember what is not possible, and tell the operator once."""
        if failure.wait:
            self._limited.put(place.team, time.monotonic() + failure.wait, failure.wait)
        if failure.reason in _OF_THE_MESSAGE:
            return
        if failure.reason in _EVERYWHERE:
            self._fails.put((kind, place.team), failure)
        elif not failure.passes:
            self._fails.put((kind, place.team, place.channel), failure)
        told = (kind, place.team, failure.reason)
        if not self._told.get(told):
            self._told.put(told, True)
            log.info("slack shows no sign", kind=kind, team=place.team, reason=failure.reason)


@dataclass(frozen=True, slots=True)
class _Place:
    team: str
    enterprise: str
    channel: str
    thread: str
    """Where the status is shown. Empty: nowhere, because nothing is answered."""
    ts: str
    """The message that gets the reaction."""
    top_level: bool
    """It is answered below all others, as in direct messages, and not in a thread of its own."""

    @property
    def age(self) -> float:
        """Seconds since the message was written, as far as our clock is right."""
        try:
            return time.time() - float(self.ts)
        except ValueError:
            return 0


def _place(address: Address, ts: str = "") -> _Place:
    ts = ts or address.headers.get("message", "") or address.thread
    return _Place(
        team=address.headers.get("team", ""),
        enterprise=address.headers.get("enterprise", ""),
        channel=address.to,
        thread=address.thread or ts,
        ts=ts,
        top_level=not address.thread,
    )


@dataclass(slots=True)
class _Lane:
    """What is to be shown in one thread."""

    words: str | None = None
    """The newest state that is not shown yet. Empty: nothing at all."""
    first: bool = False
    is_calling: bool = False
    overtaken: bool = False
    """The answer came while a call was under way, which may arrive behind it."""
    is_clear: bool = False
    """All signs were taken away, or are just now."""
    is_last: bool = False
    """Nothing new will come."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def rest(self, seconds: float) -> None:
        """Wait, but not once all signs have to go."""
        try:
            async with asyncio.timeout(seconds):
                while self.words != "" and not self.is_last:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass
