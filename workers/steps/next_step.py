"""What to do next about a run: `next_step(run, agent, now) -> step`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.policies import Approvals, Busy, places_to_ask
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import SAME_FAILURES, digest, request_text
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.state import Approval, Outgoing, Run
from ponderd.workers.run.turned_away import to_tell_at, too_many
from ponderd.workers.run.undelivered import due, next_try
from ponderd.workers.run.unknown_outcomes import again_text, in_the_way
from ponderd.workers.steps.approval import judge
from ponderd.workers.steps.attempts import (
    BEGINNINGS,
    DEATHS,
    begun_too_often,
    given_up,
    may_begin_at,
)
from ponderd.workers.steps.chat_commands import carry_out

_CANNOT_DECIDE = (
    "I could not work out what to do. Please put it differently, or tell me the next step."
)
_MODEL_GONE = "I cannot answer now: the model server does not answer. Please try again later."
_MODEL_REFUSES = (
    "I cannot answer this: the model server does not take the request. An operator can see why."
)
_BUSY = "I am still busy with an earlier message and did not take this one. Please send it later."

INTERRUPTIONS = 3
"""How often other messages may interrupt one (policy interrupt). After that it is answered and the
others wait. Otherwise somebody who never stops writing would never hear anything."""

LONGEST_SILENCE = 10
"""The longest wait of policy collect, as a multiple of its `silence`, for people who never stop."""


@dataclass(frozen=True, slots=True)
class CallModel:
    pass


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run a tool. `key` is set if the call began before, got no outcome, and may be repeated."""

    call: ToolCall
    key: str | None = None


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask people for a yes to the chosen call, unless the tool itself objects to it."""

    request: e.ApprovalRequested


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """Let the tool's own function say whether people must approve the chosen call."""

    needed: AskApproval
    not_needed: CallTool


@dataclass(frozen=True, slots=True)
class SendReply:
    """Send it; or, if each worker died that tried to, give it up with the error `given_up`."""

    outgoing: Outgoing
    given_up: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Write an event and go on: there is nothing to do outside."""

    event: e.Event


@dataclass(frozen=True, slots=True)
class UseDraft:
    """Thinking more brought nothing: use the doubted answer after all. If it would do what cannot
    be undone, record `otherwise` instead."""

    otherwise: e.QuestionAsked | e.RunFailed


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until `until` (Unix seconds), or until somebody does something (None)."""

    until: float | None = None


Step = CallModel | CallTool | AskApproval | AskPolicy | SendReply | Record | UseDraft | Wait


def next_step(run: Run, agent: Agent, now: float, deaths: int = 0) -> Step:
    """The first rule that fits. `now` is the store's clock, Unix seconds. `deaths`: so many workers
    in a row died while they held the run, and wrote nothing.

    People come first, then what was begun, then what the run waits for; only then new work.
    """
    if run.missing:
        return Record(e.AgentFound(at=now))
    step = (
        _what_people_want(run, agent, now)
        or _what_came_to_nothing(run, agent, now, deaths)
        or _what_was_begun(run, agent, now)
        or _what_is_awaited(run, agent, now)
        or _what_comes_next(run, agent, now)
    )
    if isinstance(step, Wait | CallModel) and (full := inbox_is_full(run, agent, now)):
        return full
    if isinstance(step, Wait):
        return waits(run, step, now)
    return step


def waits(run: Run, step: Wait, now: float) -> Wait:
    """`step`, ended when something that nothing waits for is to be said."""
    moments = (step.until, next_try(run), to_tell_at(run, now))
    return Wait(min((moment for moment in moments if moment is not None), default=None))


def inbox_is_full(run: Run, agent: Agent | None, now: float) -> Record | None:
    """What is to be recorded of messages for which there is no room. Without an `agent`, as for one
    that says nothing about it."""
    limit = (agent.busy_in(run.channel) if agent else Busy()).waiting
    if too_many(run, limit):
        return Record(e.MessagesTurnedAway(at=now, limit=limit))
    told_at = to_tell_at(run, now)
    if told_at is not None and told_at <= now:
        return Record(e.SendersTurnedAway(at=now, limit=limit))
    return None


