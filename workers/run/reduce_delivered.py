"""What is true after something was said, or could not be: a part of `reduce`. Pure.

What cannot be said now is said later, and holds up nothing. A question is open as soon as it was
sent once, also in vain, and can be answered elsewhere. An answer or a failure is the outcome of a
message: the run has ended when it arrived everywhere, or when it is clear that it will not by
itself, but the next message need not wait for that.
"""

from __future__ import annotations

import textwrap
from typing import assert_never

from ponderd.channels.message import Inquiry, ReplyKind
from ponderd.workers.run import events as e
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_messages import settle, take_up
from ponderd.workers.run.reduce_replies import audience, notify, place, queue, resolve
from ponderd.workers.run.state import Outgoing, Posted, Run, Status
from ponderd.workers.run.undelivered import (
    drop,
    failed,
    find,
    kept_for_later,
    missing,
    put_aside,
    still_tried,
    tried_in_vain,
    works_again,
)
from ponderd.workers.run.unknown_outcomes import question_sent

UNDELIVERED = "could not deliver the reply: "


def begun(run: Run, event: e.ReplyStarted) -> Run:
    first = run.outbox.queue[0]
    if first.kind == "answer" and not first.beside and not run.ended:
        # Whoever gets the answer may rate it before we know that it arrived.
        run = replace(run, outbox=replace(run.outbox, answered_by=run.chosen_by))
    return _replace_first(run, replace(first, key=event.key))


def sent(run: Run, event: e.ReplySent) -> Run:
    """The reply arrived: the first one of the queue, or one that did not arrive before."""
    first = run.outbox.queue[0] if run.outbox.queue else None
    if first and event.key in ("", first.key):
        run = _remembered(run, first, event.receipt)
        run = replace(queue(run, run.outbox.queue[1:]), retry_at=None)
        if first.trouble:
            run = replace(run, error=first.text if first.kind == "failure" else None)
        return works_again(_said(run, first, event.receipt), first.to, event.at)
    if out := find(run, event.key):
        run = drop(run, lambda other: other.key == event.key)
        run = _said_at_last(_remembered(run, out, event.receipt), out, event.receipt)
        return works_again(run, out.to, event.at)
    return run  # it was answered elsewhere while it was on its way


def _said(run: Run, first: Outgoing, receipt: str) -> Run:
    if first.kind != "notice" and not first.beside:
        run = replace(run, outbox=replace(run.outbox, reply=first.text))
    match first.kind:
        case "notice":
            return _take_next(run) if run.ended else run
        case "question" if first.inquiry and first.inquiry.kind == "approval":
            return _approval_asked(run, first, first.inquiry, receipt)
        case "question":
            return _question_asked(run, first, receipt)
        case "answer" | "failure":
            return _settle(run, first.kind, error=run.error)
        case _:
            assert_never(first.kind)


def _said_at_last(run: Run, out: Outgoing, receipt: str) -> Run:
    if out.late or out.kind == "notice":
        return _untroubled(run)
    if not out.beside:
        run = replace(run, outbox=replace(run.outbox, reply=out.text))
    match out.kind:
        case "question":
            run = question_sent(_untroubled(_posted(run, out, receipt)), out.text)
            return run if _missed(run, "question") or out.beside else _hear_early(run)
        case "answer" | "failure" if run.work.waiting_for == "delivery":
            lacks = run.error if missing(run) else None
            return _settle(run, out.kind, error=out.text if out.kind == "failure" else lacks)
        case "answer" | "failure" if run.ended is Status.FAILED and not _missed(run, out.kind):
            if out.kind == "failure":
                return replace(run, error=out.text)
            outbox = replace(run.outbox, answered_at=run.updated_at)
            return replace(run, ended=Status.COMPLETED, error=None, outbox=outbox)
        case _:
            return run


