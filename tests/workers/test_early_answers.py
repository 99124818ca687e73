"""A yes that comes while the question is still on its way: read, or typed ahead?"""

from __future__ import annotations

import pytest

from channels.message import Address, Prompt
from workers import events as e
from workers.agent import Agent, tool
from workers.approval import digest, request_text
from workers.reducer import fold
from workers.steps import Record, next_step

THREAD = Address(channel="slack", to="C1", thread="1")
CALL = e.ToolCall(tool="pay", arguments={})
RECEIPT = e.ModelCall(model="m", decision=e.Decision(), prompt_hash="", seconds=1)


@tool(approval="always")
def pay() -> str:
    """pay"""
    return "paid"


AGENT = Agent("payer", "", "", tools=(pay,))
ASKED: list[e.Event] = [
    e.RunLaunched(
        at=0, run_id="00-r", agent="payer", agent_version="1", channel="slack", conversation="c"
    ),
    e.MessageReceived(at=0, text="pay", sender="u1", via="slack", authentic=True, reply_to=THREAD),
    e.ModelAnswered(at=1, choice=CALL, content="{}", call=RECEIPT),
    e.ApprovalRequested(at=2, text=request_text(CALL), digest=digest(CALL)),
    e.ReplyStarted(
        at=10,
        key="k",
        kind="question",
        text=request_text(CALL),
        to=THREAD,
        prompt=Prompt(id="00-r:4", kind="approval"),
    ),
]
SENT = e.ReplySent(at=30, receipt="1.1")


def yes(at: float, text: str = "yes") -> e.MessageReceived:
    return e.MessageReceived(
        at=at, text=text, sender="u1", via="slack", authentic=True, reply_to=THREAD
    )


@pytest.mark.parametrize("at", [11.0, 29.0])
def test_counts_if_the_question_can_have_been_read(at: float) -> None:
    run = fold([*ASKED, yes(at), SENT])
    step = next_step(run, AGENT, 31)
    assert isinstance(step, Record)
    assert isinstance(step.event, e.ApprovalAnswered) and step.event.approved


@pytest.mark.parametrize("at", [5.0, 10.5])
def test_withdraws_the_call_if_it_was_typed_ahead(at: float) -> None:
    run = fold([*ASKED, yes(at), SENT])
    assert run.call is None and run.approval is None


def test_is_judged_before_what_came_after_it() -> None:
    run = fold([*ASKED, yes(12, "no"), yes(13), SENT])
    step = next_step(run, AGENT, 31)
    assert isinstance(step, Record)
    assert isinstance(step.event, e.ApprovalAnswered) and not step.event.approved
    assert [message.text for message in run.inbox] == ["yes"]
