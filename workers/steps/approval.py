"""Read what people answer to an approval. Pure.

Only a clear yes approves, written by an approver for whom the channel vouches. A clear no denies.
A yes with anything else in it decides nothing: its writer is told how to answer, and the question
stays open. What is neither withdraws the call and goes to the agent as a remark. Not so in Slack,
where several people talk in one place: there it decides nothing, either.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponderd.channels.message import principal
from ponderd.channels.text import one_line
from ponderd.channels.yes_no import leans_to_yes, read_verdict
from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.events import ApprovalAnswered, MessageRefused
from ponderd.workers.run.state import Approval, Run

CLOCK_SKEW = 300.0
"""Seconds by which the clock of a person's machine may be behind ours. What is proven of their
answer names the question, so a bound this wide lets nothing else pass."""


_HOW_TO_ANSWER = "Please answer with yes alone, or with no and below it what to do instead."


def refused_text(approval: Approval, agent: Agent) -> str:
    """Tell somebody who may not decide who may."""
    named = (*agent.approvals.approvers, *(agent.approvals.escalate_to * approval.escalated))
    return f"You may not decide this; it waits for {' or '.join(named)}. {approval.text}"


def _unclear_text(text: str, approval: Approval) -> str:
    """Tell somebody how to answer, and what was read: they may believe to have decided."""
    return (
        f"I read no clear yes in “{one_line(text)}”, so nothing is decided yet. {_HOW_TO_ANSWER} "
        f"{approval.text}"
    )


def _still_open_text(text: str, approval: Approval) -> str:
    return (
        f"Before I can look at “{one_line(text)}”, this needs an answer. {_HOW_TO_ANSWER} "
        f"{approval.text}"
    )


def judge(run: Run, agent: Agent, now: float) -> ApprovalAnswered | MessageRefused:
    """Say what the message means that came while an approval was open."""
    message, approval = run.work.reply_to_approval, run.work.approval
    assert message is not None and approval is not None
    if not message.authentic:
        text = f"I cannot see who wrote this, so it decides nothing. {approval.text}"
        return MessageRefused(at=now, text=text)
    receipts = [posted.receipt for posted in approval.posted]
    asked_at = None if approval.escalated else approval.asked_at  # it was asked before that, too
    if not is_answer(message.answers, message.written_at, approval.id, receipts, asked_at):
        text = f"What you wrote answers something else, so it decides nothing. {approval.text}"
        return MessageRefused(at=now, text=text)
    said_yes, remark = read_verdict(message.own_text, message.sender)
    if said_yes is True and not may_decide(run, agent, principal(message.via, message.sender)):
        return MessageRefused(at=now, text=refused_text(approval, agent))
    if said_yes is None and approval.subject != "tool":
        return MessageRefused(at=now, text=f"Please answer yes or no first. {approval.text}")
    if said_yes is None and leans_to_yes(message.own_text, message.sender):
        return MessageRefused(at=now, text=_unclear_text(message.text, approval))
    if said_yes is None and message.via == "slack":
        return MessageRefused(at=now, text=_still_open_text(message.text, approval))
    return ApprovalAnswered(
        at=now,
        approved=said_yes is True,
        by=message.sender,
        via=message.via,
        remark=message.text if said_yes is None else remark,
        withdrawn=said_yes is None,
        digest=approval.bound_to,
    )


def is_answer(
    answers: Sequence[str],
    written_at: float | None,
    inquiry: str,
    receipts: Sequence[str],
    asked_at: float | None,
) -> bool:
    """Whether what is proven of an answer (see `Trigger`) is about this question, which was sent as
    the messages `receipts`, and was written after it. A channel that proves it otherwise says
    nothing."""
    about = not answers or inquiry in answers or any(sent in answers for sent in receipts)
    early = asked_at is not None and written_at is not None and written_at < asked_at - CLOCK_SKEW
    return about and not early


def may_decide(run: Run, agent: Agent, person: str) -> bool:
    assert run.work.approval is not None
    return agent.approvals.allow(person, escalated=run.work.approval.escalated)
