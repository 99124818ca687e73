"""Asking people for a yes, and reading their answers. Pure.

Only a clear yes, written by somebody whose channel vouches for them and who is an approver,
approves. A clear no denies; anything else withdraws the call and goes to the agent as a remark.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from channels.message import principal
from channels.verdict import read_verdict
from workers.agent import Agent
from workers.events import ApprovalAnswered, MessageRefused, ToolCall
from workers.run import Approval, Run


def digest(call: ToolCall) -> str:
    """What binds an approval to one exact call: its tool and its arguments."""
    exact = json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(exact.encode("utf-8", "replace")).hexdigest()[:32]


def replace_arguments(call: ToolCall, arguments: dict[str, Any]) -> ToolCall:
    return call.model_copy(update={"arguments": arguments})


def request_text(call: ToolCall) -> str:
    return f"May I run {shown(call)}? Please answer yes or no."


def unknown_outcome_text(call: ToolCall, key: str | None) -> str:
    return (
        f"I started {shown(call)} (key {key}) and was interrupted before I saw the outcome. "
        "I will not start it again by myself. Please look whether it happened, and tell me."
    )


def refused_text(approval: Approval, agent: Agent) -> str:
    """For somebody who may not decide."""
    named = (*agent.approvals.approvers, *(agent.approvals.escalate_to * approval.escalated))
    return f"You may not decide this; it waits for {' or '.join(named)}. {approval.text}"


def judge(run: Run, agent: Agent, now: float) -> ApprovalAnswered | MessageRefused:
    """What the message means that came while an approval was open."""
    message, approval = run.verdict, run.approval
    assert message is not None and approval is not None
    if not message.authentic:
        text = f"I cannot see who wrote this, so it decides nothing. {approval.text}"
        return MessageRefused(at=now, text=text)
    verdict = read_verdict(message.text)
    if verdict is True and not may_decide(run, agent, principal(message.via, message.sender)):
        return MessageRefused(at=now, text=refused_text(approval, agent))
    if verdict is None and approval.subject != "tool":
        return MessageRefused(at=now, text=f"Please answer yes or no first. {approval.text}")
    return ApprovalAnswered(
        at=now,
        approved=verdict is True,
        by=message.sender,
        via=message.via,
        remark="" if verdict is not None else message.text,
        withdrawn=verdict is None,
        digest=approval.bound_to,
    )


def may_decide(run: Run, agent: Agent, person: str) -> bool:
    assert run.approval is not None
    return agent.approvals.allow(person, escalated=run.approval.escalated)


def decided_text(event: ApprovalAnswered) -> str:
    """Who decided what, for everybody who was asked."""
    what = "Approved" if event.approved else "Withdrawn" if event.withdrawn else "Denied"
    by = principal(event.via, event.by) if event.via else event.by
    changed = ", with other arguments" if event.arguments is not None else ""
    remark = f": {event.remark}" if event.remark else ""
    return f"{what} by {by}{changed}{remark}."


def shown(call: ToolCall) -> str:
    arguments = ", ".join(f"{k}={json.dumps(v, default=str)}" for k, v in call.arguments.items())
    return f"{call.tool}({arguments})"
