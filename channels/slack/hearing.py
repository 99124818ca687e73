"""Whether a message that does not mention us is for us all the same."""

from __future__ import annotations

import json

from ponderd.channels.errors import Refused
from ponderd.channels.slack.conversation import is_for_others
from ponderd.channels.slack.memory import KnownRun, SlackMemory
from ponderd.channels.slack.receive import SlackMessage, parse


class NotKnownYetError(Exception):
    """Whether a message is for us depends on what its run does next."""


async def is_heard(
    memory: SlackMemory, message: SlackMessage, run: KnownRun | None, own: str
) -> bool:
    """`run` is that of the thread, `own` what the writer typed. Raises NotKnownYetError,
    Unavailable."""
    text = message.event.get("text")
    if is_for_others(text if isinstance(text, str) else "", message.own_user):
        return False
    writer = message.writer
    about = memory.about(own, writer.sender)
    if run is None:
        if about and message.thread and await _is_coming(memory, message):
            raise NotKnownYetError
        return False
    if about == "command" or run.listens or run.asks == "answer":
        return True
    if run.works and not run.asks:
        place = f"{writer.team}:{writer.channel}:{message.thread}"
        if about or await memory.addressed_by(place) == writer.sender:
            raise NotKnownYetError
    return run.asks == "approval" and about == "verdict"


def is_typed_ahead(message: SlackMessage, run: KnownRun | None) -> bool:
    """Whether it was written before the approval that is open now was asked for."""
    if run is None or run.asks != "approval" or not run.asked_ts:
        return False
    return float(message.ts) < float(run.asked_ts)


async def _is_coming(memory: SlackMemory, message: SlackMessage) -> bool:
    """Whether a mention in the same thread is still to be worked off, by another daemon perhaps."""
    for kept in (await memory.waiting()).values():
        try:
            event = parse(json.loads(kept)["body"])
        except (Refused, ValueError, TypeError, KeyError, AttributeError):
            continue
        if isinstance(event, SlackMessage) and event.mentions_us and event.lane == message.lane:
            return True
    return False
