"""Whether to use a usable answer, or to ask again with more thought. Pure.

Doubting a cheap answer costs one more call; using a wrong one costs a person. So the chance that
the answer is right, judged by its margin, is weighed against the value of the next stronger arm
at its price. Answers that are plainly wrong (not JSON, no such tool, failed the agent's own
check) do not come here: they are rejected, and the model is told why.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from ponderd.workers.agents.arms import Arm, above, find
from ponderd.workers.llm.margin import SHORT_WORDS
from ponderd.workers.run.choices import Answer, Choice, Question, ToolCall
from ponderd.workers.run.model_call import DoubtReason, ThinkingDecision
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.pins import allowed
from ponderd.workers.thinking.policy import Policy, price_for

DOUBTS = 2
"""How often one step may be asked for again: none -> short -> long."""


def escalation(case: Case, decision: ThinkingDecision) -> Arm | None:
    """The next stronger arm that this call may use."""
    troubled = replace(case, arm=decision.arm, trouble="doubt")
    arms = allowed(troubled).arms
    up = above(case.arms, decision.arm)
    while up is not None and find(arms, up.name) is None:
        up = above(case.arms, up.name)
    return find(arms, up.name) if up else None


def doubt(
    case: Case, decision: ThinkingDecision, policy: Policy, *, margin: float | None, cut: bool
) -> DoubtReason | None:
    """`margin`: see `llm.margin`. `cut`: the answer ended where its tokens did. Nothing is doubted
    that could not be asked for again with more thought."""
    if margin is None and not cut:
        return None
    arm, stronger = find(case.arms, decision.arm), _second_chance(case, decision)
    if arm is None or stronger is None:
        return None
    if cut or margin is None:
        return "cut off"
    beliefs = policy.beliefs_for(case.agent)
    right = beliefs.right(case, arm, margin)
    again = beliefs.rescued(case, arm, stronger, margin)
    price = price_for(case, policy)
    return "margin" if right < again.reward - price * again.tokens / 1000 else None


def wants_second_draft(case: Case, decision: ThinkingDecision, choice: Choice) -> bool:
    """Only for cheap answers that can be compared, and only if a disagreement could change
    anything."""
    return (
        case.thinking.drafts
        and decision.mode == "none"
        and gist(choice) is not None
        and _second_chance(case, decision) is not None
    )


def _second_chance(case: Case, decision: ThinkingDecision) -> Arm | None:
    return escalation(case, decision) if case.may_repeat and case.retries < DOUBTS else None


def gist(choice: Choice) -> str | None:
    """The part that must agree in two drafts of an answer. None if drafts cannot be compared."""
    match choice:
        case ToolCall(tool=tool, arguments=arguments):
            return json.dumps([tool, arguments], sort_keys=True)
        case Answer(output=dict() as output):
            short = {name: value for name, value in output.items() if _is_short(value)}
            return json.dumps(short, sort_keys=True) if short else None
        case Answer(text=text):
            return _plain(text) if _is_short(text) else None
        case Question():
            return "question"


def _is_short(value: object) -> bool:
    return not isinstance(value, str) or len(value.split()) <= SHORT_WORDS


def _plain(text: str) -> str:
    return re.sub(r"[^\w.,-]+", " ", text.lower()).strip(" .,")
