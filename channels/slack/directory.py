"""Who and what Slack's ids are: people, channels and groups, asked for once and kept for a while.

Everything works without: where Slack does not say, ids stay ids, and one line in the log says why.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.slack.failures import CALL_ERRORS, Failure, failure_of
from ponderd.channels.slack.kept_for import KeptFor
from ponderd.channels.slack.reading.names import Ids, Names
from ponderd.channels.text import one_line

SECONDS = 2.0
"""Seconds that a look-up may take whoever asks. It goes on for whoever asks next."""
KEPT = 600
"""Seconds for which an answer of Slack's is believed."""
NAME_LIMIT = 80
"""Characters of a name."""
IDS = 40
"""Most ids of one message that are looked up."""

_ENTRIES = 10_000
_AT_ONCE = 8
_PAUSE = 15
"""Seconds for which a workspace is not asked again after Slack could not be reached."""
# The id is not known; the next one may be.
_UNKNOWN = ("user_not_found", "user_not_visible", "channel_not_found", "users_not_found")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in Slack, as seen from one workspace."""

    id: str
    name: str
    """The display name, else the real name, else the id."""
    team: str
    """Their own workspace. Empty: Slack does not say."""
    is_guest: bool
    """They see only some channels of the workspace."""
    is_stranger: bool | None
    """They belong to another workspace. None: seen from an organisation, Slack does not say."""
    is_bot: bool
    is_owner: bool


class Directory:
    """Looks ids up. `client_of` gives the client for a team; it may raise DeliveryError."""

    def __init__(
        self, client_of: Callable[[str], AsyncWebClient], *, seconds: float = SECONDS
    ) -> None:
        self._client_of = client_of
        self._seconds = seconds
        self._known: KeptFor[object] = KeptFor(_ENTRIES, KEPT)
        self._asked: dict[tuple[str, str, str], asyncio.Task[object]] = {}
        self._paused: KeptFor[str] = KeptFor(_ENTRIES, KEPT)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def person(self, team: str, user: str) -> Person | None:
        """None: Slack did not say. Never raises, takes at most `seconds`."""
        found = (await self._all(team, [("users.info", user)])).get(("users.info", user))
        return found if isinstance(found, Person) else None

    async def names(self, team: str, ids: Ids) -> Names:
        """The names of what is known of `ids`. Never raises, takes at most `seconds`."""
        wanted = [
            *(("users.info", user) for user in ids.people),
            *(("conversations.info", channel) for channel in ids.channels),
        ][:IDS]
        groups = [("usergroups.list", "")] if ids.groups else []
        found = await self._all(team, [*wanted, *groups])
        people: dict[str, str] = {}
        channels: dict[str, str] = {}
        handles: Mapping[str, str] = {}
        for (method, known_as), what in found.items():
            match method, what:
                case "users.info", Person(name=name):
                    people[known_as] = name
                case "conversations.info", str(name) if name:
                    channels[known_as] = name
                case "usergroups.list", dict(listed):
                    handles = listed
        named = {group: handles[group] for group in ids.groups if group in handles}
        return Names(people=people, channels=channels, groups=named)

    async def close(self) -> None:
        """Give up what is still being looked up."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _all(self, team: str, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], object]:
        found: dict[tuple[str, str], object] = {}
        asked: dict[tuple[str, str], asyncio.Task[object]] = {}
        for method, known_as in wanted:
            key = (team, method, known_as)
            known = self._known.get(key)
            if known is not None:
                found[method, known_as] = known
            elif key in self._asked:
                asked[method, known_as] = self._asked[key]
            elif not self._paused.get((team, method)):
                task = asyncio.create_task(self._look_up(team, method, known_as))
                self._asked[key] = task
                task.add_done_callback(partial(self._forget, key))
                asked[method, known_as] = task
        if asked:
            done, _ = await asyncio.wait(asked.values(), timeout=self._seconds)
            found |= {
                key: task.result()
                for key, task in asked.items()
                if task in done and not task.cancelled()
            }
        return found

    def _forget(self, key: tuple[str, str, str], _: asyncio.Task[object]) -> None:
        self._asked.pop(key, None)

    async def _look_up(self, team: str, method: str, known_as: str) -> object:
        """What Slack says, which is kept. None if it says nothing."""
        async with self._turns:
            if self._paused.get((team, method)):
                return None
            try:
                found = await _ask(self._client_of(team), method, known_as, team)
            except CALL_ERRORS as error:
                failure = failure_of(error)
                if failure.reason in _UNKNOWN:
                    self._known.put((team, method, known_as), "")
                    return None
                self._pause(team, method, failure)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                self._pause(team, method, Failure(f"not understood: {error!r}", False, None))
            else:
                self._known.put((team, method, known_as), found)
                return found
        return None

    def _pause(self, team: str, method: str, failure: Failure) -> None:
        """Ask this workspace no more for a while. Say so once."""
        if self._paused.get((team, method)):
            return  # by a question that was asked at the same time
        seconds = failure.wait or (_PAUSE if failure.passes else KEPT)
        self._paused.put((team, method), failure.reason, seconds)
        log.warning("slack names nobody", method=method, team=team, reason=failure.reason)


async def _ask(client: AsyncWebClient, method: str, known_as: str, team: str) -> object:
    match method:
        case "users.info":
            return _person((await client.users_info(user=known_as))["user"], team)
        case "conversations.info":
            channel = (await client.conversations_info(channel=known_as))["channel"]
            return plain_name(channel.get("name") or "")
        case _:
            return {
                str(group["id"]): plain_name(group.get("handle") or group.get("name") or "")
                for group in (await client.usergroups_list())["usergroups"]
            }


def _person(user: Mapping[str, Any], team: str) -> Person:
    profile = user.get("profile") or {}
    names = (
        profile.get("display_name"), profile.get("real_name"), user.get("real_name"),
        user.get("name"),
    )  # fmt: skip
    plain = (plain_name(name) for name in names if isinstance(name, str))
    organisation = user.get("enterprise_user") or {}
    own = str(user.get("team_id") or "")
    # In an organisation a person belongs to several workspaces.
    homes = {own, organisation.get("enterprise_id"), *(organisation.get("teams") or ())}
    return Person(
        id=str(user["id"]),
        name=next((name for name in plain if name), str(user["id"])),
        team=own,
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_stranger=_is_stranger(user, team, homes),
        is_bot=bool(user.get("is_bot")),
        is_owner=bool(user.get("is_owner") or user.get("is_primary_owner")),
    )


def _is_stranger(user: Mapping[str, Any], team: str, homes: set[Any]) -> bool | None:
    if user.get("is_stranger") or not (team and user.get("team_id")) or team in homes:
        return bool(user.get("is_stranger"))
    if team.startswith("E") and not any(str(home or "").startswith("E") for home in homes):
        return None
    return True


def plain_name(name: str) -> str:
    """A name as one line of plain characters, which cannot be taken for a mark of ours."""
    plain = "".join(char for char in unicodedata.normalize("NFC", name[:1_000]) if _is_plain(char))
    return one_line(plain, NAME_LIMIT)


def _is_plain(char: str) -> bool:
    """Neither invisible nor a bracket; a mark of ours begins with one."""
    return char in "\t\n\r" or not (char in "<>[]" or unicodedata.category(char)[0] == "C")
