"""What is true after somebody wrote, or something outside happened: the part of `reducer` about
what comes in."""

from __future__ import annotations

from dataclasses import replace

from ponderd.channels.message import principal
from ponderd.workers.run import events as e
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.repeats import repeats
from ponderd.workers.run.state import Effort, Outgoing, Run, Turn, add, others


def receive(run: Run, message: e.MessageReceived) -> Run:
    run = replace(_hurried(run), heard_at=message.at)
    if command_of(message.text):
        return replace(run, commands=(*run.commands, message))
    if run.is_asking:
        return replace(run, early=(*run.early, message))
    if run.waiting_for == "approval":
        return replace(run, reply_to_approval=message, waiting_for=None)
    if run.wait:
        return join(_waited(run, "not over, a message came first."), message)
    # A cancelled run first says so, and ends what was in flight for the messages before.
    settled = run.over and all(out.beside for out in run.outgoing)
    if run.waiting_for == "answer" or settled:
        return take_up(run, message)
    return replace(run, inbox=(*run.inbox, message))


def _hurried(run: Run) -> Run:
    """Somebody is there: what waits is tried again at once. That try is one more than planned, or
    a few impatient messages would use up the hours that a reply is worth."""
    if run.retry_at is None:
        return run
    run = replace(run, retry_at=None)
    if run.outgoing:
        first = run.outgoing[0]
        planned = first.attempts if first.beside else max(0, first.attempts - 1)
        return replace(run, outgoing=(replace(first, attempts=planned), *run.outgoing[1:]))
    failures = max(0, run.effort.model_failures - 1)
    return replace(run, effort=replace(run.effort, model_failures=failures))


def take_up(run: Run, message: e.MessageReceived) -> Run:
    """`message` becomes the one at hand."""
    run = replace(
        run,
        outgoing=run.outgoing + _answered(run, message),
        text=message.text,
        reply_to=message.reply_to,
        listeners=(),
        heard_since=message.at,
        joined=0,
        waiting_for=None,
        question=None,
        over=None,
        paused=run.paused and run.over is None,
        under_way=run.waiting_for == "answer" and run.over is None,
        effort=Effort(),
        asked_again=asks_again(run, message),
        before=run.effort if run.effort.arm else run.before,
        answered_at=None,
        error=None,
    )
    return _hear(run, message)


AGAIN_SECONDS = 600.0
"""For so long after an answer, asking for the same says that it was not good."""


def asks_again(run: Run, message: e.MessageReceived) -> bool:
    """Whether `message` comes back to what was just answered, because the answer was no good."""
    if run.channel == "webhook":  # a program that sends its template again complains of nothing
        return False
    if run.answered_at is None or not 0 <= message.at - run.answered_at <= AGAIN_SECONDS:
        return False
    return repeats(run.text, message.text)


def join(run: Run, message: e.MessageReceived) -> Run:
    """`message` is answered together with the one at hand."""
    run = replace(run, under_way=run.pinned)
    if run.call:
        run = settle(run, "not done, another message came first.")
    run = replace(
        run,
        text=f"{run.text}\n{message.text}",
        reply_to=message.reply_to,
        listeners=others((run.reply_to, *run.listeners), message.reply_to),
        effort=Effort(),
    )
    return _hear(run, message)


def settle(run: Run, outcome: str) -> Run:
    """The chosen tool call is over, one way or the other."""
    name = run.call.tool if run.call else "tool"
    run = replace(run, call=None, call_key=None, approved="", approval=None)
    return add(run, Turn("tool", f"{name}: {outcome}"))


def begin_wait(run: Run, wait: e.Waiting) -> Run:
    for index, event in enumerate(run.mailbox):
        if wait.event and event.name == wait.event:  # it came before anybody waited for it
            mailbox = run.mailbox[:index] + run.mailbox[index + 1 :]
            return _arrived(replace(run, mailbox=mailbox), event)
    return replace(run, wait=wait)


def hear_of(run: Run, event: e.EventReceived) -> Run:
    if run.wait and run.wait.event == event.name:
        return _arrived(replace(run, wait=None), event)
    return replace(run, mailbox=(*run.mailbox, event))


def end_wait(run: Run) -> Run:
    return _waited(run, "the time is over.") if run.wait else run


def _hear(run: Run, message: e.MessageReceived) -> Run:
    files = "".join(f"\n[attached: {name}]" for name in message.attachments)
    first = run.first_sender or message.sender
    # The model is told who speaks as soon as there is more than one person.
    another = message.sender.lower() != first.lower()  # a button tells it in lower case
    by = f"\n[from {message.sender}]" if another else ""
    run = replace(run, first_sender=first, sender=principal(message.via, message.sender))
    return add(run, Turn("person", message.text + files + by))


def _answered(run: Run, message: e.MessageReceived) -> tuple[Outgoing, ...]:
    """Where the open question has buttons, they are taken away."""
    if run.question is None:
        return ()
    text = f"{run.question.text}\n{principal(message.via, message.sender)}: {message.text}"
    return tuple(
        Outgoing("notice", text, posted.to, resolves=posted.receipt, beside=True)
        for posted in run.question.posted
        if posted.to.channel == "slack"
    )


def _waited(run: Run, how: str) -> Run:
    name = f"event {run.wait.event}" if run.wait and run.wait.event else "wait"
    return add(replace(run, wait=None), Turn("tool", f"{name}: {how}"))


def _arrived(run: Run, event: e.EventReceived) -> Run:
    return add(run, Turn("tool", f"event {event.name}: {event.payload or 'it happened.'}"))