def _posted(run: Run, out: Outgoing, receipt: str) -> Run:
    """Remember where an open question was asked."""
    approval, question, inquiry = run.work.approval, run.work.question, out.inquiry
    posted = (Posted(out.to, receipt),) if out.to else ()
    if approval and inquiry and approval.id == inquiry.id:
        approval = replace(approval, posted=approval.posted + posted)
        return replace(run, work=replace(run.work, approval=approval))
    if question and inquiry and question.id == inquiry.id:
        question = replace(question, posted=question.posted + posted)
        return replace(run, work=replace(run.work, question=question))
    return run


def _remembered(run: Run, out: Outgoing, receipt: str) -> Run:
    """Answers that go elsewhere than where the message came from stay together there."""
    to = out.to
    if to is None or to.thread or run.channel == to.channel or to.channel not in ("slack", "email"):
        return run
    here = place(to)
    if here in run.outbox.posts or all(here != place(other) for other in audience(run) if other):
        return run
    headers = to.headers
    if to.channel == "email" and not headers.get("subject"):
        about = textwrap.shorten(out.text, 80, placeholder="…")
        headers = {**headers, "subject": f"{run.agent}: {about}"}
    first = to.model_copy(update={"thread": receipt, "headers": headers})
    return replace(run, outbox=replace(run.outbox, posts={**run.outbox.posts, here: first}))


def _untroubled(run: Run) -> Run:
    """The run without the error of a delivery, if nothing is undelivered any more."""
    over = not run.outbox.undelivered and (run.error or "").startswith(UNDELIVERED)
    return replace(run, error=None) if over else run


def _missed(run: Run, kind: ReplyKind) -> bool:
    """Whether somebody who waits for this outcome did not get it."""
    return any(out.kind == kind and not (out.beside or out.late) for out in run.outbox.undelivered)


def _approval_asked(run: Run, question: Outgoing, inquiry: Inquiry, receipt: str) -> Run:
    approval = run.work.approval
    if approval is None or approval.id != inquiry.id:
        run = _waits(run)  # somebody decided while the question was on its way
        return _take_next(run) if run.ended else run
    run = _posted(run, question, receipt)
    if question.beside or not _all_told(run, "question"):
        return run
    return _wait_for_people(_hear_early(run))


def _question_asked(run: Run, asked: Outgoing, receipt: str) -> Run:
    run = question_sent(_posted(run, asked, receipt), asked.text)
    if not _all_told(run, "question"):
        return run
    return _wait_for_people(_hear_early(run))


def _wait_for_people(run: Run) -> Run:
    # What was set aside may have happened: only a word about it lets the run go on.
    if _has_next(run) and not run.is_set_aside:
        return _take_next(run)
    if run.ended:
        return run
    work = replace(run.work, waiting_for="approval" if run.work.approval else "answer")
    return replace(run, work=work)


def _settle(run: Run, kind: ReplyKind, *, error: str | None) -> Run:
    """Everybody was told the outcome of the current message, or is told later: take up the next
    one, or rest. `error`: why the run failed, if it did."""
    if not _all_told(run, kind):
        return run
    run = _hear_early(run)
    arrived = kind == "answer" and not missing(run)
    if arrived and not run.ended:
        run = replace(run, outbox=replace(run.outbox, answered_at=run.updated_at))
    if _has_next(run):
        return _take_next(run)
    if run.ended:
        return run
    if still_tried(run):
        return replace(run, work=replace(run.work, waiting_for="delivery"))
    run = replace(run, work=replace(run.work, waiting_for=None), paused=False, error=error)
    return replace(run, ended=Status.COMPLETED if arrived else Status.FAILED)


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
        return _waits(run)
    run = replace(run, inbox=replace(inbox, early=()))
    text = f"I was only just asking when you wrote. Please answer again: {approval.text}"
    for message in early:
        run = notify(run, text, message.reply_to)
    return run


def _waits(run: Run) -> Run:
    """What was typed while a question was on its way is answered in its turn."""
    inbox = run.inbox
    if not inbox.early:
        return run
    return replace(run, inbox=replace(inbox, waiting=inbox.waiting + inbox.early, early=()))


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


