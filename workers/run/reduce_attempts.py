"""What is true after steps that were begun and came to nothing: a part of `reduce`. Pure."""

from __future__ import annotations

from ponderd.workers.run import events as e
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_messages import settle
from ponderd.workers.run.state import Run

_PROGRESS = (
    e.ModelAnswered
    | e.ModelRejected
    | e.ModelDoubted
    | e.ModelFailed
    | e.ModelInterrupted
    | e.ApprovalRequested
    | e.ApprovalAnswered
    | e.ApprovalExpired
    | e.LimitReached
    | e.QuestionAsked
    | e.ToolFinished
    | e.ToolFailed
    | e.ToolOutcomeUnknown
    | e.ReplyFailed
    | e.RunSetAside
    | e.RunFailed
    | e.RunCancelled
    | e.VersionAdopted
)
"""A step came to its end, or a person stepped in. What people write changes nothing about a step
that fails."""


def progressed(run: Run, event: e.Event) -> Run:
    """Forget the failures before `event`, if it shows that the run gets on."""
    if not run.failed_steps:
        return run
    first = run.outbox.queue[0] if run.outbox.queue else None
    arrived = isinstance(event, e.ReplySent) and first is not None and first.kind != "notice"
    if arrived or isinstance(event, _PROGRESS):
        return replace(run, failed_steps=0, retry_at=None)
    return run


def begin(run: Run, event: e.ToolStarted | e.ToolRepeated) -> Run:
    begun = 1 if isinstance(event, e.ToolStarted) else run.work.begun + 1
    work = replace(run.work, call_key=event.key, begun=begun, begun_at=event.at)
    return replace(run, work=work, retry_at=None)


def fail_step(run: Run, event: e.StepFailed) -> Run:
    failed = run.failed_steps + 1
    return replace(run, failed_steps=failed, retry_at=event.retry_at, error=event.error)


def try_again(run: Run) -> Run:
    """A person said yes: count anew."""
    return replace(run, work=replace(run.work, begun=0))


def give_up(run: Run, why: str) -> Run:
    """Settle the call that was set aside. Whether it happened is known only if it never began."""
    if run.work.call_key is None:
        return settle(run, f"not done: each attempt failed without an outcome. {why}")
    times = f"{run.work.begun} times" if run.work.begun > 1 else "once"
    return settle(
        run, f"the outcome is unknown: it was begun {times}, and never came to an end. {why}"
    )
