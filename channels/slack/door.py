"""Who may write to agents in Slack, as Slack and the operator say; others are told no, once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from ponderd.channels.errors import DeliveryError, Forbidden
from ponderd.channels.slack.access import Refusal, person_refused, told
from ponderd.channels.slack.directory import Directory, Person
from ponderd.channels.slack.memory import SlackMemory
from ponderd.channels.slack.own_teams import OwnTeams
from ponderd.channels.slack.web_api import Workspaces
from ponderd.channels.slack.writer import Writer

TOLD_SECONDS = 24 * 3600.0
"""How long somebody who may not write is not told so again in the same channel."""

log = structlog.get_logger(__name__)


class Door:
    """`allow` is PONDERD_SLACK_ALLOW."""

    def __init__(
        self,
        workspaces: Workspaces,
        directory: Directory,
        memory: SlackMemory,
        allow: Collection[str],
    ) -> None:
        self._workspaces = workspaces
        self._directory = directory
        self._memory = memory
        self._own = OwnTeams(workspaces)
        self._allow = allow

    async def check(self, writer: Writer, thread: str = "") -> Person | None:
        """Who it is, if they may write. Raises Forbidden, after they were told so, once."""
        writer = await self._own.of(writer)
        # Seen from one workspace, colleagues of the other workspaces would be strangers.
        person = await self._directory.person(writer.organisation or writer.team, writer.user)
        refusal = person_refused(writer, person, self._allow)
        if refusal is None:
            return person
        await self._tell(writer, refusal, thread)
        raise Forbidden(f"{refusal} may not write: {writer.sender} in {writer.channel}")

    async def _tell(self, writer: Writer, refusal: Refusal, thread: str) -> None:
        key = f"{writer.team}:{writer.channel}:{writer.user}"
        if await self._memory.is_first(key, TOLD_SECONDS):
            await self.whisper(writer, told(refusal), thread)

    async def whisper(self, writer: Writer, text: str, thread: str = "") -> None:
        """Say something that only one person sees. It may be lost."""
        try:
            client = self._workspaces.client(writer.team, writer.organisation)
            async with asyncio.timeout(3):
                await client.chat_postEphemeral(
                    channel=writer.channel, user=writer.user, text=text, thread_ts=thread or None
                )
        except (DeliveryError, SlackApiError, aiohttp.ClientError, OSError) as error:
            log.info("slack did not show a remark", error=repr(error))
