"""What is true after something was said, or could not be: a part of `reduce`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from ponderd.channels.message import Address, Inquiry, ReplyKind
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce_messages import settle, take_up
from ponderd.workers.run.state import Approval, Outgoing, Posted, Run, Status

# -- to say ------------------------------------------------------------------------------------


def say(run: Run, kind: ReplyKind, text: str, inquiry: Inquiry | None = None) -> Run:
    """Say it to everybody who waits for the current message's outcome."""
    told = tuple(Outgoing(kind, text, to, inquiry=inquiry) for to in audience(run))
    return _queue(run, run.outbox.queue + told)


def ask_too(run: Run, text: str, inquiry: Inquiry, to: Iterable[Address]) -> Run:
    """Ask people who are not in the conversation."""
    places = {(address.channel, address.to) for address in audience(run) if address}
    asked = tuple(
        Outgoing("question", text, address, inquiry=inquiry, beside=True)
        for address in to
        if (address.channel, address.to) not in places and not run.detached
    )
    return _queue(run, run.outbox.queue + asked)


def notify(run: Run, text: str, to: Address | None, *, resolves: str = "") -> Run:
    """Say it beside the conversation, before everything that is not yet begun."""
    notice = Outgoing("notice", text, to, resolves=resolves, beside=True)
    queue = run.outbox.queue
    begun = 1 if queue and queue[0].key else 0
    while begun < len(queue) and queue[begun].kind == "notice":
        begun += 1
    return _queue(run, (*queue[:begun], notice, *queue[begun:]))


def resolve(run: Run, approval: Approval, outcome: str) -> Run:
    """End the approval: ask nobody any more, and tell everybody who was asked.

    A question that is already on its way must not hold up what was decided, so it is given up
    soon.
    """
    queue = []
    for out in run.outbox.queue:
        if not (out.inquiry and out.inquiry.id == approval.id):
            queue.append(out)
        elif out.key:
            queue.append(replace(out, beside=True))
    run = replace(run, work=replace(run.work, approval=None))
    run = _queue(run, tuple(queue))
    places = {(address.channel, address.to) for address in audience(run) if address}
    last = {(posted.to.channel, posted.to.to): posted for posted in approval.posted}
    for posted in approval.posted:
        place = posted.to.channel, posted.to.to
        # In the conversation itself the run goes on to speak. Elsewhere one word is enough for the
        # question and its reminders, but in Slack the buttons of all of them must go.
        if posted.to.channel == "slack" or (place not in places and posted is last[place]):
            text = f"{approval.text}\n{outcome}"
            run = notify(run, text, posted.to, resolves=posted.receipt)
    return run


def detach(run: Run) -> Run:
    """Cut the run off from everybody outside: from now on it keeps what it says."""
    queue = tuple(replace(out, to=None, key=None) for out in run.outbox.queue if not out.beside)
    return replace(
        run,
        detached=True,
        message=replace(run.message, reply_to=None, listeners=()),
        inbox=replace(
            run.inbox,
            waiting=tuple(map(_without_address, run.inbox.waiting)),
            early=tuple(map(_without_address, run.inbox.early)),
            commands=tuple(map(_without_address, run.inbox.commands)),
        ),
        work=replace(
            run.work,
            approval=run.work.approval and replace(run.work.approval, posted=()),
            question=run.work.question and replace(run.work.question, posted=()),
        ),
        outbox=replace(run.outbox, queue=queue),
    )


def _without_address(message: e.MessageReceived) -> e.MessageReceived:
    return message.model_copy(update={"reply_to": None})


def audience(run: Run) -> tuple[Address | None, ...]:
    return (run.message.reply_to, *run.message.listeners)


def begun(run: Run, event: e.ReplyStarted) -> Run:
    first = run.outbox.queue[0]
    if first.kind == "answer" and not first.beside and not run.ended:
        # Whoever gets the answer may rate it before we know that it arrived.
        run = replace(run, outbox=replace(run.outbox, answered_by=run.chosen_by))
    return _replace_first(run, replace(first, key=event.key))


# -- said: the first reply of the queue arrived ------------------------------------------------


def said(run: Run, receipt: str) -> Run:
    first, rest = run.outbox.queue[0], run.outbox.queue[1:]
    run = replace(_queue(run, rest), retry_at=None)
    if first.kind != "notice" and not first.beside:
        run = replace(run, outbox=replace(run.outbox, reply=first.text))
    match first.kind:
        case "notice":
            return _take_next(run) if run.ended else run
        case "question" if first.inquiry and first.inquiry.kind == "approval":
            return _approval_asked(run, first, first.inquiry, receipt)
        case "question":
            return _question_asked(run, first, receipt)
        case "answer":
            return _answer_given(run)
        case "failure":
            return _failure_told(run)
        case _:
            assert_never(first.kind)


def _approval_asked(run: Run, question: Outgoing, inquiry: Inquiry, receipt: str) -> Run:
    approval, inbox = run.work.approval, run.inbox
    if approval is None or approval.id != inquiry.id:
        # Somebody decided while the question was on its way. What was typed meanwhile waits.
        run = replace(run, inbox=replace(inbox, waiting=inbox.waiting + inbox.early, early=()))
        return _take_next(run) if run.ended else run
    posted = (Posted(question.to, receipt),) if question.to else ()
    approval = replace(approval, posted=approval.posted + posted)
    run = replace(run, work=replace(run.work, approval=approval))
    if question.beside or not _all_told(run, "question"):
        return run
    return _wait_for_people(_hear_early(run))


