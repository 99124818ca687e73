"""The way in from Slack, whole, with a store in memory and an inbox in place of agents."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ponderd.channels.blobs import FolderBlobs
from ponderd.channels.files import FileReader
from ponderd.channels.message import Accepted, Reaction, Trigger, Verdict
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.clicks import ClickReplies
from ponderd.channels.slack.desk import Desk
from ponderd.channels.slack.directory import Directory
from ponderd.channels.slack.door import Door
from ponderd.channels.slack.intake import Intake
from ponderd.channels.slack.memory import KnownRun
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import Workspaces
from ponderd.daemon.slack_brake import BotBrake
from ponderd.daemon.slack_memory import BOX, StoredMemory
from ponderd.workers.store.memory_store import MemoryStore
from tests.services.eventually import eventually
from tests.services.slack_api import SlackApi, mention


class Inbox:
    """In place of agents: keeps what comes, and raises `error` if there is one."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.verdicts: list[Verdict] = []
        self.reactions: list[Reaction] = []
        self.not_ours: set[str] = set()
        self.error: Exception | None = None
        self.refused = 0

    def _meet(self) -> None:
        if self.error:
            self.refused += 1
            raise self.error

    async def accept(self, trigger: Trigger) -> Accepted:
        self._meet()
        known = {key for each in self.triggers for key in each.keys}
        if known & {*trigger.keys}:
            return Accepted(run_id=trigger.run_id or trigger.conversation, duplicate=True)
        self.triggers.append(trigger)
        return Accepted(run_id=trigger.run_id or trigger.conversation)

    async def answer(self, verdict: Verdict) -> str:
        self._meet()
        self.verdicts.append(verdict)
        return f"Approved by {verdict.by}."

    async def react(self, reaction: Reaction) -> bool:
        self._meet()
        if reaction.message in self.not_ours:
            return False
        self.reactions.append(reaction)
        return True


class Remembered(StoredMemory):
    """Runs are made up: whatever place belongs to one has it, in the state that a test sets."""

    runs: dict[str, KnownRun]

    async def _known(self, run_id: str) -> KnownRun | None:
        return self.runs.get(run_id, KnownRun(run_id, "", False, 0))


@dataclass
class Counter:
    intake: Intake
    desk: Desk
    memory: Remembered
    store: MemoryStore
    inbox: Inbox
    refused: list[tuple[str, str]]
    ignored: list[tuple[str, str]]
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def take(self, body: dict[str, Any]) -> None:
        """Hand in what Slack sent, and wait until it is worked off."""
        await self.intake.take(body)
        await self.settled()

    async def settled(self) -> None:
        await eventually(lambda: not self.intake.busy)

    async def say(
        self, text: str, *, outside: Mapping[str, Any] | None = None, **event: Any
    ) -> str:
        """A new mention with these fields; returns its ts."""
        number = next(self.numbers)
        ts = event.pop("ts", f"17000000{number:02}.000100")
        body = {**mention(text, ts=ts, **event), "event_id": f"Ev{number}", **(outside or {})}
        await self.take(body)
        return str(ts)

    async def tell(self, text: str, **event: Any) -> str:
        """A direct message."""
        direct = {"type": "message", "channel": "D1", "channel_type": "im"}
        return await self.say(text, **{**direct, **event})

    async def is_empty(self) -> bool:
        """Whether nothing is kept that is not worked off."""
        return not self.intake.busy and not await self.store.box(BOX)

    async def kept(self) -> list[Any]:
        return [json.loads(each)["body"] for each in (await self.store.box(BOX)).values()]


@contextlib.asynccontextmanager
async def counter(
    api: SlackApi, folder: Path, *, store: MemoryStore | None = None, **settings: Any
) -> AsyncIterator[Counter]:
    channels = api.settings.model_copy(update=settings)
    inbox, refused, ignored = Inbox(), [], []  # type: ignore[var-annotated]
    store = store or MemoryStore()
    memory = Remembered(store, {}, BotBrake(store, store._now, channels.slack_bot_hourly))
    memory.runs = {}
    workspaces = Workspaces(channels)
    desk = _desk(channels, workspaces, memory, inbox, folder, ignored)
    intake = Intake(
        memory,
        desk.work,
        desk.press,
        desk.wants,
        desk.heard,
        lambda reason, detail: ignored.append((reason, detail)),
        lambda reason, detail: refused.append((reason, detail)),
    )
    try:
        yield Counter(intake, desk, memory, store, inbox, refused, ignored)
    finally:
        await intake.close()
        await desk.directory.close()
        await desk.signs.close()
        await desk.reader.close()
        await asyncio.sleep(0)


def _desk(
    channels: ChannelSettings,
    workspaces: Workspaces,
    memory: Remembered,
    inbox: Inbox,
    folder: Path,
    ignored: list[tuple[str, str]],
) -> Desk:
    directory = Directory(workspaces.client)
    return Desk(
        settings=channels,
        workspaces=workspaces,
        directory=directory,
        door=Door(workspaces, directory, memory, channels.slack_allow),
        signs=Signs(workspaces.client),
        memory=memory,
        blobs=FolderBlobs(folder),
        reader=FileReader(),
        accept=inbox.accept,
        answer=inbox.answer,
        react=inbox.react,
        alerts={"CALERT": "triage"},
        agents={"CDEPLOY": "deployer"},
        ignored=lambda reason, detail: ignored.append((reason, detail)),
        replies=ClickReplies(channels.slack_api_url),
    )
