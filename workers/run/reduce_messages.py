"""What is true after a message or an event came in: a part of `reduce`. Pure."""

from __future__ import annotations

from ponderd.channels.message import Inquiry, principal
from ponderd.channels.text import one_line
from ponderd.workers.run import events as e
from ponderd.workers.run.attached import earlier, told, without_brackets, without_marks
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.copies import replace
from ponderd.workers.run.effort import Effort
from ponderd.workers.run.repeats import repeats
from ponderd.workers.run.state import CurrentMessage, Outgoing, Run, Turn, add, others
from ponderd.workers.run.undelivered import hurry, overtaken, unseen
from ponderd.workers.run.unknown_outcomes import answered

EVENTS = 1_000
"""How many events a run keeps that nobody waits for yet; beyond that the oldest is forgotten."""


def receive(run: Run, message: e.MessageReceived) -> Run:
    run = hurry(_hurried(run), message)
    inbox, work = replace(run.inbox, heard_at=message.at), run.work
    run = replace(run, inbox=inbox)
    if command_of(message.own_text, message.sender):
        return replace(run, inbox=replace(inbox, commands=(*inbox.commands, message)))
    if run.is_asking or unseen(run, message):
        return replace(run, inbox=replace(inbox, early=(*inbox.early, message)))
    if work.waiting_for == "approval":
        return replace(run, work=replace(work, reply_to_approval=message, waiting_for=None))
    if work.wait:
        return join(_waited(run, "not over, a message came first."), message)
    # A cancelled run first says so, and ends what was in flight for the messages before.
    settled = run.ended and all(out.beside for out in run.outbox.queue)
    if work.waiting_for in ("answer", "delivery") or settled:
        return take_up(answered(run), message)
    return replace(run, inbox=replace(inbox, waiting=(*inbox.waiting, message)))


def _hurried(run: Run) -> Run:
    """Try at once what waits for another try, because somebody is there.

    This try does not count. Otherwise a few impatient messages would use up the tries that were
    meant for hours.
    """
    if run.effort.retry_at is not None:
        failures = max(0, run.effort.model_failures - 1)
        run = replace(run, effort=replace(run.effort, model_failures=failures, retry_at=None))
    if run.retry_at is None:
        return run
    run = replace(run, retry_at=None)
    if queue := run.outbox.queue:
        first = queue[0]
        planned = first.attempts if first.beside else max(0, first.attempts - 1)
        queue = (replace(first, attempts=planned), *queue[1:])
        run = replace(run, outbox=replace(run.outbox, queue=queue))
    return run


def take_up(run: Run, message: e.MessageReceived) -> Run:
    """Make `message` the current one."""
    goes_on = run.work.waiting_for == "answer" and run.ended is None
    run = overtaken(run)
    queue = run.outbox.queue + _answered(run, message)
    run = replace(
        run,
        message=CurrentMessage(
            text=message.text,
            sender=run.message.sender,
            reply_to=message.reply_to,
            since=message.at,
            under_way=goes_on,
            asked_again=asks_again(run, message),
        ),
        work=replace(run.work, waiting_for=None, question=None),
        outbox=replace(run.outbox, queue=queue, answered_at=None),
        ended=None,
        paused=run.paused and run.ended is None,
        effort=Effort(),
        effort_before=run.effort if run.effort.arm else run.effort_before,
        error=None,
    )
    return _hear(run, message)


AGAIN_SECONDS = 600.0
"""How long after an answer a repeated question means that the answer was not good."""


def asks_again(run: Run, message: e.MessageReceived) -> bool:
    """Whether `message` repeats what was just answered, because the answer was not good."""
    # A program that sends its template again does not complain.
    if run.channel in ("webhook", "schedule"):
        return False
    answered_at = run.outbox.answered_at
    if answered_at is None or not 0 <= message.at - answered_at <= AGAIN_SECONDS:
        return False
    return repeats(run.message.text, message.text)


def join(run: Run, message: e.MessageReceived) -> Run:
    """Answer `message` together with the current one."""
    run = replace(run, message=replace(run.message, under_way=run.pinned))
    if run.work.call:
        run = settle(run, "not done, another message came first.")
    current = run.message
    joined = replace(
        current,
        text=f"{current.text}\n{message.text}",
        reply_to=message.reply_to,
        listeners=others((current.reply_to, *current.listeners), message.reply_to),
    )
    return _hear(replace(run, message=joined, effort=Effort()), message)


def settle(run: Run, outcome: str) -> Run:
    """End the chosen tool call, one way or the other."""
    name = run.work.call.tool if run.work.call else "tool"
    work = run.work
    work = replace(work, call=None, call_key=None, begun=0)
    work = replace(work, approved="", approval=None)
    return add(replace(run, work=work), Turn("tool", f"{name}: {outcome}"))


def begin_wait(run: Run, wait: e.Waiting) -> Run:
    for index, event in enumerate(run.inbox.events):
        if wait.event and event.name == wait.event:  # it came before anybody waited for it
            events = run.inbox.events[:index] + run.inbox.events[index + 1 :]
            return _arrived(replace(run, inbox=replace(run.inbox, events=events)), event)
    return replace(run, work=replace(run.work, wait=wait))


def hear_of(run: Run, event: e.EventReceived) -> Run:
    if run.work.wait and run.work.wait.event == event.name:
        return _arrived(replace(run, work=replace(run.work, wait=None)), event)
    events = (*run.inbox.events, event)[-EVENTS:]
    return replace(run, inbox=replace(run.inbox, events=events))


def end_wait(run: Run) -> Run:
    return _waited(run, "the time is over.") if run.work.wait else run


def _hear(run: Run, message: e.MessageReceived) -> Run:
    files = told(message.attachments, run.files_gone + len(run.files) + 1)
    also = f"\n[also to: {', '.join(message.people)}]" if message.people else ""
    tag = f"\n[tag: {message.tag}]" if message.tag else ""
    first = run.first_sender or message.sender
    # The model is told who speaks as soon as there is more than one person, or they have a name.
    another = message.sender.lower() != first.lower()  # a button tells it in lower case
    name = without_brackets(one_line(message.name, 80))
    who = f"{name} ({message.sender})" if name else message.sender
    by = f"\n[from {who}]" if another or name else ""
    current = replace(run.message, sender=principal(message.via, message.sender))
    run = replace(run, first_sender=first, message=current, files=run.files + message.attachments)
    said = earlier(message.before) + without_marks(message.text)
    return add(run, Turn("person", said + files + also + tag + by))


def _answered(run: Run, message: e.MessageReceived) -> tuple[Outgoing, ...]:
    """Take the buttons away where the open question has any."""
    question = run.work.question
    if question is None:
        return ()
    outcome = f"{principal(message.via, message.sender)}: {message.text}"
    return tuple(
        Outgoing(
            "notice",
            f"{question.text}\n{outcome}",
            posted.to,
            resolves=posted.receipt,
            settles=Inquiry(id=question.id, kind="question"),
            outcome=outcome,
            beside=True,
        )
        for posted in question.posted
        if posted.to.channel == "slack"
    )


def _waited(run: Run, how: str) -> Run:
    wait = run.work.wait
    name = f"event {wait.event}" if wait and wait.event else "wait"
    return add(replace(run, work=replace(run.work, wait=None)), Turn("tool", f"{name}: {how}"))


def _arrived(run: Run, event: e.EventReceived) -> Run:
    return add(run, Turn("tool", f"event {event.name}: {event.payload or 'it happened.'}"))
