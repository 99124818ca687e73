"""What is true after an event: `reduce(run, event) -> run`. Pure.

docs/run-states.md draws the states and transitions; a test compares it with this code. What comes
in, what is to be said, what became of that, what people decide, what tools do and what came to
nothing have a module each: reduce_messages, reduce_replies, reduce_delivered, reduce_approvals,
reduce_tools, reduce_attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, assert_never

from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Address, Inquiry
from ponderd.channels.people import principal_of, without_teams
from ponderd.workers.run import events as e
from ponderd.workers.run import reduce_approvals as approvals
from ponderd.workers.run import reduce_attempts as attempts
from ponderd.workers.run import reduce_delivered as delivered
from ponderd.workers.run import reduce_messages as messages
from ponderd.workers.run import reduce_missing as missing
from ponderd.workers.run import reduce_replies as replies
from ponderd.workers.run import reduce_tools as tools
from ponderd.workers.run import turned_away
from ponderd.workers.run.choices import Answer, Question, ToolCall
from ponderd.workers.run.copies import replace
from ponderd.workers.run.participants import heard, told
from ponderd.workers.run.reduce_replies import notify, place, say, to_tell
from ponderd.workers.run.reduce_retried import retried
from ponderd.workers.run.state import OpenQuestion, Outgoing, Run, Status, Turn, add
from ponderd.workers.run.turns import forget
from ponderd.workers.run.undelivered import ask_again, drop, tell_instead
from ponderd.workers.run.unknown_outcomes import asks_of_one

DRAFTS = 100
"""How many doubted answers that stood after all a run remembers for what comes of them."""

_ANSWERED: dict[str, Any] = {
    "model_failures": 0,
    "model_gone": False,
    "model_refused": False,
    "failing_since": None,
    "retry_at": None,
}
"""What the model's effort is after it answered, whatever it said."""


def fold(events: Iterable[e.Event], run: Run | None = None) -> Run:
    """Raises ValueError if the log does not begin with `RunLaunched`."""
    for event in events:
        run = reduce(run, event)
    if run is None:
        raise ValueError("the log is empty")
    return run


def reduce(run: Run | None, event: e.Event) -> Run:
    if isinstance(event, e.RunLaunched):
        return _launch(event)
    if run is None:
        raise ValueError(f"a log begins with run_launched, not {event.type}")
    run = replace(attempts.progressed(run, event), version=run.version + 1, updated_at=event.at)
    match event:
        case e.RunForked():
            return replies.detach(approvals.ask_anew(run))
        case e.VersionAdopted():
            return replace(run, agent_version=event.agent_version)
        case e.MessageReceived():
            return missing.wrote(messages.receive(heard(run, event), event), event)
        case e.MessagesJoined():
            return _join(run)
        case e.MessageRefused():
            return _refuse(run, event)
        case e.MessagesTurnedAway():
            return turned_away.turn_away(run, event)
        case e.SendersTurnedAway():
            return turned_away.tell(run, event)
        case e.EventReceived():
            return messages.hear_of(run, event)
        case e.WaitEnded():
            return messages.end_wait(run)
        case e.ModelAnswered():
            return _choose(run, event)
        case e.ModelRejected():
            return _reject(run, event)
        case e.ModelDoubted():
            return _doubt(run, event)
        case e.ModelFailed():
            return _fail_model(run, event)
        case e.ModelInterrupted():
            return replace(run, usage=run.usage.plus_dropped(event.seconds))
        case e.ApprovalRequested():
            return approvals.request(run, event, "tool", event.digest)
        case e.LimitReached():
            bound_to = f"{event.account or event.scope}.{event.measure}"
            return approvals.request(run, event, "limit", bound_to)
        case e.VersionChanged():
            return approvals.request(run, event, "version", event.agent_version)
        case e.ApprovalAnswered():
            return approvals.answered(run, event)
        case e.ApprovalReminded():
            return approvals.remind(run, event)
        case e.ApprovalEscalated():
            return approvals.escalate(run, event)
        case e.ApprovalExpired():
            return approvals.expire(run, event)
        case e.QuestionAsked():
            run = add(run, Turn("note", f"The person was asked: {event.text}"))
            return say(run, "question", event.text)
        case e.ToolStarted():
            return attempts.begin(tools.started(run, event), event)
        case e.ToolRepeated():
            return attempts.begin(run, event)
        case e.StepFailed():
            return attempts.fail_step(run, event)
        case e.RunSetAside():
            return approvals.request(run, event, "again", event.digest)
        case e.ToolFinished():
            return tools.finished(run, event)
        case e.ToolFailed():
            return tools.failed(run, event)
        case e.ToolInterrupted():
            return tools.interrupted(run, event)
        case e.ToolOutcomeUnknown():
            return tools.lost(run, event)
        case e.LateResultReceived():
            return tools.came_late(run, event)
        case e.ReplyStarted():
            return delivered.begun(told(run, event.to), event)
        case e.ReplySent():
            return delivered.sent(run, event)
        case e.ReplyFailed():
            return delivered.not_sent(run, event)
        case e.ReplyPutAside():
            return delivered.put_off(run, event)
        case e.DeliveriesRetried():
            return ask_again(run, event)
        case e.ReplyBounced():
            return delivered.bounced(run, event)
        case e.FeedbackReceived():
            return run
        case e.RunFailed():
            return say(replace(run, error=event.error), "failure", event.error)
        case e.RunRetried():
            return retried(run, event)
        case e.AgentMissed():
            return missing.missed(run, event)
        case e.AgentFound():
            return missing.found(run)
        case e.RunPaused():
            run = run if run.ended else replace(run, paused=True)
            return _obey(run, "Paused. /resume goes on, /cancel ends it.") if event.command else run
        case e.RunResumed():
            run = replace(run, paused=False)
            return _obey(run, "It goes on.") if event.command else run
        case e.RunCancelled():
            return _cancel(run, event)
        case _:
            assert_never(event)


