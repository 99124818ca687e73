"""What is true after people were asked to decide, or decided: a part of `reduce`. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Address, principal
from ponderd.channels.people import without_teams
from ponderd.channels.text import one_line
from ponderd.workers.run import events as e
from ponderd.workers.run import reduce_attempts as attempts
from ponderd.workers.run.approved_call import (
    ASKED_FOR,
    approval_inquiry,
    decided_text,
    digest,
    replace_arguments,
)
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_messages import settle
from ponderd.workers.run.reduce_replies import ask_too, audience, notify, resolve, say
from ponderd.workers.run.state import Approval, Outgoing, Run, Turn, add, others
from ponderd.workers.run.unknown_outcomes import allowed


def request(
    run: Run,
    event: e.ApprovalRequested | e.LimitReached | e.VersionChanged | e.RunSetAside,
    subject: Literal["tool", "limit", "version", "again"],
    bound_to: str,
) -> Run:
    allows = event.allows if isinstance(event, e.LimitReached) else 0
    asked = str(EventRef(run.id, run.version))
    approval = Approval(
        asked,
        subject,
        bound_to,
        event.text,
        event.at,
        allows,
        asked_by=run.message.sender,
        asked_for=one_line(run.message.text, ASKED_FOR),
    )
    inquiry = approval_inquiry(run, approval)
    approved = run.work.approved if subject == "again" else ""
    run = replace(
        run,
        work=replace(run.work, approval=approval, approved=approved),
        effort=replace(run.effort, retry_at=None),
        retry_at=None,
    )
    run = say(run, "question", event.text, inquiry)
    return ask_too(run, event.text, inquiry, event.ask)


def answered(run: Run, event: e.ApprovalAnswered) -> Run:
    approval, reply = run.work.approval, run.work.reply_to_approval
    if approval is None or event.approval not in ("", approval.id):
        return run  # single-use: the first answer was it
    outcome = decided_text(event)
    run = replace(
        run,
        work=replace(run.work, reply_to_approval=None, waiting_for=None),
        retry_at=None,
        effort=run.effort.afresh(),
    )
    if approval.expired:  # it was paused because nobody had answered
        run = replace(run, paused=False)
    if reply and event.approval:  # a button was faster than this message
        run = notify(run, f"{approval.text}\n{outcome}", reply.reply_to, outcome)
    elif reply:
        run = _answer_there(run, reply)
    run = resolve(run, approval, outcome)
    match approval.subject:
        case "tool":
            return _answer_call(run, event)
        case "limit" if event.approved:
            extended = {**run.work.extended, approval.bound_to: approval.allows}
            return replace(run, work=replace(run.work, extended=extended))
        case "version" if event.approved:
            return replace(run, agent_version=approval.bound_to)
        case "again" if event.approved:
            return attempts.try_again(run)
        case "again" if run.work.call:
            said = f" They wrote: {event.remark}" if event.remark else ""
            return attempts.give_up(run, f"A person said not to try again.{said}")
        case _:
            return _stopped(run, f"{approval.text} ", outcome)


def _answer_there(run: Run, reply: e.MessageReceived) -> Run:
    """Answer the person who decided where they write now, and everybody else who waits, too."""
    # The callers of a webhook or of the API share one name, but they are not one program.
    same = principal(reply.via, reply.sender) == run.message.sender
    same = same and reply.via not in ("webhook", "api")
    waiting = run.message.listeners if same else audience(run)
    current = replace(
        run.message,
        text=reply.text,
        reply_to=reply.reply_to,
        listeners=others(waiting, reply.reply_to),
    )
    return replace(run, message=current)


def remind(run: Run, event: e.ApprovalReminded) -> Run:
    approval = run.work.approval
    if approval is None:
        return run
    places = {(posted.to.channel, posted.to.to): posted.to for posted in approval.posted}
    text = f"Still waiting: {approval.text}"
    return _ask_again(run, replace(approval, reminded_at=event.at), text, places.values())


def escalate(run: Run, event: e.ApprovalEscalated) -> Run:
    approval = run.work.approval
    if approval is None:
        return run
    text = f"Nobody has answered yet: {approval.text}"
    approval = replace(approval, escalated=True, asked_at=event.at, reminded_at=None)
    return _ask_again(run, approval, text, () if run.detached else event.to)


def expire(run: Run, event: e.ApprovalExpired) -> Run:
    approval = run.work.approval
    if approval is None:
        return run
    after = f"Nobody answered within {event.waited / 60:.0f} minutes"
    if event.policy == "halt":
        work = replace(run.work, approval=replace(approval, expired=True))
        text = f"{approval.text}\n{after}, so this is paused until somebody does."
        return notify(replace(run, work=work, paused=True), text, run.message.reply_to)
    run = replace(run, work=replace(run.work, waiting_for=None), effort=run.effort.afresh())
    run = resolve(run, approval, f"{after}.")
    if approval.subject == "tool":
        return settle(run, f"not done. {after}; nobody said no.")
    if approval.subject == "again" and run.work.call:
        return attempts.give_up(run, f"{after}.")
    return _stopped(run, f"{approval.text} ", f"{after}.")


def ask_anew(run: Run) -> Run:
    """Forget who said yes: it was said to the run, not to a copy of it."""
    work = replace(run.work, approved="")
    if work.reply_to_approval:
        work = replace(work, reply_to_approval=None, waiting_for="approval")
    return replace(run, work=work)


def _answer_call(run: Run, event: e.ApprovalAnswered) -> Run:
    call = run.work.call
    if call is None:
        return run
    if not event.approved:
        remark = f"not done. The person wrote: {event.remark}" if event.withdrawn else ""
        denied = f"a person said no.{f' They wrote: {event.remark}' if event.remark else ''}"
        return settle(run, remark or denied)
    if event.arguments is not None:
        call = replace_arguments(call, event.arguments)
        changed = json.dumps(event.arguments, ensure_ascii=False, default=str)
        note = Turn("note", f"The approver changed the arguments of {call.tool} to {changed}")
        run = add(run, note)
    run = replace(run, work=replace(run.work, call=call, approved=digest(call)))
    return allowed(run, call.tool)


def _stopped(run: Run, asked: str, outcome: str) -> Run:
    run = replace(run, error=asked + without_teams(outcome))
    run = say(run, "failure", asked + outcome, outcome=outcome)
    return settle(run, "not done.") if run.work.call else run


def _ask_again(run: Run, approval: Approval, text: str, to: Iterable[Address]) -> Run:
    inquiry = approval_inquiry(run, approval)
    asked = tuple(
        Outgoing("question", text, address, inquiry=inquiry, beside=True) for address in to
    )
    return replace(
        run,
        work=replace(run.work, approval=approval),
        outbox=replace(run.outbox, queue=run.outbox.queue + asked),
    )
