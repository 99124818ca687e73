"""What to do next about a run: `next_step(run, agent, now) -> step`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.policies import Busy, places_to_ask
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest, request_text
from ponderd.workers.run.chat_commands import command_of
from ponderd.workers.run.state import Outgoing, Run
from ponderd.workers.steps.approval import judge
from ponderd.workers.steps.chat_commands import carry_out

_CANNOT_DECIDE = (
    "I could not work out what to do. Please put it differently, or tell me the next step."
)
_BUSY = "I am still busy with the message before and did not take this one. Please send it later."

INTERRUPTIONS = 3
"""How often one message may be put off for others (policy interrupt): then it is answered, and
those that come meanwhile wait, or somebody who never stops writing would never hear anything."""

LONGEST_SILENCE = 10
"""How many times its `silence` policy collect waits at most, for people who are never silent."""


@dataclass(frozen=True, slots=True)
class CallModel:
    pass


@dataclass(frozen=True, slots=True)
class CallTool:
    """`key` is set when the call began before a crash and may safely be repeated."""

    call: e.ToolCall
    key: str | None = None


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask people for a yes to the chosen call, unless the tool itself objects to it."""

    request: e.ApprovalRequested


@dataclass(frozen=True, slots=True)
class SendReply:
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Record:
    """Nothing to do outside: write this down and go on."""

    event: e.Event


@dataclass(frozen=True, slots=True)
class UseDraft:
    """Thinking more brought nothing: take the usable answer that was doubted before, or `otherwise`
    write that down, if it does what cannot be undone."""

    otherwise: e.QuestionAsked | e.RunFailed


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (Unix seconds), or before somebody does something (None)."""

    until: float | None = None


Step = CallModel | CallTool | AskApproval | SendReply | Record | UseDraft | Wait


def next_step(run: Run, agent: Agent, now: float) -> Step:
    """The first rule that fits. `now` is the store's clock, Unix seconds."""
    if run.commands:
        return Record(carry_out(run, run.commands[0], now))
    if (
        run.reply_to_approval and run.approval and run.approval.expired
    ):  # what it was paused for came
        return Record(judge(run, agent, now))
    if run.paused:
        return _while_paused(run, now)
    busy = agent.busy_in(run.channel)
    if busy.policy == "reject" and run.inbox and not (run.over or run.reply_to_approval):
        return Record(e.MessageRefused(at=now, text=_BUSY))
    if run.retry_at is not None and run.retry_at > now:
        return Wait(run.retry_at)
    if run.call and run.call_key:  # begun by a worker that did not live to tell
        tool = agent.tool(run.call.tool)
        if tool and tool.idempotent and not run.over:
            return CallTool(run.call, run.call_key)
        return Record(e.ToolOutcomeUnknown(at=now))
    if run.outgoing:
        return SendReply(run.outgoing[0])
    if run.over or run.waiting_for == "answer":
        return Wait()
    if run.approval and run.waiting_for == "approval":
        return _while_nobody_answers(run, agent, now)
    if run.reply_to_approval and run.approval:
        return Record(judge(run, agent, now))
    if run.wait:
        over = run.wait.until is not None and run.wait.until <= now
        return Record(e.WaitEnded(at=now)) if over else Wait(run.wait.until)
    if busy.policy == "collect" and run.fresh and (silent := _silent_at(run, busy, now)) > now:
        return Wait(silent)
    if run.inbox and (_may_interrupt(run, busy) or (busy.policy == "collect" and run.fresh)):
        return Record(e.MessagesJoined(at=now))
    if run.call:
        return _use(run.call, run, agent, now)
    if run.effort.rejections >= agent.limits.rejections:
        return _give_up(run, e.QuestionAsked(at=now, text=_CANNOT_DECIDE))
    if run.effort.model_calls >= agent.limits.model_calls:
        text = f"I took {run.effort.model_calls} steps without finding an answer. Shall I go on?"
        return _give_up(run, e.QuestionAsked(at=now, text=text))
    if run.effort.model_gone:
        error = "I cannot answer now: the model server does not answer. Please try again later."
        return _give_up(run, e.RunFailed(at=now, error=error))
    return CallModel()


def _give_up(run: Run, event: e.QuestionAsked | e.RunFailed) -> UseDraft | Record:
    return UseDraft(event) if run.effort.draft else Record(event)


def interrupts(before: Run, after: Run, agent: Agent) -> str:
    """Why a model call that began at `before` is not wanted any more at `after`; "" if it is."""
    if after.over and not before.over:
        return "cancelled"
    if any(command_of(m.text) == "cancel" and m.authentic for m in after.commands):
        return "cancelled"
    if _may_interrupt(before, agent.busy_in(after.channel)) and len(after.inbox) > len(
        before.inbox
    ):
        return "another message came"
    return ""


def _silent_at(run: Run, busy: Busy, now: float) -> float:
    if run.heard_at > now + 1:
        return now  # messages carry the daemon's clock: one that runs ahead must not hold this up
    return min(run.heard_at + busy.silence, run.heard_since + busy.silence * LONGEST_SILENCE)


def _may_interrupt(run: Run, busy: Busy) -> bool:
    return busy.policy == "interrupt" and run.joined < INTERRUPTIONS


def _while_paused(run: Run, now: float) -> Step:
    """Nothing new is begun; but what was begun may have arrived, and notices are no work."""
    first = run.outgoing[0] if run.outgoing else None
    if first and (first.key or first.kind == "notice"):
        if run.retry_at is not None and run.retry_at > now:
            return Wait(run.retry_at)
        return SendReply(first)
    return Wait()


def _while_nobody_answers(run: Run, agent: Agent, now: float) -> Step:
    approval, policy = run.approval, agent.approvals
    assert approval is not None
    if approval.expired:
        return Wait()
    moments = []
    if policy.timeout is not None:
        ends = approval.asked_at + policy.timeout
        if ends <= now:
            return Record(_unanswered(run, agent, now))
        moments.append(ends)
    if policy.remind_every is not None and approval.posted:
        # The next one after the last: what a pause or a standstill left out is not made up for.
        last = (approval.reminded_at or approval.asked_at) - approval.asked_at
        reminder = approval.asked_at + policy.remind_every * (last // policy.remind_every + 1)
        if reminder <= now:
            return Record(e.ApprovalReminded(at=now))
        moments.append(reminder)
    return Wait(min(moments, default=None))


def _unanswered(run: Run, agent: Agent, now: float) -> e.ApprovalEscalated | e.ApprovalExpired:
    approval, policy = run.approval, agent.approvals
    assert approval is not None
    waited = now - approval.asked_at
    match policy.on_timeout:
        case "escalate" if policy.escalate_to and not approval.escalated:
            return e.ApprovalEscalated(at=now, to=places_to_ask(policy.escalate_to, approval.text))
        case "deny":
            return e.ApprovalExpired(at=now, policy="deny", waited=waited)
        case _:
            return e.ApprovalExpired(at=now, policy="halt", waited=waited)


def _use(call: e.ToolCall, run: Run, agent: Agent, now: float) -> Step:
    tool = agent.tool(call.tool)
    # A fork repeats what the run did that it was made from: not without somebody's yes.
    repeats = run.detached and tool is not None and not tool.idempotent
    needed = tool is not None and (repeats or tool.needs_approval(call.arguments))
    if not needed or run.approved == digest(call):
        return CallTool(call)
    text = request_text(call)
    ask = places_to_ask(agent.approvals.ask, text)
    return AskApproval(e.ApprovalRequested(at=now, text=text, digest=digest(call), ask=ask))
