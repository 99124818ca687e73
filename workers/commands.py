"""Words in a conversation that steer its run instead of being told to the agent. Pure."""

from __future__ import annotations

import re
from typing import Literal, assert_never

from workers import events as e
from workers.run import Run

Command = Literal["pause", "resume", "cancel"]

_COMMAND = re.compile(r"[/!](pause|resume|cancel)[.!]?", re.IGNORECASE)
_SIGNATURE = re.compile(r"(?m)^--\s*$")


def command_of(text: str) -> Command | None:
    """`/pause`, `/resume` or `/cancel`, alone in a message but for a signature; `!` serves where
    a program takes the slash for itself, as Slack does."""
    found = _COMMAND.fullmatch(_SIGNATURE.split(text, maxsplit=1)[0].strip())
    match found[1].lower() if found else None:
        case "pause":
            return "pause"
        case "resume":
            return "resume"
        case "cancel":
            return "cancel"
        case _:
            return None


def carry_out(
    run: Run, message: e.MessageReceived, now: float
) -> e.RunPaused | e.RunResumed | e.RunCancelled | e.MessageRefused:
    """What follows from a command: it is obeyed, or its sender is told why not."""
    command = command_of(message.text)
    assert command is not None
    if not message.authentic:
        text = f"I cannot see who wrote this, so I did not {command} anything."
        return e.MessageRefused(at=now, text=text)
    if run.over:
        return e.MessageRefused(at=now, text=f"Nothing is under way here to {command}.")
    match command:
        case "pause" if run.paused:
            return e.MessageRefused(at=now, text="This is paused already. /resume goes on.")
        case "pause":
            return e.RunPaused(at=now, by=message.sender, command=True)
        case "resume" if not run.paused:
            return e.MessageRefused(at=now, text="This is not paused.")
        case "resume":
            return e.RunResumed(at=now, by=message.sender, command=True)
        case "cancel":
            return e.RunCancelled(at=now, by=message.sender, command=True)
        case _:
            assert_never(command)
