"""Read what people answer to an approval. Pure.

Only a clear yes approves, written by an approver for whom the channel vouches. A clear no denies.
Anything else withdraws the call and goes to the agent as a remark.
"""

from __future__ import annotations

from ponderd.channels.message import principal
from ponderd.channels.yes_no import read_yes_no
from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.events import ApprovalAnswered, MessageRefused
from ponderd.workers.run.state import Approval, Run


def refused_text(approval: Approval, agent: Agent) -> str:
    """Tell somebody who may not decide who may."""
    named = (*agent.approvals.approvers, *(agent.approvals.escalate_to * approval.escalated))
    return f"You may not decide this; it waits for {' or '.join(named)}. {approval.text}"


def judge(run: Run, agent: Agent, now: float) -> ApprovalAnswered | MessageRefused:
    """Say what the message means that came while an approval was open."""
    message, approval = run.work.reply_to_approval, run.work.approval
    assert message is not None and approval is not None
    if not message.authentic:
        text = f"I cannot see who wrote this, so it decides nothing. {approval.text}"
        return MessageRefused(at=now, text=text)
    said_yes = read_yes_no(message.text)
    if said_yes is True and not may_decide(run, agent, principal(message.via, message.sender)):
        return MessageRefused(at=now, text=refused_text(approval, agent))
    if said_yes is None and approval.subject != "tool":
        return MessageRefused(at=now, text=f"Please answer yes or no first. {approval.text}")
    return ApprovalAnswered(
        at=now,
        approved=said_yes is True,
        by=message.sender,
        via=message.via,
        remark="" if said_yes is not None else message.text,
        withdrawn=said_yes is None,
        digest=approval.bound_to,
    )


def may_decide(run: Run, agent: Agent, person: str) -> bool:
    assert run.work.approval is not None
    return agent.approvals.allow(person, escalated=run.work.approval.escalated)