def _launch(event: e.RunLaunched) -> Run:
    return Run(
        id=event.run_id,
        agent=event.agent,
        agent_version=event.agent_version,
        channel=event.channel,
        conversation=event.conversation,
        created_at=event.at,
        updated_at=event.at,
        source=event.source,
        ended=Status.COMPLETED,  # nothing to do until its first message, the next event
    )


def _join(run: Run) -> Run:
    """Answer all messages that wait together with the current one."""
    waiting = run.inbox.waiting
    run = replace(
        run,
        inbox=replace(run.inbox, waiting=()),
        message=replace(run.message, joined=run.message.joined + 1),
    )
    for message in waiting:
        run = messages.join(run, message)
    return run


def _refuse(run: Run, event: e.MessageRefused) -> Run:
    """Refuse the message that `next_step` looked at: it looks in this order."""
    inbox, work = run.inbox, run.work
    if inbox.commands:
        return _obey(run, event.text)
    if refused := work.reply_to_approval:
        work = replace(work, reply_to_approval=None, waiting_for="approval")
        if inbox.waiting:  # it came after the refused one, and is the next to be judged
            work = replace(work, reply_to_approval=inbox.waiting[0], waiting_for=None)
            inbox = replace(inbox, waiting=inbox.waiting[1:])
        return notify(replace(run, work=work, inbox=inbox), event.text, refused.reply_to)
    if inbox.waiting:
        refused = inbox.waiting[0]
        run = replace(run, inbox=replace(inbox, waiting=inbox.waiting[1:]))
        return notify(run, event.text, refused.reply_to)
    return run


def _obey(run: Run, text: str) -> Run:
    """A command was carried out or refused: tell whoever gave it."""
    if not run.inbox.commands:
        return run
    command, commands = run.inbox.commands[0], run.inbox.commands[1:]
    run = replace(run, inbox=replace(run.inbox, commands=commands))
    return notify(run, text, command.reply_to)


def _choose(run: Run, event: e.ModelAnswered) -> Run:
    effort = replace(
        run.effort.asked(run.version, event.call.decision.arm),
        rejections=0,
        last_rejection=None,
        doubts=0,
        draft="",
        drafted_by=0,
        **_ANSWERED,
    )
    if not event.call.model:
        drafts = {**run.drafts, run.version: run.effort.drafted_by}
        run = replace(run, drafts=dict(list(drafts.items())[-DRAFTS:]))
    run = replace(
        run,
        usage=run.usage.plus(event.call),
        effort=effort,
        chosen_by=run.version,
        retry_at=None,
        told_away=(),
        error=None,
    )
    if run.ended:  # cancelled while the model was asked: paid for, but no longer wanted
        return run
    run = forget(add(run, Turn("agent", event.content)), event.call.window)
    match event.choice:
        case ToolCall() as call:
            return replace(run, work=replace(run.work, call=call, approved=""))
        case Answer(text=text, output=output):
            return say(replace(run, outbox=replace(run.outbox, output=output)), "answer", text)
        case Question(text=text) as question:
            inquiry = _inquiry(run, question)
            open_question = OpenQuestion(inquiry.id, text) if inquiry else None
            run = replace(run, work=replace(run.work, question=open_question))
            return say(run, "question", text, inquiry)
        case _:
            assert_never(event.choice)


