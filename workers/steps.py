"""What to do next about a run: `next_step(run, agent, now) -> step`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from workers import events as e
from workers.agent import Agent
from workers.approval import judge, request_text
from workers.run import Outgoing, Run

_CANNOT_DECIDE = (
    "I could not work out what to do. Please put it differently, or tell me the next step."
)


@dataclass(frozen=True, slots=True)
class CallModel:
    pass


@dataclass(frozen=True, slots=True)
class CallTool:
    """`key` is set when the call began before a crash and may safely be repeated."""

    call: e.ToolCall
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SendReply:
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Record:
    """Nothing to do outside: write this down and go on."""

    event: e.Event


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (Unix seconds), or before somebody does something (None)."""

    until: float | None = None


Step = CallModel | CallTool | SendReply | Record | Wait


def next_step(run: Run, agent: Agent, now: float) -> Step:
    """The first rule that fits. `now` is the store's clock, Unix seconds."""
    if run.paused:
        return Wait()
    if run.retry_at is not None and run.retry_at > now:
        return Wait(run.retry_at)
    if run.call and run.call_key:  # begun by a worker that did not live to tell
        tool = agent.tool(run.call.tool)
        if tool and tool.idempotent and not run.over:
            return CallTool(run.call, run.call_key)
        return Record(e.ToolOutcomeUnknown(at=now))
    if run.outgoing:
        return SendReply(run.outgoing[0])
    if run.over or run.waiting_for:
        return Wait()
    if run.verdict:
        return Record(judge(run.verdict, now))
    if run.call:
        tool = agent.tool(run.call.tool)
        if tool and not run.approved and tool.needs_approval(run.call.arguments):
            return Record(e.ApprovalRequested(at=now, text=request_text(run.call)))
        return CallTool(run.call)
    if run.effort.rejections >= agent.limits.rejections:
        return Record(e.QuestionAsked(at=now, text=_CANNOT_DECIDE))
    if run.effort.model_calls >= agent.limits.model_calls:
        text = f"I took {run.effort.model_calls} steps without finding an answer. Shall I go on?"
        return Record(e.QuestionAsked(at=now, text=text))
    if run.effort.model_gone:
        error = "I cannot answer now: the model server does not answer. Please try again later."
        return Record(e.RunFailed(at=now, error=error))
    return CallModel()
