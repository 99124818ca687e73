"""An answer that comes while the question is still on its way: read, or typed ahead?"""

from __future__ import annotations

import pytest

from ponderd.channels.message import Address, Inquiry
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest, request_text
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold

THREAD = Address(channel="slack", to="C1", thread="1")
CALL = ToolCall(tool="pay", arguments={})
RECEIPT = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=1)


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
        inquiry=Inquiry(id="00-r:4", kind="approval"),
    ),
]
SENT = e.ReplySent(at=30, receipt="1.1")


def yes(at: float, text: str = "yes") -> e.MessageReceived:
    return e.MessageReceived(
        at=at, text=text, sender="u1", via="slack", authentic=True, reply_to=THREAD
    )


@pytest.mark.parametrize("text", ["yes", "no", "well"])
def test_decides_nothing_and_is_asked_for_again(text: str) -> None:
    run = fold([*ASKED, yes(12, text), SENT])
    assert run.work.approval and run.work.waiting_for == "approval" and run.work.call == CALL
    [notice] = run.outbox.queue
    assert notice.kind == "notice" and "answer again" in notice.text and notice.to == THREAD


def test_that_came_before_the_question_withdraws_the_call() -> None:
    run = fold([*ASKED[:-1], yes(5), ASKED[-1], SENT])
    assert run.work.call is None and run.work.approval is None


def test_is_not_lost_when_another_message_withdraws_the_call() -> None:
    other = yes(5, "wait, what is it for?")
    run = fold([*ASKED[:-1], other, ASKED[-1], yes(12, "and tell me the price"), SENT])
    assert run.work.call is None and run.work.approval is None
    assert run.message.text == other.text
    assert [message.text for message in run.inbox.waiting] == ["and tell me the price"]


def test_is_not_lost_when_a_button_decides_meanwhile() -> None:
    pressed = e.ApprovalAnswered(at=13, approved=True, by="u2", via="slack", approval="00-r:4")
    run = fold([*ASKED, yes(12), pressed, SENT])
    assert run.work.approved and [message.text for message in run.inbox.waiting] == ["yes"]


def test_is_told_of_a_cancel() -> None:
    run = fold([*ASKED, yes(12), e.RunCancelled(at=13, by="u2"), SENT])
    assert [(out.kind, out.to) for out in run.outbox.queue] == [("failure", THREAD)]
