"""What the Slack app has to be allowed and to hear, and what is missing without each. Pure.

deploy/slack-manifest.yaml asks for exactly this; a test holds the two together. `ponderd doctor`
compares it with what the app really has.
"""

from __future__ import annotations

from collections.abc import Iterable

COMMAND = "/ponderd"

SCOPES = {
    "app_mentions:read": "no mention is heard",
    "chat:write": "no answer is sent, and no status is shown",
    "im:history": "no direct message is heard",
    "im:write": "no answer reaches a person directly",
    "commands": f"{COMMAND} and the entry in a message's menu do nothing",
    "channels:history": "in public channels a mention comes without the thread before it, and an "
    "answer may come twice",
    "groups:history": "in private channels a mention comes without the thread before it, and an "
    "answer may come twice",
    "mpim:history": "in group messages a mention comes without the thread before it, and an answer "
    "may come twice",
    "metadata.message:read": "an answer may come twice if Slack's response was lost",
    "reactions:read": "nobody can rate an answer with a thumb",
    "reactions:write": "where Slack shows no status, there is no sign before the answer",
    "users:read": "people are ids, and guests cannot be told from members",
    "usergroups:read": "user groups are ids",
    "channels:read": "public channels are ids",
    "groups:read": "private channels are ids",
    "files:read": "files are only named, not read",
}
"""The scopes of the bot token, and what does not work without each."""

VITAL_SCOPES = frozenset({"app_mentions:read", "chat:write"})
"""Without them there is no answer at all."""

EVENTS = {
    "app_mention": "no mention is heard",
    "message.im": "no direct message is heard",
    "message.channels": "in public channels, replies without a mention are not heard",
    "message.groups": "in private channels, replies without a mention are not heard",
    "message.mpim": "in group messages, replies without a mention are not heard",
    "reaction_added": "nobody can rate an answer with a thumb",
}
"""The events that the app subscribes to, and what does not work without each."""


def missing_scopes(granted: str) -> dict[str, str]:
    """Of the scopes in `granted`, as the header x-oauth-scopes lists them, those that are missing,
    and what does not work without each."""
    return _missing(SCOPES, (scope.strip() for scope in granted.split(",")))


def missing_events(subscribed: Iterable[str]) -> dict[str, str]:
    """Likewise for events."""
    return _missing(EVENTS, subscribed)


def _missing(needed: dict[str, str], there: Iterable[str]) -> dict[str, str]:
    found = set(there)
    return {name: loss for name, loss in needed.items() if name not in found}
