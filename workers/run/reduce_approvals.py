"""What is true after people were asked to decide, or decided: the part of `reducer` about them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Address, Inquiry, principal
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import decided_text, digest, replace_arguments
from ponderd.workers.run.reduce_messages import settle
from ponderd.workers.run.reduce_replies import ask_too, audience, notify, resolve, say
from ponderd.workers.run.state import Approval, Outgoing, Run, Turn, add, others


def request(
    run: Run,
    event: e.ApprovalRequested | e.LimitReached | e.VersionChanged,
    subject: Literal["tool", "limit", "version"],
    bound_to: str,
) -> Run:
    allows = event.allows if isinstance(event, e.LimitReached) else 0
    asked = str(EventRef(run.id, run.version))
    approval = Approval(asked, subject, bound_to, event.text, event.at, allows)
    inquiry = _inquiry(approval)
    run = replace(run, approval=approval, approved="", retry_at=None)
    run = say(run, "question", event.text, inquiry)
    return ask_too(run, event.text, inquiry, event.ask)


def answer(run: Run, event: e.ApprovalAnswered) -> Run:
    approval, reply = run.approval, run.reply_to_approval
    if approval is None or event.approval not in ("", approval.id):
        return run  # single-use: the first answer was it
    outcome = decided_text(event)
    effort = run.effort.afresh()
    run = replace(run, reply_to_approval=None, waiting_for=None, retry_at=None, effort=effort)
    if approval.expired:  # it was paused because nobody had answered
        run = replace(run, paused=False)
    if reply and event.approval:  # a button was faster than this message
        run = notify(run, f"{approval.text}\n{outcome}", reply.reply_to)
    elif reply:
        # Others wait for the outcome, too; who asked and decides is answered where they write now.
        # (The callers of a webhook or of the API are one name, but not one program.)
        same = principal(reply.via, reply.sender) == run.sender
        same = same and reply.via not in ("webhook", "api")
        waiting = run.listeners if same else audience(run)
        listeners = others(waiting, reply.reply_to)
        run = replace(run, text=reply.text, reply_to=reply.reply_to, listeners=listeners)
    run = resolve(run, approval, outcome)
    match approval.subject:
        case "tool":
            return _answer_call(run, event)
        case "limit" if event.approved:
            return replace(run, extended={**run.extended, approval.bound_to: approval.allows})
        case "version" if event.approved:
            return replace(run, agent_version=approval.bound_to)
        case _:
            return _stopped(run, f"{approval.text} {outcome}")


def remind(run: Run, event: e.ApprovalReminded) -> Run:
    if run.approval is None:
        return run
    approval = replace(run.approval, reminded_at=event.at)
    places = {(posted.to.channel, posted.to.to): posted.to for posted in approval.posted}
    text = f"Still waiting: {approval.text}"
    return _ask_again(replace(run, approval=approval), text, places.values())


def escalate(run: Run, event: e.ApprovalEscalated) -> Run:
    if run.approval is None:
        return run
    approval = replace(run.approval, escalated=True, asked_at=event.at, reminded_at=None)
    text = f"Nobody has answered yet: {approval.text}"
    return _ask_again(replace(run, approval=approval), text, () if run.detached else event.to)


def expire(run: Run, event: e.ApprovalExpired) -> Run:
    approval = run.approval
    if approval is None:
        return run
    after = f"Nobody answered within {event.waited / 60:.0f} minutes"
    if event.policy == "halt":
        run = replace(run, approval=replace(approval, expired=True), paused=True)
        text = f"{approval.text}\n{after}, so this is paused until somebody does."
        return notify(run, text, run.reply_to)
    run = replace(run, waiting_for=None, effort=run.effort.afresh())
    run = resolve(run, approval, f"{after}.")
    if approval.subject == "tool":
        return settle(run, f"not done. {after}; nobody said no.")
    return _stopped(run, f"{approval.text} {after}.")


def ask_anew(run: Run) -> Run:
    """A yes is for the run that it was given to, not for a copy of that."""
    if run.reply_to_approval:
        run = replace(run, reply_to_approval=None, waiting_for="approval")
    return replace(run, approved="")


def _answer_call(run: Run, event: e.ApprovalAnswered) -> Run:
    call = run.call
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
    return replace(run, call=call, approved=digest(call))


def _stopped(run: Run, text: str) -> Run:
    run = say(replace(run, error=text), "failure", text)
    return settle(run, "not done.") if run.call else run


def _ask_again(run: Run, text: str, to: Iterable[Address]) -> Run:
    assert run.approval is not None
    inquiry = _inquiry(run.approval)
    asked = tuple(
        Outgoing("question", text, address, inquiry=inquiry, beside=True) for address in to
    )
    return replace(run, outgoing=run.outgoing + asked)


def _inquiry(approval: Approval) -> Inquiry:
    return Inquiry(id=approval.id, kind="approval")
