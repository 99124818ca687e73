"""What is true after a run that failed, or was set aside, was brought on again: a part of `reduce`.
Pure."""

from __future__ import annotations

from ponderd.workers.run import events as e
from ponderd.workers.run import reduce_approvals as approvals
from ponderd.workers.run.copies import replace
from ponderd.workers.run.state import Outgoing, Run, Status
from ponderd.workers.run.undelivered import drop, renewed


def retried(run: Run, event: e.RunRetried) -> Run:
    """Go on at the step that failed: send the answer that did not arrive, or else ask the model
    again, with all that tools have returned. The outcome goes to where it would have gone."""
    if run.is_set_aside and not run.ended:  # it is the yes to the question whether to try again
        yes = e.ApprovalAnswered(at=event.at, approved=True, by=event.by)
        return approvals.answered(run, yes)
    if run.status is not Status.FAILED:
        return run
    lost = tuple(out for out in run.outbox.undelivered if _answers(out))
    # The news of the failure is out of date. What is on its way is finished.
    run = drop(run, lambda out: _answers(out) or _tells_of_failure(out))
    begun = 1 if run.outbox.queue and run.outbox.queue[0].key else 0
    queue = run.outbox.queue
    again = tuple(renewed(out, event.at) for out in lost)
    return replace(
        run,
        ended=None,
        error=None,
        retry_at=None,
        effort=run.effort if lost else run.effort.afresh(),
        outbox=replace(run.outbox, queue=(*queue[:begun], *again, *queue[begun:])),
    )


def _answers(out: Outgoing) -> bool:
    return out.kind == "answer" and not (out.beside or out.late)


def _tells_of_failure(out: Outgoing) -> bool:
    return out.kind == "failure" and not (out.beside or out.late)
