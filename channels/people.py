"""Who did something, as ponderd's own sentences name them. Pure.

What a sentence quotes stands behind the names, and may look like one: it names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PERSON = r"slack:(?:[a-z0-9]{1,30}/)?[uw][a-z0-9]{1,20}"
# The only places in which ponderd names people.
_NAMING = re.compile(
    r"(?:(?:Approved|Denied|Withdrawn|Expired|Cancelled) by |(?:this was )?already [a-z]{1,20} by "
    r"|this question was already answered by |You may not decide this; it waits for )"
    r"((?:\S{1,150} or ){0,50}\S{1,150}?)(?=[.,:;](?:\s|$)|$)"
    rf"|({_PERSON})(?=: )",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?<![^\s]){_PERSON}(?=[.,:;\s]|$)", re.IGNORECASE)
_SENDER = re.compile("[A-Z0-9]{1,30}/[UW][A-Z0-9]{1,20}")


def named(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a sentence, and whether each is a person in Slack, as `principal` names them."""
    found = _NAMING.match(text)
    at = 0
    for person in _NAMED.finditer(text, found.start(), found.end()) if found else ():
        yield text[at : person.start()], False
        yield person[0], True
        at = person.end()
    yield text[at:], False


def is_in_slack(principal: str) -> bool:
    return re.fullmatch(_PERSON, principal, re.IGNORECASE) is not None


def principal_of(by: str) -> str:
    """Who gave a command. In Slack that is the sender of a message: "T1/U1"."""
    return f"slack:{by.lower()}" if _SENDER.fullmatch(by) else by


def without_team(principal: str) -> str:
    """The principal as it is shown outside Slack, whose workspaces say nothing to people there:
    "slack:u1" for "slack:t1/u1"."""
    if not is_in_slack(principal):
        return principal
    channel, _, person = principal.partition(":")
    return f"{channel}:{person.rpartition('/')[2]}"


def without_teams(text: str) -> str:
    """A sentence of ponderd as it is shown outside Slack."""
    return "".join(without_team(part) if is_person else part for part, is_person in named(text))
