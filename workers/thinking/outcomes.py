"""What an event of a run means for the ledger. Pure."""

from __future__ import annotations

import hashlib
import json

from ponderd.channels.event_ref import EventRef
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import conversation_name
from ponderd.workers.thinking.case import Kind
from ponderd.workers.thinking.ledger import CallEntry, Entry, OutcomeEntry
from ponderd.workers.thinking.rewards import REWARDS, RewardSource

FROM_OUTSIDE = (
    e.MessageReceived,
    e.ApprovalAnswered,
    e.FeedbackReceived,
    e.ReplyBounced,
    e.EventReceived,
    e.LateResultReceived,
    e.RunPaused,
    e.RunResumed,
    e.RunCancelled,
    e.RunRetried,
    e.VersionAdopted,
)
"""Events that others append than the worker that advances a run."""


def entries_of(run: Run, event: e.Event, kind: Kind) -> list[Entry]:
    """The entries to note for `event`. `run` is as it was before it. A fork teaches nothing: it
    repeats what another run did."""
    if run.detached:
        return []
    match event:
        case e.ModelAnswered() | e.ModelRejected() | e.ModelDoubted():
            if not event.call.model:  # no call was made: the doubted draft is used
                return []
            call = _call(run, event, kind)
            entries: list[Entry] = [call]
            if run.message.asked_again and not run.effort.episode and run.outbox.answered_by:
                entries.append(
                    _outcome(run, run.outbox.answered_by, event.at, "again", "asked again")
                )
            return entries
        case e.ApprovalAnswered():
            return _approval(run, event)
        case e.ToolFailed() if run.work.call and run.chosen_by:
            return [_outcome(run, run.chosen_by, event.at, "tool", "tool error")]
        case e.ReplySent() if _is_last_answer(run):
            return [_outcome(run, run.chosen_by, event.at, "quiet", "quiet")]
        case e.FeedbackReceived():
            answer = event.answer or run.outbox.answered_by
            if not answer:
                return []
            call_id = str(EventRef(run.id, run.drafts.get(answer, answer)))
            return [
                OutcomeEntry(call=call_id, at=event.at, source=event.source, reward=event.value)
            ]
        case _:
            return []


def _is_last_answer(run: Run) -> bool:
    """Whether this was the last delivery of the answer."""
    answers = [out for out in run.outbox.queue if out.kind == "answer" and not out.beside]
    return bool(run.chosen_by) and answers == list(run.outbox.queue[:1])


def _call(
    run: Run, event: e.ModelAnswered | e.ModelRejected | e.ModelDoubted, kind: Kind
) -> CallEntry:
    version = run.version + 1
    agrees = None
    if run.effort.draft and isinstance(event, e.ModelAnswered):
        agrees = _canonical(run.effort.draft) == _canonical(event.content)
    match event:
        case e.ModelAnswered():
            status, why = "ok", ""
        case e.ModelRejected(reason=why):
            status = "rejected"
        case e.ModelDoubted(reason=why):
            status = "doubted"
    return CallEntry(
        id=str(EventRef(run.id, version)),
        episode=str(EventRef(run.id, run.effort.episode or version)),
        at=event.at,
        agent=run.agent,
        kind=kind,
        conversation=hashlib.sha256(conversation_name(run).encode()).hexdigest()[:12],
        channel=run.channel,
        call=event.call,
        status=status,
        why=why,
        agrees=agrees,
    )


def _approval(run: Run, event: e.ApprovalAnswered) -> list[Entry]:
    approval = run.work.approval
    if approval is None or approval.subject != "tool" or event.approval not in ("", approval.id):
        return []
    if event.withdrawn:  # they wrote something else; the next answer will tell what that means
        return []
    outcome = "denied" if not event.approved else "edited" if event.arguments else "approved"
    return [_outcome(run, run.chosen_by, event.at, "approval", outcome)]


def _outcome(run: Run, version: int, at: float, source: RewardSource, outcome: str) -> OutcomeEntry:
    call_id = str(EventRef(run.id, run.drafts.get(version, version)))
    return OutcomeEntry(call=call_id, at=at, source=source, reward=REWARDS[outcome])


def _canonical(content: str) -> str:
    try:
        return json.dumps(json.loads(content), sort_keys=True)
    except (ValueError, RecursionError):
        return content