def _what_people_want(run: Run, agent: Agent, now: float) -> Step | None:
    # Before everything else, so that /cancel also reaches a run that is paused or retries.
    if run.inbox.commands:
        return Record(carry_out(run, run.inbox.commands[0], now))
    # In portions, while they pour in. What is left over is looked at when the run waits or thinks.
    limit = agent.busy_in(run.channel).waiting
    if too_many(run, limit + limit // 4) and (full := inbox_is_full(run, agent, now)):
        return full
    # Before the pause: nobody had answered, so the run was paused until somebody does.
    if run.work.reply_to_approval and run.work.approval and run.work.approval.expired:
        return Record(judge(run, agent, now))
    # Before all that begins or ends something, or a pause would not hold it.
    if run.paused:
        return _while_paused(run, now)
    # Before a retry, which may take minutes: the sender is told at once. A refusal is for the reply
    # to an approval, if there is one, so that reply is judged first.
    may_refuse = run.inbox.waiting and not (run.ended or run.work.reply_to_approval)
    if may_refuse and agent.busy_in(run.channel).policy == "reject":
        return Record(e.MessageRefused(at=now, text=_BUSY))
    return None


def _what_was_begun(run: Run, agent: Agent, now: float) -> Step | None:
    """End what was begun before anything new begins, also in a run that was cancelled."""
    # Nothing waits for it, so it waits for nothing. But an answer that came by now may make it
    # needless.
    if (again := due(run, now)) and not run.work.reply_to_approval:
        return SendReply(again)
    if run.retry_at is not None and run.retry_at > now:
        return Wait(run.retry_at)
    # Before the replies: what they say may depend on the outcome of the tool.
    if run.work.call and run.work.call_key and not run.is_set_aside:  # nobody saw how it ended
        tool = agent.tool(run.work.call.tool)
        if tool and tool.idempotent and not run.ended:
            return _repeat(run.work.call, run, agent, now)
        return Record(e.ToolOutcomeUnknown(at=now, why="interrupted"))
    # Before all waiting: nobody can answer a question that was not sent.
    if run.outbox.queue:
        return SendReply(run.outbox.queue[0])
    return None


def _what_came_to_nothing(run: Run, agent: Agent, now: float, deaths: int) -> Step | None:
    """Begin nothing that was begun too often."""
    failed = run.failed_steps >= BEGINNINGS
    if not failed and not deaths:
        return None
    if failed or deaths >= DEATHS:
        first = run.outbox.queue[0] if run.outbox.queue else None
        sending = due(run, now) or first
        if sending and sending.key:
            why = str(run.error) if failed else f"its worker died {deaths} times while sending it"
            return SendReply(sending, given_up=why)
    set_aside = given_up(run, agent, now, deaths)
    return Record(set_aside) if set_aside else None


def _repeat(call: ToolCall, run: Run, agent: Agent, now: float) -> Step:
    if set_aside := begun_too_often(run, agent, now):
        return Record(set_aside)
    if (moment := may_begin_at(run)) > now:
        return Wait(moment)
    return CallTool(call, run.work.call_key)


def _what_is_awaited(run: Run, agent: Agent, now: float) -> Step | None:
    work = run.work
    if run.ended or work.waiting_for in ("answer", "delivery"):
        return Wait()
    if work.approval and work.waiting_for == "approval":
        return _while_nobody_answers(work.approval, agent.approvals, now)
    if work.reply_to_approval and work.approval:
        return Record(judge(run, agent, now))
    if work.wait:
        elapsed = work.wait.until is not None and work.wait.until <= now
        return Record(e.WaitEnded(at=now)) if elapsed else Wait(work.wait.until)
    return None


def _what_comes_next(run: Run, agent: Agent, now: float) -> Step:
    busy = agent.busy_in(run.channel)
    collects = busy.policy == "collect" and run.fresh
    # Before others are joined: they are, all at once, when nobody has written for a while.
    if collects and (silent := _silent_at(run, busy, now)) > now:
        return Wait(silent)
    # Before the chosen tool: a message that joins may change what should be done.
    if run.inbox.waiting and (collects or _may_interrupt(run, busy)):
        return Record(e.MessagesJoined(at=now))
    if run.work.call:
        return _use(run.work.call, run, agent, now)
    if run.effort.retry_at is not None and run.effort.retry_at > now:
        return Wait(run.effort.retry_at)
    return _give_up(run, agent, now) or CallModel()


def _give_up(run: Run, agent: Agent, now: float) -> UseDraft | Record | None:
    """What people are told when asking the model again would bring nothing."""
    effort, event = run.effort, None
    if effort.most_failures >= SAME_FAILURES:  # whatever else it may think of, people must know
        return Record(e.QuestionAsked(at=now, text=effort.failing))
    if effort.rejections >= agent.limits.rejections:
        event = e.QuestionAsked(at=now, text=_CANNOT_DECIDE)
    elif effort.model_calls >= agent.limits.model_calls:
        text = f"I took {effort.model_calls} steps without finding an answer. Shall I go on?"
        event = e.QuestionAsked(at=now, text=text)
    elif effort.model_gone:
        text = _MODEL_REFUSES if effort.model_refused else _MODEL_GONE
        return _use_draft_or(run, e.RunFailed(at=now, error=text))
    return _use_draft_or(run, event) if event else None


def _use_draft_or(run: Run, event: e.QuestionAsked | e.RunFailed) -> UseDraft | Record:
    return UseDraft(event) if run.effort.draft else Record(event)


def interrupts(before: Run, after: Run, agent: Agent) -> str:
    """Say why a model call that began at `before` is unwanted at `after`; "" if it is wanted."""
    if after.ended and not before.ended:
        return "cancelled"
    if any(one.came for one in after.unknown if one not in before.unknown):
        return "the result of a tool came late"
    if any(
        command_of(m.own_text, m.sender) == "cancel" and m.authentic for m in after.inbox.commands
    ):
        return "cancelled"
    came = len(after.inbox.waiting) > len(before.inbox.waiting)
    if came and _may_interrupt(before, agent.busy_in(after.channel)):
        return "another message came"
    return ""


def _silent_at(run: Run, busy: Busy, now: float) -> float:
    heard_at = run.inbox.heard_at
    if heard_at > now + 1:
        return now  # messages carry the daemon's clock: one that runs ahead must not hold this up
    return min(heard_at + busy.silence, run.message.since + busy.silence * LONGEST_SILENCE)


def _may_interrupt(run: Run, busy: Busy) -> bool:
    return busy.policy == "interrupt" and run.message.joined < INTERRUPTIONS


def _while_paused(run: Run, now: float) -> Step:
    """Begin nothing new. But finish a reply that may have arrived, and send notices."""
    if again := due(run, now):
        return SendReply(again)
    first = run.outbox.queue[0] if run.outbox.queue else None
    if first and (first.key or first.kind == "notice"):
        if run.retry_at is not None and run.retry_at > now:
            return Wait(run.retry_at)
        return SendReply(first)
    return Wait()


def _while_nobody_answers(approval: Approval, policy: Approvals, now: float) -> Step:
    if approval.expired:
        return Wait()
    moments = []
    if policy.timeout is not None:
        ends = approval.asked_at + policy.timeout
        if ends <= now:
            return Record(_unanswered(approval, policy, now))
        moments.append(ends)
    if policy.remind_every is not None and approval.posted:
        # The next one after the last: reminders missed during a pause are not made up for.
        last = (approval.reminded_at or approval.asked_at) - approval.asked_at
        reminder = approval.asked_at + policy.remind_every * (last // policy.remind_every + 1)
        if reminder <= now:
            return Record(e.ApprovalReminded(at=now))
        moments.append(reminder)
    return Wait(min(moments, default=None))


def _unanswered(
    approval: Approval, policy: Approvals, now: float
) -> e.ApprovalEscalated | e.ApprovalExpired:
    waited = now - approval.asked_at
    match policy.on_timeout:
        case "escalate" if policy.escalate_to and not approval.escalated:
            return e.ApprovalEscalated(at=now, to=places_to_ask(policy.escalate_to, approval.text))
        case "deny":
            return e.ApprovalExpired(at=now, policy="deny", waited=waited)
        case _:
            return e.ApprovalExpired(at=now, policy="halt", waited=waited)


def _use(call: ToolCall, run: Run, agent: Agent, now: float) -> Step:
    tool = agent.tool(call.tool)
    # A fork may repeat what the original run did. It needs somebody's yes for that.
    repeats = run.detached and tool is not None and not tool.idempotent
    # An earlier call may have happened, and whoever was asked has not spoken yet.
    before = in_the_way(run, call)
    policy = "always" if tool and (repeats or before) else tool.approval if tool else "never"
    if policy == "never" or run.work.approved == digest(call):
        return CallTool(call)
    text = again_text(call, before) if before else request_text(call)
    ask = places_to_ask(agent.approvals.ask, text)
    asking = AskApproval(e.ApprovalRequested(at=now, text=text, digest=digest(call), ask=ask))
    return asking if policy == "always" else AskPolicy(asking, CallTool(call))


def begins_with_commit(step: Step, agent: Agent, sending: bool) -> bool:
    """Whether nothing keeps `step` from committing at once, so that what is not written yet can go
    with it."""
    match step:
        case Record():
            return True
        case Wait():
            return not sending
        case SendReply(out):
            return out.key is None
        case CallTool(call, key):
            tool = agent.tool(call.tool)
            return key is None and tool is not None and not (tool.isolated or tool.check)
        case _:
            return False