def _question_asked(run: Run, asked: Outgoing, receipt: str) -> Run:
    question = run.work.question
    if question and asked.to and asked.inquiry and asked.inquiry.id == question.id:
        posted = (*question.posted, Posted(asked.to, receipt))
        run = replace(run, work=replace(run.work, question=replace(question, posted=posted)))
    if not _all_told(run, "question"):
        return run
    return _wait_for_people(_hear_early(run))


def _wait_for_people(run: Run) -> Run:
    if _has_next(run):
        return _take_next(run)
    if run.ended:
        return run
    work = replace(run.work, waiting_for="approval" if run.work.approval else "answer")
    return replace(run, work=work)


def _answer_given(run: Run) -> Run:
    if not _all_told(run, "answer"):
        return run
    if not run.ended:
        run = replace(run, outbox=replace(run.outbox, answered_at=run.updated_at))
    return _end(_hear_early(run), Status.COMPLETED)


def _failure_told(run: Run) -> Run:
    return _end(_hear_early(run), Status.FAILED) if _all_told(run, "failure") else run


def _end(run: Run, how: Status) -> Run:
    """The current message has its outcome: take up the next one, or rest."""
    if _has_next(run):
        return _take_next(run)
    return run if run.ended else replace(run, ended=how, paused=False)


def _all_told(run: Run, kind: ReplyKind) -> bool:
    """Whether nobody else is still to be told the same."""
    return not any(out.kind == kind and not out.beside for out in run.outbox.queue)


def _has_next(run: Run) -> bool:
    # A failure is owed to somebody first, such as to those whose run was cancelled.
    failing = any(out.kind == "failure" for out in run.outbox.queue)
    return bool(run.inbox.waiting) and not failing


def _hear_early(run: Run) -> Run:
    """Ask again those who wrote while the question of an approval was on its way.

    They may have answered it, or have typed ahead. So what they wrote approves and withdraws
    nothing.
    """
    inbox, approval = run.inbox, run.work.approval
    early = inbox.early
    if approval is None or inbox.waiting:  # the next message withdraws the approval
        inbox = replace(inbox, waiting=inbox.waiting + early, early=())
        return replace(run, inbox=inbox) if early else run
    run = replace(run, inbox=replace(inbox, early=()))
    text = f"I was only just asking when you wrote. Please answer again: {approval.text}"
    for message in early:
        run = notify(run, text, message.reply_to)
    return run


def _take_next(run: Run) -> Run:
    """Take up the next message, now that the current one has its outcome."""
    waiting = run.inbox.waiting
    if not waiting or any(not out.beside for out in run.outbox.queue):
        return run
    run = replace(run, inbox=replace(run.inbox, waiting=waiting[1:]))
    # It was written before our question was read: it can withdraw a call, but never approve it.
    if run.work.approval:
        run = resolve(run, run.work.approval, "Withdrawn: another message came first.")
    if run.work.call:
        run = settle(run, "not done, another message came first.")
    return take_up(run, waiting[0])


# -- not said: sending the first reply failed --------------------------------------------------


def not_said(run: Run, event: e.ReplyFailed) -> Run:
    first = run.outbox.queue[0]
    if event.retry_at is not None:
        run = _replace_first(run, replace(first, attempts=first.attempts + 1))
        error = run.error if first.beside else event.error
        return replace(run, retry_at=event.retry_at, error=error)
    error = f"could not deliver the reply: {event.error}"
    if first.beside:
        run = replace(_queue(run, run.outbox.queue[1:]), retry_at=None)
        if run.ended:
            return _take_next(run)
        unseen = run.work.waiting_for == "approval" and run.message.reply_to is not None
    else:
        run = replace(_given_up(run), error=error)  # it can still be read in the run
        unseen = run.work.waiting_for is not None
    if run.ended is Status.COMPLETED or (unseen and not _asked_elsewhere(run)):
        return _fail_unseen(run, error)
    return run


def bounced(run: Run, event: e.ReplyBounced) -> Run:
    """Remember that it came back. Whether a person saw it elsewhere is not known, so the run stays
    as it is, and an approval stays open."""
    run = replace(run, bounces=(*run.bounces, event))
    if not event.permanent:
        return run
    return replace(run, error=f"did not reach {event.recipient}: {event.reason}")


def _given_up(run: Run) -> Run:
    """Go on as if it had been said, but remember that nobody saw it."""
    asked = run.work.approval
    run = said(run, "")
    approval = run.work.approval
    if approval and asked:
        approval = replace(approval, posted=asked.posted)
        return replace(run, work=replace(run.work, approval=approval))
    return run


def _asked_elsewhere(run: Run) -> bool:
    approval = run.work.approval
    if approval is None:
        return False
    return bool(approval.posted) or any(out.inquiry for out in run.outbox.queue)


def _fail_unseen(run: Run, error: str) -> Run:
    """Fail, because nobody answers what nobody saw."""
    work = replace(run.work, waiting_for=None, call=None, approval=None, wait=None)
    return replace(run, work=work, ended=Status.FAILED, paused=False, error=error)


def _queue(run: Run, queue: tuple[Outgoing, ...]) -> Run:
    return replace(run, outbox=replace(run.outbox, queue=queue))


def _replace_first(run: Run, outgoing: Outgoing) -> Run:
    return _queue(run, (outgoing, *run.outbox.queue[1:]))
