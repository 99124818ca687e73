"""The workspaces in which the app is installed. Clicks, commands and shortcuts do not tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from ponderd.channels.errors import DeliveryError
from ponderd.channels.slack.kept_for import KeptFor
from ponderd.channels.slack.web_api import Workspaces, web_client
from ponderd.channels.slack.writer import Writer

SECONDS = 2.0
"""Seconds that all questions to Slack may take: a person waits for their click."""
KEPT = 3600
"""Seconds for which an answer of Slack's is believed."""

_TOKENS = 1_000

log = structlog.get_logger(__name__)


class OwnTeams:
    """Learns them from events, and asks Slack to whom each token belongs."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._seen: set[str] = set()
        self._asked: KeptFor[frozenset[str]] = KeptFor(_TOKENS, KEPT)

    async def of(self, writer: Writer) -> Writer:
        """`writer`, with the workspaces that are ours if the event did not tell. Never raises."""
        if writer.own:
            self._seen |= writer.own
            return writer
        return replace(writer, own=frozenset(self._seen | await self._told()))

    async def _told(self) -> set[str]:
        try:
            tokens = self._workspaces.tokens()
            async with asyncio.timeout(SECONDS):
                told = await asyncio.gather(*map(self._owner_of, tokens.values()))
        except (DeliveryError, TimeoutError) as error:
            log.info("slack does not say whose the tokens are", error=str(error))
            return set()
        return {team for teams in told for team in teams} | ({*tokens} - {""})

    async def _owner_of(self, token: str) -> frozenset[str]:
        known = self._asked.get(token)
        if known is not None:
            return known
        try:
            answer = await web_client(self._workspaces.settings, token).auth_test()
        except (SlackApiError, aiohttp.ClientError, OSError) as error:
            log.info("slack does not say whose a token is", error=str(error))
            return frozenset()
        found = (answer.get("team_id"), answer.get("enterprise_id"))
        teams = frozenset(team for team in found if isinstance(team, str) and team)
        self._asked.put(token, teams)
        return teams
