"""What is true after an event: `reduce(run, event) -> run`. Pure.

docs/run-states.md draws the states and transitions; a test compares it with this code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from channels.message import ReplyKind
from workers import events as e
from workers.approval import unknown_outcome_text
from workers.run import Effort, Outgoing, Run, Status
from workers.turns import Turn


def fold(events: Iterable[e.Event], run: Run | None = None) -> Run:
    """Raises ValueError if the log does not begin with `RunLaunched`."""
    for event in events:
        run = reduce(run, event)
    if run is None:
        raise ValueError("the log is empty")
    return run


def reduce(run: Run | None, event: e.Event) -> Run:
    if isinstance(event, e.RunLaunched):
        return Run(
            id=event.run_id,
            agent=event.agent,
            agent_version=event.agent_version,
            channel=event.channel,
            conversation=event.conversation,
            created_at=event.at,
            updated_at=event.at,
            source=event.source,
            traceparent=event.traceparent,
            over=Status.COMPLETED,  # nothing to do until its first message, the next event
        )
    if run is None:
        raise ValueError(f"a log begins with run_launched, not {event.type}")
    run = replace(run, version=run.version + 1, updated_at=event.at)
    match event:
        case e.MessageReceived():
            return _receive(run, event)
        case e.ModelAnswered():
            return _choose(run, event)
        case e.ModelRejected():
            effort = replace(
                run.effort,
                model_calls=run.effort.model_calls + 1,
                rejections=run.effort.rejections + 1,
                last_rejection=event.reason,
                mode=event.call.decision.mode,
            )
            run = replace(run, usage=run.usage.plus(event.call), effort=effort, retry_at=None)
            said = (Turn("agent", event.content),) if event.content.strip() else ()
            return _add(run, *said, Turn("note", f"That was not usable: {event.detail}"))
        case e.ModelFailed():
            if run.over:  # cancelled meanwhile: nothing is left to try again
                return run
            effort = replace(
                run.effort,
                model_failures=run.effort.model_failures + 1,
                model_gone=event.retry_at is None,
            )
            return replace(run, effort=effort, retry_at=event.retry_at, error=event.error)
        case e.ApprovalRequested():
            return _say(run, "question", event.text)
        case e.QuestionAsked():
            run = _add(run, Turn("note", f"The person was asked: {event.text}"))
            return _say(run, "question", event.text)
        case e.ApprovalAnswered():
            run = replace(run, verdict=None, waiting_for=None, effort=Effort(mode=run.effort.mode))
            if event.approved:
                return replace(run, approved=True)
            outcome = (
                f"not done. The person wrote: {event.remark}"
                if event.remark
                else "a person said no."
            )
            return _settle(run, outcome)
        case e.ToolStarted():
            return replace(run, call_key=event.key)
        case e.ToolFinished():
            return _settle(run, event.result)
        case e.ToolFailed():
            return _settle(run, f"failed: {event.error}")
        case e.ToolOutcomeUnknown():
            question = unknown_outcome_text(run.call, run.call_key) if run.call else ""
            run = _settle(run, "the outcome is unknown, a person was asked to look.")
            return run if run.over else _say(run, "question", question)
        case e.ReplyStarted():
            return _replace_first(run, replace(run.outgoing[0], key=event.key))
        case e.ReplySent():
            return _said(run)
        case e.ReplyFailed():
            return _not_said(run, event)
        case e.RunFailed():
            return _say(replace(run, error=event.error), "failure", event.error)
        case e.RunPaused():
            return run if run.over else replace(run, paused=True)
        case e.RunResumed():
            return replace(run, paused=False)
        case e.RunCancelled():
            return _cancel(run, event)
        case _:
            assert_never(event)


def _add(run: Run, *turns: Turn) -> Run:
    return replace(run, turns=run.turns + turns)


def _receive(run: Run, message: e.MessageReceived) -> Run:
    run = replace(run, retry_at=None)  # somebody is there: try again at once
    if run.waiting_for == "approval":
        return replace(
            run,
            verdict=message,
            waiting_for=None,
            text=message.text,
            reply_to=message.reply_to,
        )
    # A cancelled run first says so, and ends what was in flight for the messages before.
    if run.waiting_for == "answer" or (run.over and not run.outgoing):
        return _take_up(run, message)
    return replace(run, inbox=(*run.inbox, message))


def _take_up(run: Run, message: e.MessageReceived) -> Run:
    files = "".join(f"\n[attached: {name}]" for name in message.attachments)
    run = replace(
        run,
        text=message.text,
        reply_to=message.reply_to,
        waiting_for=None,
        over=None,
        paused=run.paused and run.over is None,
        effort=Effort(),
        error=None,
    )
    return _add(run, Turn("person", message.text + files))


def _choose(run: Run, event: e.ModelAnswered) -> Run:
    effort = Effort(
        model_calls=run.effort.model_calls + 1,
        mode=event.call.decision.mode,
    )
    run = replace(run, usage=run.usage.plus(event.call), effort=effort, retry_at=None, error=None)
    if run.over:  # cancelled while the model was at it: paid for, but no longer wanted
        return run
    run = _add(run, Turn("agent", event.content))
    match event.choice:
        case e.ToolCall() as call:
            return replace(run, call=call, approved=False)
        case e.Answer(text=text, output=output):
            return _say(replace(run, output=output), "answer", text)
        case e.Question(text=text):
            return _say(run, "question", text)
        case _:
            assert_never(event.choice)


def _settle(run: Run, outcome: str) -> Run:
    """The chosen tool call is over, one way or the other."""
    name = run.call.tool if run.call else "tool"
    run = replace(run, call=None, call_key=None, approved=False)
    return _add(run, Turn("tool", f"{name}: {outcome}"))


def _say(run: Run, kind: ReplyKind, text: str) -> Run:
    return replace(run, outgoing=(*run.outgoing, Outgoing(kind, text, run.reply_to)))


def _replace_first(run: Run, outgoing: Outgoing) -> Run:
    return replace(run, outgoing=(outgoing, *run.outgoing[1:]))


def _said(run: Run) -> Run:
    said, rest = run.outgoing[0], run.outgoing[1:]
    run = replace(run, outgoing=rest, reply=said.text, retry_at=None)
    if rest:
        return run
    if run.inbox:
        # Written before our question was read: it can withdraw a call, but never approve it.
        message, inbox = run.inbox[0], run.inbox[1:]
        run = replace(run, inbox=inbox)
        if run.call:
            run = _settle(run, "not done, another message came first.")
        return _take_up(run, message)
    if run.over:
        return run
    match said.kind:
        case "question":
            return replace(run, waiting_for="approval" if run.call else "answer")
        case "answer":
            return replace(run, over=Status.COMPLETED, paused=False)
        case "failure":
            return replace(run, over=Status.FAILED, paused=False)
        case _:
            assert_never(said.kind)


def _not_said(run: Run, event: e.ReplyFailed) -> Run:
    first = run.outgoing[0]
    if event.retry_at is not None:
        run = _replace_first(run, replace(first, attempts=first.attempts + 1))
        return replace(run, retry_at=event.retry_at, error=event.error)
    run = _said(run)  # given up: it can still be read in the run
    run = replace(run, error=f"could not deliver the reply: {event.error}")
    if run.over is Status.COMPLETED or run.waiting_for:  # nobody will answer what nobody saw
        run = replace(run, over=Status.FAILED, waiting_for=None, call=None, paused=False)
    return run


def _cancel(run: Run, event: e.RunCancelled) -> Run:
    if run.over:
        return run
    notice = f"Cancelled by {event.by}." + (f" {event.reason}" if event.reason else "")
    begun = tuple(out for out in run.outgoing if out.key)  # may have arrived: finish it
    owed = [message.reply_to for message in run.inbox]
    if run.owes_an_outcome and not begun:
        owed.insert(0, run.reply_to)
    return replace(
        run,
        over=Status.CANCELLED,
        paused=False,
        waiting_for=None,
        retry_at=None,
        verdict=None,
        inbox=(),
        call=run.call if run.call_key else None,  # begun: its outcome is still to be recorded
        outgoing=begun + tuple(Outgoing("failure", notice, to) for to in owed),
        error=notice,
    )
