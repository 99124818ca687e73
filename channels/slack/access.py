"""Who may write to agents in Slack, and press their buttons. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from ponderd.channels.slack.writer import Writer

Refusal = Literal["a stranger", "a guest"]


class Known(Protocol):
    """What Slack says of a person (`directory.Person`)."""

    @property
    def team(self) -> str: ...
    @property
    def is_guest(self) -> bool: ...
    @property
    def is_stranger(self) -> bool | None: ...


def person_refused(writer: Writer, person: Known | None, allow: Collection[str]) -> Refusal | None:
    """Why this person may not write, or None. `allow` is PONDERD_SLACK_ALLOW; without `person` the
    event's own fields decide."""
    if {writer.user, writer.channel} & {*allow}:
        return None
    standing = _standing(writer)
    known = person.is_stranger if person else None
    unsure = standing == "unknown" if known is None else known
    if standing == "stranger" or unsure:
        teams = {writer.home, person.team if person else ""}
        return None if teams & {*allow} else "a stranger"
    guest = person is not None and person.is_guest
    return "a guest" if guest and "guests" not in allow else None


def is_certain(writer: Writer) -> bool:
    """Whether the event's own fields say that the writer is of the own workspace."""
    return _standing(writer) == "own"


def program_let_in(writer: Writer, bots: Collection[str]) -> bool:
    """Whether an operator named this program, the person who stands for it, or its kind."""
    named = {writer.user, *writer.programs} & {*bots}
    return bool(named) or (writer.is_workflow and "workflows" in bots)


def told(refusal: Refusal) -> str:
    """What a person hears who may not write."""
    match refusal:
        case "a guest":
            return "I answer members of this workspace, but no guests. An admin can let you in."
        case "a stranger":
            return "I answer members of the workspace that installed me. An admin can let you in."


def _standing(writer: Writer) -> Literal["own", "stranger", "unknown"]:
    if not writer.home or not writer.own:
        return "unknown" if writer.shared else "own"
    if writer.home in writer.own:
        return "own"
    if writer.organisation:  # one of its workspaces, unless others are in the channel, too
        return "unknown" if writer.shared else "own"
    return "stranger"
