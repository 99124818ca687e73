"""What is true after something was said, or could not be: the part of `reducer` about replies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from ponderd.channels.message import Address, Inquiry, ReplyKind
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce_messages import settle, take_up
from ponderd.workers.run.state import Approval, Outgoing, Posted, Run, Status


def say(run: Run, kind: ReplyKind, text: str, inquiry: Inquiry | None = None) -> Run:
    """To everybody whose message is at hand."""
    told = tuple(Outgoing(kind, text, to, inquiry=inquiry) for to in audience(run))
    return replace(run, outgoing=run.outgoing + told)


def ask_too(run: Run, text: str, inquiry: Inquiry, to: Iterable[Address]) -> Run:
    """A question to those who are not in the conversation."""
    places = {(address.channel, address.to) for address in audience(run) if address}
    asked = tuple(
        Outgoing("question", text, address, inquiry=inquiry, beside=True)
        for address in to
        if (address.channel, address.to) not in places and not run.detached
    )
    return replace(run, outgoing=run.outgoing + asked)


def notify(run: Run, text: str, to: Address | None, *, resolves: str = "") -> Run:
    """Said besides, before everything that is not yet begun."""
    notice = Outgoing("notice", text, to, resolves=resolves, beside=True)
    begun = 1 if run.outgoing and run.outgoing[0].key else 0
    while begun < len(run.outgoing) and run.outgoing[begun].kind == "notice":
        begun += 1
    return replace(run, outgoing=(*run.outgoing[:begun], notice, *run.outgoing[begun:]))


def resolve(run: Run, approval: Approval, outcome: str) -> Run:
    """The approval is over: nobody is asked any more, and everybody who was asked is told. A
    question that is under way must not hold up what was decided: it is given up soon."""
    outgoing = []
    for out in run.outgoing:
        if not (out.inquiry and out.inquiry.id == approval.id):
            outgoing.append(out)
        elif out.key:
            outgoing.append(replace(out, beside=True))
    run = replace(run, approval=None, outgoing=tuple(outgoing))
    places = {(address.channel, address.to) for address in audience(run) if address}
    last = {(posted.to.channel, posted.to.to): posted for posted in approval.posted}
    for posted in approval.posted:
        place = posted.to.channel, posted.to.to
        # In the conversation itself the run goes on to speak, and elsewhere one word is enough for
        # the question and its reminders; in Slack all their buttons must go.
        if posted.to.channel == "slack" or (place not in places and posted is last[place]):
            text = f"{approval.text}\n{outcome}"
            run = notify(run, text, posted.to, resolves=posted.receipt)
    return run


def detach(run: Run) -> Run:
    """Nobody outside hears of the run any more: what it says is kept in it."""
    return replace(
        run,
        detached=True,
        reply_to=None,
        listeners=(),
        outgoing=tuple(replace(out, to=None, key=None) for out in run.outgoing if not out.beside),
        inbox=tuple(map(_without_address, run.inbox)),
        early=tuple(map(_without_address, run.early)),
        commands=tuple(map(_without_address, run.commands)),
        approval=run.approval and replace(run.approval, posted=()),
        question=run.question and replace(run.question, posted=()),
    )


def _without_address(message: e.MessageReceived) -> e.MessageReceived:
    return message.model_copy(update={"reply_to": None})


def audience(run: Run) -> tuple[Address | None, ...]:
    return (run.reply_to, *run.listeners)


def begun(run: Run, event: e.ReplyStarted) -> Run:
    first = run.outgoing[0]
    if first.kind == "answer" and not first.beside and not run.over:
        # Who gets it may say how good it is before we know that it arrived.
        run = replace(run, answered_by=run.chosen_by)
    return _replace_first(run, replace(first, key=event.key))


def said(run: Run, receipt: str) -> Run:
    first = run.outgoing[0]
    run = replace(run, outgoing=run.outgoing[1:], retry_at=None)
    if first.kind == "notice":
        return _next_message(run) if run.over else run
    run = replace(run, reply=first.text) if not first.beside else run
    if run.question and first.to and first.inquiry and first.inquiry.id == run.question.id:
        posted = (*run.question.posted, Posted(first.to, receipt))
        run = replace(run, question=replace(run.question, posted=posted))
    if first.inquiry and first.inquiry.kind == "approval":
        if run.approval is None or run.approval.id != first.inquiry.id:
            # Decided while the question was under way.
            run = replace(run, inbox=run.inbox + run.early, early=())
            return _next_message(run) if run.over else run
        asked = (Posted(first.to, receipt),) if first.to else ()
        approval = replace(run.approval, posted=run.approval.posted + asked)
        run = replace(run, approval=approval)
        if first.beside:
            return run
    if any(out.kind == first.kind and not out.beside for out in run.outgoing):
        return run  # others are still to be told the same
    if first.kind == "answer" and not run.over:
        run = replace(run, answered_at=run.updated_at)
    run = _hear_early(run)
    if run.inbox and not any(out.kind == "failure" for out in run.outgoing):
        return _next_message(run)
    if run.over:
        return run
    match first.kind:
        case "question":
            return replace(run, waiting_for="approval" if run.approval else "answer")
        case "answer":
            return replace(run, over=Status.COMPLETED, paused=False)
        case "failure":
            return replace(run, over=Status.FAILED, paused=False)
        case _:
            assert_never(first.kind)


def not_said(run: Run, event: e.ReplyFailed) -> Run:
    first = run.outgoing[0]
    if event.retry_at is not None:
        run = _replace_first(run, replace(first, attempts=first.attempts + 1))
        error = run.error if first.beside else event.error
        return replace(run, retry_at=event.retry_at, error=error)
    error = f"could not deliver the reply: {event.error}"
    if first.beside:
        run = replace(run, outgoing=run.outgoing[1:], retry_at=None)
        if run.over:
            return _next_message(run)
        unseen = run.waiting_for == "approval" and run.reply_to is not None
    else:
        run = replace(_given_up(run), error=error)  # it can still be read in the run
        unseen = run.waiting_for is not None
    asked_elsewhere = run.approval and (
        run.approval.posted or any(out.inquiry for out in run.outgoing)
    )
    if run.over is Status.COMPLETED or (unseen and not asked_elsewhere):
        # Nobody will answer what nobody saw.
        run = replace(
            run,
            over=Status.FAILED,
            waiting_for=None,
            call=None,
            approval=None,
            wait=None,
            paused=False,
            error=error,
        )
    return run


def _given_up(run: Run) -> Run:
    """As if it had been said, but that nobody saw it."""
    approval = run.approval
    run = said(run, "")
    if run.approval and approval:
        run = replace(run, approval=replace(run.approval, posted=approval.posted))
    return run


def _hear_early(run: Run) -> Run:
    """What came while the question was on its way may answer it, or have been typed ahead: it
    neither approves nor withdraws anything, and its sender is asked again."""
    early, run = run.early, replace(run, early=())
    if run.inbox or run.approval is None:
        return replace(run, inbox=run.inbox + early)
    text = f"I was only just asking when you wrote. Please answer again: {run.approval.text}"
    for message in early:
        run = notify(run, text, message.reply_to)
    return run


def _next_message(run: Run) -> Run:
    """The message at hand has its outcome: the next one is taken up."""
    if not run.inbox or any(not out.beside for out in run.outgoing):
        return run
    message, inbox = run.inbox[0], run.inbox[1:]
    run = replace(run, inbox=inbox)
    # Written before our question was read: it can withdraw a call, but never approve it.
    if run.approval:
        run = resolve(run, run.approval, "Withdrawn: another message came first.")
    if run.call:
        run = settle(run, "not done, another message came first.")
    return take_up(run, message)


def _replace_first(run: Run, outgoing: Outgoing) -> Run:
    return replace(run, outgoing=(outgoing, *run.outgoing[1:]))
