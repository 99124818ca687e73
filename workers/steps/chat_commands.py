"""Carry out /pause, /resume and /cancel, or say why not. Pure."""

from __future__ import annotations

from typing import assert_never

from ponderd.workers.run import events as e
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.state import Run
from ponderd.workers.steps.approval import CLOCK_SKEW


def carry_out(
    run: Run, message: e.MessageReceived, now: float
) -> e.RunPaused | e.RunResumed | e.RunCancelled | e.MessageRefused:
    """Return the event that obeys the command, or the one that refuses it."""
    command = command_of(message.own_text, message.sender)
    assert command is not None
    if not message.authentic:
        text = f"I cannot see who wrote this, so I did not {command} anything."
        return e.MessageRefused(at=now, text=text)
    written_at = message.written_at
    if written_at is not None and written_at < run.message.since - CLOCK_SKEW:
        text = f"You wrote that before the message I am at, so I did not {command} it."
        return e.MessageRefused(at=now, text=text)
    if run.ended:
        return e.MessageRefused(at=now, text=f"There is nothing to {command} here.")
    match command:
        case "pause" if run.paused:
            return e.MessageRefused(at=now, text="This is already paused. /resume continues it.")
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
