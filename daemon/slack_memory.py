"""What the daemon remembers of Slack, in the store: for all daemons, and after a restart."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from typing import Literal

from ponderd.channels.event_ref import EventRef
from ponderd.channels.slack.memory import KnownRun
from ponderd.channels.yes_no import leans_to_yes, read_yes_no
from ponderd.daemon.slack_brake import BotBrake
from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.store.asking import asked_ts, asking
from ponderd.workers.store.contract import FINISHED, RECEIPT_TTL, RunStore, receipt_key

BOX = "slack"
"""The box of the events that are not worked off yet."""


class StoredMemory:
    """Implements `ponderd.channels.slack.memory.SlackMemory`."""

    def __init__(self, store: RunStore, agents: Mapping[str, Agent], brake: BotBrake) -> None:
        self._store = store
        self._agents = agents
        self._brake = brake

    async def put(self, key: str, event: bytes) -> None:
        await self._store.put(BOX, key, event)

    async def drop(self, key: str) -> None:
        await self._store.drop(BOX, key)

    async def waiting(self) -> dict[str, bytes]:
        return await self._store.box(BOX)

    async def run_at(self, place: str) -> KnownRun | None:
        run_id = await self._store.recall(_place(place)) or await self._posted_by(place)
        return await self._known(run_id) if run_id else None

    async def asking_in(self, direct: str) -> list[KnownRun]:
        _, _, channel = direct.partition(":")
        asked = [await self._known(run) for run in await asking(self._store, f"slack:{channel}")]
        return [run for run in asked if run and run.asks]

    async def _known(self, run_id: str) -> KnownRun | None:
        head = await self._store.head(run_id)
        if head is None:
            return None
        # A paused run hears an answer, too, and goes on with it once it is resumed.
        asks = head.waiting_for if head.status in ("WAITING", "SET_ASIDE", "PAUSED") else ""
        agent = self._agents.get(head.agent)
        return KnownRun(
            id=head.id,
            asks="answer" if asks == "answer" else "approval" if asks == "approval" else "",
            listens=agent is not None and agent.listens == "thread",
            busy_until=head.updated_at if head.status in FINISHED else math.inf,
            asks_since=head.updated_at,
            asked_ts=await asked_ts(self._store, head.id) if asks else "",
            works=head.status not in FINISHED and (head.waiting_for or "retry") == "retry",
        )

    async def _posted_by(self, place: str) -> str | None:
        _, _, message = place.partition(":")
        receipt = await self._store.recall(receipt_key("slack", message))
        posted = EventRef.parse(receipt or "")
        return posted.run_id if posted else None

    async def addressed(self, place: str, sender: str) -> None:
        await self._store.overwrite(f"slack:addressed:{place}", sender, RECEIPT_TTL)

    async def addressed_by(self, place: str) -> str:
        return await self._store.recall(f"slack:addressed:{place}") or ""

    async def belongs(self, place: str, run_id: str) -> None:
        await self._store.overwrite(_place(place), run_id, RECEIPT_TTL)

    async def heard_until(self, place: str) -> str:
        return await self._store.recall(f"slack:heard:{place}") or ""

    async def heard(self, place: str, ts: str) -> None:
        await self._store.overwrite(f"slack:heard:{place}", ts, RECEIPT_TTL)

    async def current(self, direct: str) -> str | None:
        return await self._store.recall(f"slack:direct:{direct}")

    async def move(self, direct: str, expected: str | None, value: str) -> bool:
        return await self._store.swap(f"slack:direct:{direct}", expected, value)

    async def is_first(self, key: str, seconds: float) -> bool:
        token = secrets.token_hex(8)
        return await self._store.remember(f"slack:first:{key}", token, seconds) == token

    async def brake(self, bot: str, channel: str, thread: str, key: str) -> None:
        await self._brake.check(bot, channel, thread, key)

    def about(self, text: str, sender: str) -> Literal["", "command", "verdict"]:
        if command_of(text, sender) is not None:
            return "command"
        decides = read_yes_no(text, sender) is not None or leans_to_yes(text, sender)
        return "verdict" if decides else ""


def _place(place: str) -> str:
    return f"slack:place:{place}"