def not_sent(run: Run, event: e.ReplyFailed) -> Run:
    """An attempt failed: of the first reply of the queue, or of one that did not arrive before."""
    if not event.key:
        return _not_sent_once(run, event)
    first = run.outbox.queue[0] if run.outbox.queue else None
    if first and first.key == event.key:
        out = failed(first, event)
        if event.retry_at is not None and out.kind in ("answer", "failure"):
            run = replace(run, retry_at=event.retry_at, error=event.error)
            return _replace_first(run, out)
        run = replace(queue(run, run.outbox.queue[1:]), retry_at=None)
        return _in_vain(run, out, f"{UNDELIVERED}{event.error}")
    if before := find(run, event.key):
        run = tried_in_vain(run, event)
        if run.work.waiting_for == "delivery" and find(run, event.key) in missing(run):
            error = f"{UNDELIVERED}{event.error}"
            return _settle(replace(run, error=error), before.kind, error=error)
        return _hear_early(run) if event.retry_at is None and run.inbox.early else run
    return run  # it was answered elsewhere while it was on its way


def put_off(run: Run, event: e.ReplyPutAside) -> Run:
    """Go on without the first reply of the queue: what becomes of it is seen later."""
    first = run.outbox.queue[0] if run.outbox.queue else None
    if first is None or first.key != event.key:
        return run
    run = replace(queue(run, run.outbox.queue[1:]), retry_at=None)
    return _in_vain(run, kept_for_later(first, event), f"{UNDELIVERED}{event.error}")


def _in_vain(run: Run, out: Outgoing, error: str) -> Run:
    """Go on without it. It is kept, and the run stays what it is."""
    asks, approval = out.inquiry is not None and out.inquiry.kind == "approval", run.work.approval
    final = out.trouble is not None and out.trouble.retry_at is None
    if asks and (approval is None or out.inquiry is None or approval.id != out.inquiry.id):
        run = _waits(run)  # somebody decided meanwhile: nobody needs the question
        return _take_next(run) if run.ended else run
    if not (out.resolves and final):  # what it would change is not there
        run = put_aside(run, out)
    if out.beside:
        return _take_next(run) if run.ended else run
    run = replace(run, error=error, outbox=replace(run.outbox, reply=out.text))
    if not _all_told(run, out.kind):
        return run
    if out.kind == "question":
        return _wait_for_people(_hear_early(run) if final else run)
    return _settle(run, out.kind, error=error)  # it can still be read in the run


def bounced(run: Run, event: e.ReplyBounced) -> Run:
    """Remember that it came back. Whether a person saw it elsewhere is not known, so the run stays
    as it is, and an approval stays open."""
    run = replace(run, bounces=(*run.bounces, event))
    if not event.permanent:
        return run
    return replace(run, error=f"did not reach {event.recipient}: {event.reason}")


def _not_sent_once(run: Run, event: e.ReplyFailed) -> Run:
    """As it was when older logs were written: what was given up was gone, and so was its run."""
    first = run.outbox.queue[0]
    if event.retry_at is not None:
        run = _replace_first(run, replace(first, attempts=first.attempts + 1))
        error = run.error if first.beside else event.error
        return replace(run, retry_at=event.retry_at, error=error)
    error, asked = f"{UNDELIVERED}{event.error}", run.work.approval
    run = replace(queue(run, run.outbox.queue[1:]), retry_at=None)
    if first.beside:
        if run.ended:
            return _take_next(run)
        unseen = run.work.waiting_for == "approval" and run.message.reply_to is not None
    else:
        run = replace(_said(run, first, ""), error=error)
        if asked and run.work.approval:
            still = replace(run.work.approval, posted=asked.posted)
            run = replace(run, work=replace(run.work, approval=still))
        unseen = run.work.waiting_for is not None
    approval = run.work.approval
    elsewhere = approval and (approval.posted or any(out.inquiry for out in run.outbox.queue))
    if run.ended is Status.COMPLETED or (unseen and not elsewhere):
        work = replace(run.work, waiting_for=None, call=None, approval=None, wait=None)
        return replace(run, work=work, ended=Status.FAILED, paused=False, error=error)
    return run


def _replace_first(run: Run, outgoing: Outgoing) -> Run:
    return queue(run, (outgoing, *run.outbox.queue[1:]))