def _inquiry(run: Run, question: Question) -> Inquiry | None:
    choices = ("yes", "no") if question.format == "yes_no" else question.choices
    if not choices and question.urgency == "normal":
        return None
    asked = str(EventRef(run.id, run.version))
    return Inquiry(id=asked, kind="question", choices=choices, urgency=question.urgency)


def _reject(run: Run, event: e.ModelRejected) -> Run:
    effort = replace(
        run.effort.asked(run.version, event.call.decision.arm, "schema"),
        rejections=run.effort.rejections + 1,
        last_rejection=event.reason,
        **_ANSWERED,
    )
    run = replace(run, usage=run.usage.plus(event.call), effort=effort, told_away=())
    said = (Turn("agent", event.content),) if event.content.strip() else ()
    return add(run, *said, Turn("note", f"That was not usable: {event.detail}"))


def _doubt(run: Run, event: e.ModelDoubted) -> Run:
    """The draft is paid for, and that is all: the next call sees what this one saw."""
    effort = replace(
        run.effort.asked(run.version, event.call.decision.arm, "doubt"),
        doubts=run.effort.doubts + 1,
        draft=event.content,
        drafted_by=run.version,
        **_ANSWERED,
    )
    return replace(run, usage=run.usage.plus(event.call), effort=effort, told_away=())


def _fail_model(run: Run, event: e.ModelFailed) -> Run:
    if run.ended:  # cancelled meanwhile: nothing is left to try again
        return run
    effort = replace(
        run.effort,
        model_failures=run.effort.model_failures + 1,
        model_gone=event.retry_at is None,
        model_refused=event.refused,
        retry_at=event.retry_at,
    )
    if effort.failing_since is None:
        effort = replace(effort, failing_since=event.at - event.waited)
    places = to_tell(run) if event.notice else ()
    for to in places:
        run = notify(run, event.notice, to)
    told_away = (*run.told_away, *map(place, places))
    return replace(run, effort=effort, error=event.error, told_away=told_away)


def _cancel(run: Run, event: e.RunCancelled) -> Run:
    if run.ended:
        return run
    notice = f"Cancelled by {principal_of(event.by)}."
    notice += f" {event.reason}" if event.reason else ""
    # What is on its way may have arrived: it is finished. Notices are owed to others.
    begun = tuple(out for out in run.outbox.queue if out.key or out.kind == "notice")
    owed = _owed(run, answering=any(out.key and not out.beside for out in begun))
    asks = partial(asks_of_one, run)
    unsent = [out for out in run.outbox.queue if asks(out) and not out.key]
    run = tell_instead(run, asks)
    run = drop(run, lambda out: out.kind == "question" and not out.late)
    work, approval = run.work, run.work.approval
    call = work.call if work.call_key else None  # begun: its outcome is still to be recorded
    queue = begun + tuple(Outgoing("failure", notice, to) for to in owed)
    run = replace(
        run,
        ended=Status.CANCELLED,
        paused=False,
        missing=None,
        retry_at=None,
        error=without_teams(notice),
        inbox=replace(run.inbox, waiting=(), early=()),
        work=replace(work, waiting_for=None, reply_to_approval=None, wait=None, call=call),
        outbox=replace(run.outbox, queue=queue),
    )
    if approval:
        run = replies.resolve(run, approval, notice)
    run = tools.tell_in_the_end(run, unsent)
    return _tell_who_cancelled(run, notice, owed) if event.command else run


def _owed(run: Run, *, answering: bool) -> list[Address | None]:
    """To whom a cancelled run still owes an outcome; `answering`: one is already on its way."""
    owed = [message.reply_to for message in (*run.inbox.waiting, *run.inbox.early)]
    if run.work.reply_to_approval:
        return [run.work.reply_to_approval.reply_to, *owed]
    asked_in_vain = any(out.kind == "question" for out in run.outbox.undelivered)
    if (run.owes_an_outcome or asked_in_vain) and not answering:
        return [*replies.audience(run), *owed]
    return owed


def _tell_who_cancelled(run: Run, notice: str, owed: list[Address | None]) -> Run:
    to = run.inbox.commands[0].reply_to
    told = any(place and to and (place.channel, place.to) == (to.channel, to.to) for place in owed)
    if told:
        return replace(run, inbox=replace(run.inbox, commands=run.inbox.commands[1:]))
    return _obey(run, notice)
