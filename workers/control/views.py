"""Runs and approvals as the API and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel

from ponderd.channels.event_ref import EventRef
from ponderd.channels.people import principal_of
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import decider
from ponderd.workers.run.approved_call import digest as digest_of
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.open_approval import open_approval
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.listings import Head


class UsageView(BaseModel):
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int


class RunSummary(BaseModel):
    """A run as lists show it. Times are ISO 8601 in UTC."""

    id: str
    agent: str
    agent_version: str
    status: Status
    waiting_for: str | None
    channel: str
    conversation: str
    version: int
    created_at: datetime
    updated_at: datetime
    asleep: bool = False
    """Its log is in PONDERD_ASLEEP. Only lists say so."""


class InboxView(BaseModel):
    """What came in and is not yet answered."""

    waiting: int
    """Messages that wait for their turn."""
    not_taken: int
    """Messages that found too many others waiting, ever. Their senders are told."""


class RunView(RunSummary):
    """A run as `GET /runs/{id}` shows it."""

    reply: str | None
    """The text of its last answer."""
    output: dict[str, Any] | None
    """The fields of its last answer, if the agent has a typed result."""
    usage: UsageView
    error: str | None
    """Why there is no answer, or not yet."""
    inbox: InboxView


class RunPage(BaseModel):
    runs: list[RunSummary]
    cursor: str | None


class ApprovalView(BaseModel):
    """One approval, open or decided."""

    id: str
    run_id: str
    agent: str
    subject: Literal["tool", "limit", "version", "again"]
    tool: str | None
    arguments: dict[str, Any] | None
    digest: str
    """What the decision is bound to. `Approvals.decide` takes it to be sure of the call."""
    text: str
    """The question as people were asked."""
    status: Literal["open", "approved", "denied", "withdrawn", "expired"]
    sender: str
    """Who wrote the message that led to it."""
    asked_for: str = ""
    """The beginning of that message."""
    approvers: tuple[str, ...] = ()
    """Who may decide. Empty: anybody in the conversation."""
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    remark: str = ""


class OpenApprovals(BaseModel):
    """One page of them."""

    approvals: list[ApprovalView]
    cursor: str | None


class PromptView(BaseModel):
    """The request of one model call, rendered again from the events before it."""

    body: bytes
    sha256: str
    verified: bool
    """Whether `sha256` is the hash that was recorded when the request was sent."""


def run_view(run: Run) -> RunView:
    return RunView(
        id=run.id,
        agent=run.agent,
        agent_version=run.agent_version,
        status=run.status,
        waiting_for=run.waits_for,
        channel=run.channel,
        conversation=run.conversation,
        version=run.version,
        created_at=_utc(run.created_at),
        updated_at=_utc(run.updated_at),
        reply=run.outbox.reply,
        output=run.outbox.output,
        usage=UsageView(
            model_calls=run.usage.model_calls,
            prompt_tokens=run.usage.prompt_tokens,
            completion_tokens=run.usage.completion_tokens,
            reasoning_tokens=run.usage.reasoning_tokens,
        ),
        error=run.error,
        inbox=InboxView(
            waiting=len(run.inbox.waiting) + len(run.inbox.early), not_taken=run.inbox.not_taken
        ),
    )


def run_summary(head: Head) -> RunSummary:
    return RunSummary(
        id=head.id,
        agent=head.agent,
        agent_version=head.agent_version,
        status=Status(head.status),
        waiting_for=head.waiting_for or None,
        channel=head.channel,
        conversation=head.conversation,
        version=head.version,
        created_at=_utc(head.created_at),
        updated_at=_utc(head.updated_at),
        asleep=head.asleep,
    )


def approval_view(
    events: Sequence[e.Event], version: int, approvers: tuple[str, ...]
) -> ApprovalView | None:
    """Show the approval that the event number `version` requested. None if it requested none."""
    if not 1 < version <= len(events):
        return None
    run = fold(events[:version])
    approval = run.work.approval
    if approval is None or approval.id != str(EventRef(run.id, version)):
        return None
    return _followed(run, approvers, events[version:])


def open_approval_view(
    run: Run, events: Sequence[e.Event], approvers: tuple[str, ...]
) -> ApprovalView:
    """Show the open approval of a run, as it is after the `events` that followed."""
    return _followed(run, approvers, events)


def _followed(run: Run, approvers: tuple[str, ...], events: Sequence[e.Event]) -> ApprovalView:
    shown = _open(run, approvers)
    # How it ended: the first event after which it is no longer the open approval.
    for event in events:
        call = run.work.call
        run = reduce(run, event)
        if run.work.approval is None or run.work.approval.id != shown.id:
            return shown.model_copy(update=_ending(event, call))
    return shown


def _open(run: Run, approvers: tuple[str, ...]) -> ApprovalView:
    return ApprovalView(**open_approval(run), approvers=approvers)


def _ending(event: e.Event, call: ToolCall | None) -> dict[str, Any]:
    """What `event` changes in the view of the approval that it ended. `call` is the one before."""
    decided: dict[str, Any] = {"decided_at": _utc(event.at)}
    match event:
        case e.ApprovalAnswered():
            decided["status"] = (
                "approved" if event.approved else "withdrawn" if event.withdrawn else "denied"
            )
            decided["decided_by"] = decider(event.via, event.by)
            decided["remark"] = event.remark
            if event.arguments is not None and call:
                changed = call.model_copy(update={"arguments": event.arguments})
                decided |= {"arguments": event.arguments, "digest": digest_of(changed)}
        case e.RunRetried():
            decided |= {"status": "approved", "decided_by": principal_of(event.by)}
        case e.ApprovalExpired():
            decided["status"] = "expired"
        case e.RunCancelled():
            decided |= {"status": "withdrawn", "decided_by": principal_of(event.by)}
        case _:  # the run went on without it
            decided["status"] = "withdrawn"
    return decided


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
