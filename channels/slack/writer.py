"""Who does something in Slack, and where, as the event itself tells it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ponderd.channels.errors import Malformed
from ponderd.channels.slack.ids import id_field
from ponderd.channels.text import one_line

_ID = re.compile("[A-Za-z0-9._-]{1,80}")

_SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Writer:
    """A person or a program, in a channel."""

    team: str
    """The workspace of ours that was told of it; its token answers."""
    channel: str
    user: str = ""
    """Empty: a program for which no person stands."""
    home: str = ""
    """The workspace or organisation of the person. Empty: Slack does not say."""
    own: frozenset[str] = frozenset()
    """Workspaces and organisations in which ponderd is installed. Empty: Slack does not say."""
    organisation: str = ""
    """The organisation, if ponderd is installed in the whole of it."""
    shared: bool = False
    """People of other organisations may be in the channel."""
    programs: frozenset[str] = frozenset()
    """The ids of the program that wrote: bot B…, app A…. Empty: a person wrote."""
    is_workflow: bool = False
    name: str = ""
    """What a program calls itself."""

    @property
    def sender(self) -> str:
        """Whoever wrote, with their team: "T1/U1". A program without a person: "T1/B1"."""
        return f"{self.home or self.team}/{self.user or min(self.programs, default='')}"


def writer_of_event(body: Mapping[str, Any], event: Mapping[str, Any], channel: str) -> Writer:
    """The writer of an event of the Events API. Raises Malformed."""
    told = [entry for entry in _list(body.get("authorizations")) if isinstance(entry, dict)]
    mine = next((entry for entry in told if entry.get("team_id") == body.get("team_id")), None)
    mine = mine or (told[0] if told else {})
    enterprise = _id(mine, "enterprise_id") or _id(body, "enterprise_id")
    installed = bool(
        mine.get("is_enterprise_install")
        or body.get("is_enterprise_install")
        or not (_id(body, "team_id") and _id(mine or body, "team_id"))  # no workspace of its own
    )
    home = next(_ids(event, "user_team", "source_team", "team"), "")
    team = next(
        filter(None, (_id(mine, "team_id"), _id(body, "team_id"), home,
                      _id(body, "context_team_id"), enterprise)), ""
    )  # fmt: skip
    if not team:
        raise Malformed("team_id: neither the event nor its authorizations name a workspace")
    own = {found for entry in told for found in _ids(entry, "team_id", "enterprise_id")}
    if not own:
        own = {*_ids(body, "context_team_id", "team_id"), enterprise} - {""}
    shared = body.get("is_ext_shared_channel") is True or event.get("is_ext_shared_channel") is True
    programs = _programs(event)
    user = "" if programs and not event.get("user") else id_field(dict(event), "user")
    profile = _dict(event.get("bot_profile"))
    name = event.get("username") or profile.get("name")
    return Writer(
        team=team,
        channel=channel,
        user=user,
        home=home,
        own=frozenset(own),
        organisation=enterprise if installed else "",
        shared=shared,
        programs=programs,
        is_workflow=bool(profile.get("is_workflow_bot") or event.get("workflow_id")),
        name=one_line(name, 80) if programs and isinstance(name, str) else "",
    )


def writer_of_click(body: Mapping[str, Any], channel: str, own: str = "") -> Writer:
    """The writer of a click, a shortcut or a command, which name no authorizations. `own`: a team
    that is known to be ours. Raises Malformed."""
    team, enterprise = _dict(body.get("team")), _dict(body.get("enterprise"))
    user = _dict(body.get("user"))
    if "user_id" in body:  # a slash command is a form
        user = {"id": body["user_id"], "team_id": body.get("team_id")}
        team, enterprise = {"id": body.get("team_id")}, {"id": body.get("enterprise_id")}
    organisation = _id(enterprise, "id")
    home = _id(user, "team_id") or _id(team, "id")
    at = own or _id(team, "id") or home or organisation
    if not at:
        raise Malformed("team: expected the id of a workspace")
    installed = body.get("is_enterprise_install") in (True, "true")
    return Writer(
        team=at,
        channel=channel,
        user=id_field(user, "id"),
        home=home,
        own=frozenset({own} - {""}),
        organisation=organisation if installed else "",
    )


def is_ours(body: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether our own app wrote it. Answering ourselves would start a loop."""
    own_user, app = own_user_of(body), body.get("api_app_id")
    profile = _dict(event.get("bot_profile"))
    by_app = (
        isinstance(app, str) and app != "" and app in (event.get("app_id"), profile.get("app_id"))
    )
    return by_app or (own_user is not None and event.get("user") == own_user)


def own_user_of(body: Mapping[str, Any]) -> str | None:
    """The user id of this app in the workspace. None if the event does not tell."""
    told = [entry for entry in _list(body.get("authorizations")) if isinstance(entry, dict)]
    named = [entry for entry in told if isinstance(entry.get("user_id"), str)]
    mine = next((entry for entry in named if entry.get("team_id") == body.get("team_id")), None)
    mine = mine or (named[0] if named else {})
    return _id(mine, "user_id") or None


def _programs(event: Mapping[str, Any]) -> frozenset[str]:
    profile = _dict(event.get("bot_profile"))
    by_program = event.get("bot_id") or profile or event.get("subtype") == "bot_message"
    if event.get("user") == _SLACKBOT:
        return frozenset({_SLACKBOT, *_ids(event, "bot_id", "app_id")})
    if not by_program:
        return frozenset()
    found = {*_ids(event, "bot_id", "app_id"), *_ids(profile, "id", "app_id")}
    return frozenset(found or {"unknown"})


def _ids(fields: Mapping[str, Any], *names: str) -> Iterator[str]:
    return (found for name in names if (found := _id(fields, name)))


def _id(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
