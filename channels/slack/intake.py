"""Take what Slack sends: keep it, acknowledge it, then work it off.

Slack waits for three seconds, and a message may need look-ups and files that take longer. So an
event is kept in the store before it is acknowledged, and is dropped from there once its message is
accepted. Whatever a daemon leaves behind, each daemon takes up. The keys of a trigger make it
harmless that two do so at once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ponderd.channels.channel import Note
from ponderd.channels.errors import Malformed, Refused, Unavailable, kind_of
from ponderd.channels.message import Ignored
from ponderd.channels.slack.hearing import NotKnownYetError
from ponderd.channels.slack.held import Held
from ponderd.channels.slack.memory import SlackMemory
from ponderd.channels.slack.receive import Pressed, Shortcut, SlackEvent, SlackMessage, parse

LEFT_BEHIND = 30
"""Seconds after which an event is taken up that another daemon has not worked off, and for which
one daemon tries without a break."""
ROUND = 5
"""Seconds between two looks for such events."""
AGAIN = 1.0
"""Seconds between two looks whether a message that depends on its run is for us, and between two
attempts while the store is away."""
UNDECIDED = 900
"""Seconds after which such a message is not for us, whatever its run does then."""
GIVEN_UP = 24 * 3600
"""Seconds after which an event is given up that could not be worked off all that time."""
AT_ONCE = 50
"""Events that are worked off at the same time; of those with files so many more, so that files that
are long in coming hold up no words."""

log = structlog.get_logger(__name__)


class Intake:
    """`work` does what an event asks for; it may raise Refused, and Unavailable or
    NotKnownYetError to be called again.
    `press` answers a button while the person waits. `wants` says why an event need not be kept, or
    nothing. `heard` is shown at once what is kept."""

    def __init__(
        self,
        memory: SlackMemory,
        work: Callable[[SlackEvent], Awaitable[None]],
        press: Callable[[Pressed], Awaitable[None]],
        wants: Callable[[SlackEvent], str],
        heard: Callable[[SlackEvent], None],
        ignored: Note,
        refused: Note,
    ) -> None:
        self._memory = memory
        self._work = work
        self._press = press
        self._wants = wants
        self._heard = heard
        self._ignored = ignored
        self._refused = refused
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._at_work: dict[str, SlackEvent] = {}
        self._held = Held()
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._turns = {brings: asyncio.Semaphore(AT_ONCE) for brings in (True, False)}
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take up what was left behind."""
        self._rounds = asyncio.create_task(self._take_up_all())

    async def close(self) -> None:
        """Stop. What is not worked off yet stays kept."""
        tasks = [
            *self._watched.values(),
            *self._tasks.values(),
            *([self._rounds] if self._rounds else []),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def busy(self) -> bool:
        """Something is being worked off."""
        return bool(self._tasks)

    async def take(self, body: dict[str, Any]) -> SlackEvent | None:
        """Take what Slack sent; once this returns it may be acknowledged. Returns what it is, None
        if it asks for nothing. Raises Unavailable if it could not be kept."""
        try:
            event, text = parse(body), _written(body)
            if isinstance(event, Pressed):
                await self._press(event)
                return event
        except Refused as error:
            # Acknowledged all the same: a retry would be refused again, three times.
            self._refused(kind_of(error), str(error))
            return None
        except Unavailable as error:  # not acknowledged
            self._refused(kind_of(error), str(error))
            raise
        if isinstance(event, Ignored):
            self._ignored("not for us", event.reason)
            return None
        if unwanted := self._wants(event):  # what people write to each other, above all
            log.debug("slack event not kept", reason=unwanted)
            return None
        key = event.key
        try:
            await self._memory.put(key, text)
        except Unavailable as error:
            self._refused(kind_of(error), str(error))
            raise
        self._begin(key, event)
        return event

    def _begin(self, key: str, event: SlackEvent) -> None:
        if key in self._tasks:
            if event != self._at_work[key]:
                self._refused("conflict", f"event {key} came before with another message")
            return  # the same event again
        if key in self._held:
            return
        self._at_work[key] = event
        self._heard(event)
        self._queue(key, event.lane, event)

    def _queue(self, key: str, lane: str, event: SlackEvent | None) -> asyncio.Task[None]:
        """Work off what is held of a lane and then `event`, after what is under way there."""
        task = asyncio.create_task(self._in_turn(key, lane, event, self._lanes.get(lane)))
        self._lanes[lane] = self._tasks[key] = task

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.pop(key, None)
            self._at_work.pop(key, None)
            if self._lanes.get(lane) is task:
                del self._lanes[lane]

        task.add_done_callback(done)
        return task

    async def _in_turn(
        self, key: str, lane: str, event: SlackEvent | None, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        since = time.monotonic()
        while True:
            try:
                async with self._turns[_brings_files(event)]:
                    await self._work_off(key, lane, event)
                return
            except Unavailable as error:
                # What comes after it in the lane waits, too: order is kept.
                if time.monotonic() - since >= LEFT_BEHIND:
                    log.warning("slack event left for later", event_id=key, error=str(error))
                    return
                log.info("slack event waits", event_id=key, error=str(error))
            await asyncio.sleep(AGAIN)

    async def _work_off(self, key: str, lane: str, event: SlackEvent | None) -> None:
        """Raises Unavailable: what is not worked off then stays kept, or held."""
        for known_as, held, since in self._held.of(lane):
            if not await self._worked_off(known_as, held, time.monotonic() - since):
                break  # what came after it depends on the same run
            self._held.drop(known_as, lane)
        if event is not None and not await self._worked_off(key, event, 0.0):
            self._held.add(key, event, time.monotonic())
            if lane not in self._watched:
                self._watched[lane] = asyncio.create_task(self._watch(lane))

    async def _worked_off(self, key: str, event: SlackEvent, held: float) -> bool:
        """False: it is not known yet whether it is for us. `held`: how long that is so already.
        Raises Unavailable."""
        try:
            try:
                await self._work(event)
            except NotKnownYetError:
                if held < UNDECIDED:
                    return False
                self._ignored("not for us", "it does not mention us")
            except Refused as error:
                self._refused(kind_of(error), str(error))
            await self._memory.drop(key)
        except Unavailable:
            raise
        except Exception:  # a bug of ours: it would fail again, but nothing is lost
            log.exception("slack event failed, it is tried again", event_id=key)
        return True

    async def _watch(self, lane: str) -> None:
        """Look again and again at what is held of a lane."""
        try:
            while self._held.of(lane):
                await asyncio.sleep(AGAIN)
                await asyncio.wait([self._queue(f"held {lane}", lane, None)])
        finally:
            del self._watched[lane]

    async def _take_up_all(self) -> None:
        patience = 0  # at the start: the daemon that ended may have been this one
        while True:
            try:
                await self._take_up(patience)
                patience = LEFT_BEHIND
            except Unavailable as error:
                log.warning("slack events cannot be looked for", error=str(error))
            except Exception:
                log.exception("looking for slack events failed")
            await asyncio.sleep(ROUND)

    async def _take_up(self, patience: float) -> None:
        now = time.time()
        found = [(key, *_read(kept)) for key, kept in (await self._memory.waiting()).items()]
        # The store keeps no order, and what was said first in a thread comes first there.
        for key, event, at in sorted(found, key=lambda entry: entry[2]):
            age = now - at
            # The clocks of two daemons may differ; the worst is that both work it off.
            if key in self._tasks or key in self._held or -LEFT_BEHIND < age < patience:
                continue
            if event is None or age > GIVEN_UP:
                why = "cannot be read" if event is None else "could not be worked off for a day"
                await self._memory.drop(key)
                self._refused("given_up", f"event {key} {why}")
            else:
                self._begin(key, event)


def _brings_files(event: SlackEvent | None) -> bool:
    match event:
        case SlackMessage(event=message) | Shortcut(message=message):
            return bool(message.get("files"))
        case _:
            return False


def _written(body: dict[str, Any]) -> bytes:
    """An event as it is kept, from now on. Raises Malformed."""
    try:
        return json.dumps({"at": time.time(), "body": body}).encode()
    except RecursionError:
        raise Malformed("it is nested too deeply") from None


def _read(kept: bytes) -> tuple[SlackEvent | None, float]:
    """An event that was kept, and when. None for what is not, or no longer, one to be worked off:
    another version of ponderd may have written it."""
    try:
        entry = json.loads(kept)
        event = parse(entry["body"])
        return (None if isinstance(event, Ignored | Pressed) else event), float(entry["at"])
    except (Refused, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None, 0.0
