"""What is true after a tool call was begun, ended or got lost: a part of `reduce`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ponderd.channels.message import Address
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import (
    digest,
    failing_text,
    late_result_text,
    unknown_outcome_text,
)
from ponderd.workers.run.copies import replace
from ponderd.workers.run.reduce_messages import begin_wait, settle
from ponderd.workers.run.reduce_replies import audience, notify, post, queue, say
from ponderd.workers.run.state import Outgoing, Run, Turn, UnknownOutcome, add
from ponderd.workers.run.unknown_outcomes import find, remember


def started(run: Run, event: e.ToolStarted) -> Run:
    return replace(run, work=replace(run.work, call_key=event.key))


def finished(run: Run, event: e.ToolFinished) -> Run:
    effort = run.effort.succeeded(digest(run.work.call)) if run.work.call else run.effort
    run = replace(run, usage=run.usage.plus_tool(event.seconds), effort=effort)
    run = settle(run, event.result)
    if not run.ended:
        for notice in event.notices:
            run = post(run, notice.text, notice.to)
    return begin_wait(run, event.wait) if event.wait and not run.ended else run


def failed(run: Run, event: e.ToolFailed) -> Run:
    effort = run.effort.troubled("tool error")
    if call := run.work.call:
        effort = effort.failed(digest(call), failing_text(call, event.error))
    run = replace(run, usage=run.usage.plus_tool(event.seconds), effort=effort)
    return settle(run, f"failed: {event.error}")


def interrupted(run: Run, event: e.ToolInterrupted) -> Run:
    # Its worker lives, so the next beginning need not wait for others that may die with it.
    work = replace(run.work, begun_at=0.0)
    return replace(run, usage=run.usage.plus_tool(event.seconds), work=work)


def lost(run: Run, event: e.ToolOutcomeUnknown) -> Run:
    """Ask people what became of the call."""
    call, key = run.work.call, run.work.call_key or ""
    if event.seconds:
        run = replace(run, usage=run.usage.plus_tool(event.seconds))
    told = "the outcome is unknown, a person was asked to look."
    if event.why == "timeout":
        told = f"no result within {event.seconds:.4g} s, but it may have happened: {told}"
    run = settle(run, told)
    if call is None:
        return run if run.ended else say(run, "question", "")
    question = unknown_outcome_text(call, key, event.known)
    run = remember(run, UnknownOutcome(key, call, question, audience(run)))
    if not run.ended:
        return say(run, "question", question)
    # It was cancelled meanwhile. Nobody answers any more, but they must know.
    return _tell(run, question, audience(run)) if event.why else run


def tell_in_the_end(run: Run, unsent: Iterable[Outgoing]) -> Run:
    """The run was cancelled before these questions about lost calls were sent. Nobody answers any
    more, but they must know."""
    for out in unsent:
        if out.to is None:
            run = _tell_readers(run, out.text)
        else:
            notice = replace(out, kind="notice", beside=True)
            run = queue(run, (*run.outbox.queue, notice))
    return run


def came_late(run: Run, event: e.LateResultReceived) -> Run:
    """Tell everybody who was asked, and the model in its turn. Known once, it changes nothing."""
    unknown = find(run, event.key)
    if unknown is None:
        return run
    how = f"failed after {event.seconds:.4g} s: " if event.failed else ""
    how = how or f"its result came after {event.seconds:.4g} s: "
    run = add(run, Turn("tool", f"{unknown.call.tool}: {how}{event.result}"))
    text = late_result_text(unknown.call, unknown.key, event)
    waiting = tuple(out for out in run.outbox.queue if out.text == unknown.question and not out.key)
    run = replace(run, unknown=tuple(one for one in run.unknown if one is not unknown))
    if waiting and not unknown.asked and len(waiting) == len(unknown.to) and not run.ended:
        # Nobody was asked yet, and nobody needs to be: the agent goes on with the result.
        return queue(run, (out for out in run.outbox.queue if out not in waiting))
    run = remember(run, replace(unknown, came=True, asked=True, heard=False))
    return _tell(run, text, unknown.to)


def _tell(run: Run, text: str, places: tuple[Address | None, ...]) -> Run:
    for place in places:
        run = _tell_readers(run, text) if place is None else notify(run, text, place)
    return run


def _tell_readers(run: Run, text: str) -> Run:
    """Tell those who read it in the run, below what is still to be said there."""
    for i, out in enumerate(waiting := run.outbox.queue):
        if out.to is None and out.kind == "failure" and not out.key:
            below = replace(out, text=f"{out.text}\n{text}")
            return queue(run, (*waiting[:i], below, *waiting[i + 1 :]))
    reply = f"{run.outbox.reply}\n{text}" if run.outbox.reply else text
    return replace(run, outbox=replace(run.outbox, reply=reply))
