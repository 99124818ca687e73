"""What is true while no worker has the run's agent: a part of `reduce`. Pure."""

from __future__ import annotations

from ponderd.workers.run import events as e
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_replies import audience, notify
from ponderd.workers.run.state import Missing, Run, others


def missed(run: Run, event: e.AgentMissed) -> Run:
    """Tell whoever waits, once for each of their messages."""
    if run.ended:
        return run
    inbox = (*run.inbox.waiting, *run.inbox.early)
    replying = (run.work.reply_to_approval,) if run.work.reply_to_approval else ()
    everybody = (*audience(run), *(message.reply_to for message in (*inbox, *replying)))
    for to in others(run.missing.untold if run.missing else everybody, None):
        run = notify(run, event.text, to)
    return replace(run, missing=Missing(), error=event.text)


def wrote(run: Run, message: e.MessageReceived) -> Run:
    """`message` came while the agent is missing: its sender does not know that yet."""
    if run.missing is None or run.inbox.commands[-1:] == (message,):
        return run
    untold = (*run.missing.untold, message.reply_to)
    return replace(run, missing=replace(run.missing, untold=untold))


def found(run: Run) -> Run:
    return replace(run, missing=None, error=None) if run.missing else run
