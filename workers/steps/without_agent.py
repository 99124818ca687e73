"""What to do about a run whose agent no worker has. Pure.

What was begun or decided is still finished, and people are told. All else waits for the agent.
"""

from __future__ import annotations

from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.run.undelivered import due
from ponderd.workers.steps.chat_commands import carry_out
from ponderd.workers.steps.next_step import Record, SendReply, Wait, inbox_is_full, waits

LOOK_SECONDS = 10.0
"""Seconds until a worker looks again whether the agent is back."""


def step_without_agent(run: Run, now: float) -> Record | SendReply | Wait:
    """The first rule that fits. `now` is the store's clock, Unix seconds."""
    if run.inbox.commands:
        return Record(carry_out(run, run.inbox.commands[0], now))
    if full := inbox_is_full(run, None, now):
        return full
    if again := due(run, now):
        return SendReply(again)
    if run.retry_at is not None and run.retry_at > now:
        return Wait(run.retry_at)
    if run.ended and run.work.call and run.work.call_key:
        return Record(e.ToolOutcomeUnknown(at=now))
    first = run.outbox.queue[0] if run.outbox.queue else None
    if first and (not run.paused or first.key or first.kind == "notice"):
        return SendReply(first)
    if not _needs_agent(run, now):
        return waits(run, Wait(), now)
    if run.missing is None or run.missing.untold:
        text = (
            f"The agent {run.agent} is not installed any more, so I cannot go on with this. An "
            "operator has to bring it back, or cancel this. If it comes back, I go on by myself."
        )
        return Record(e.AgentMissed(at=now, text=text))
    return Wait(now + LOOK_SECONDS)


def _needs_agent(run: Run, now: float) -> bool:
    if run.ended or run.paused or run.work.waiting_for:
        return False
    wait = run.work.wait
    return wait is None or (wait.until is not None and wait.until <= now)
