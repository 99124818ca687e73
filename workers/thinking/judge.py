"""What a model's answer is taken for: used, rejected, or doubted and asked for again. Pure.

`execution.model_call` asks the model and runs the agent's own check. The functions here take what
that brought, and return the event to record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from ponderd.workers.agents.actions import Rejected
from ponderd.workers.agents.agent import Agent
from ponderd.workers.llm.client import Completion
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Choice
from ponderd.workers.run.model_call import DoubtReason, ModelCall, RejectionReason, ThinkingDecision
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import reached
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.policy import Policy
from ponderd.workers.thinking.verify import doubt, gist, wants_second_draft


class Judgement(NamedTuple):
    answer: Choice | Rejected
    doubt: DoubtReason | None = None
    """Why a usable answer is not used."""

    undecided: bool = False
    """A second draft should be asked for, and compared."""

    @property
    def status(self) -> Literal["answered", "rejected", "doubted"]:
        if isinstance(self.answer, Rejected):
            return "rejected"
        return "doubted" if self.doubt else "answered"

    @property
    def reason(self) -> RejectionReason | DoubtReason | None:
        return self.answer.reason if isinstance(self.answer, Rejected) else self.doubt

    def event(self, at: float, call: ModelCall, content: str, thought: str) -> e.Event:
        if isinstance(self.answer, Rejected):
            reason, detail = self.answer
            return e.ModelRejected(
                at=at, reason=reason, detail=detail, content=content, call=call, thought=thought
            )
        if self.doubt is not None:
            return e.ModelDoubted(at=at, reason=self.doubt, content=content, call=call)
        return e.ModelAnswered(
            at=at, choice=self.answer, content=content, call=call, thought=thought
        )


def judge(
    answer: Choice | Rejected,
    completion: Completion,
    case: Case,
    decision: ThinkingDecision,
    policy: Policy,
) -> Judgement:
    """`answer` is what `completion` says, after the agent's own check."""
    if isinstance(answer, Rejected):
        return Judgement(answer)
    reason = doubt(case, decision, policy, margin=completion.margin, cut=completion.cut)
    if reason is not None:
        return Judgement(answer, reason)
    return Judgement(answer, undecided=wants_second_draft(case, decision, answer))


def compare(first: Choice | Rejected, second: Choice | Rejected) -> Judgement:
    """Judge `first`, which is usable, by a second draft of it."""
    if isinstance(first, Rejected) or isinstance(second, Rejected):
        return Judgement(first, "drafts")
    return Judgement(first, None if gist(second) == gist(first) else "drafts")


def may_repeat(run: Run, agent: Agent, call: ModelCall, now: float) -> bool:
    """Whether the run may spend one more call after this one. Without it a doubted answer would be
    lost."""
    if run.effort.model_calls + 1 >= agent.limits.model_calls:
        return False
    if not agent.limited:
        return True
    return reached(replace(run, usage=run.usage.plus(call)), agent, {}, now) is None
