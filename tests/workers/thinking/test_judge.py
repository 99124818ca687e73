"""What a model's answer is taken for, and the event that records it."""

from dataclasses import replace

import pytest

from ponderd.workers.agents.actions import Rejected
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.llm.client import Completion
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.judge import Judgement, compare, judge
from ponderd.workers.thinking.policy import Policy

CASE = Case("assistant", "answer", Thinking(), own_arms(short=256, long=1024), read("hello"))
NONE = ThinkingDecision(mode="none")
YES, NO = Answer(text="yes"), Answer(text="no")
PROSE = Rejected("prose", "Answer with one JSON object only.")
CALL = ModelCall(model="m", decision=NONE, prompt_hash="", seconds=1)


def judged(answer=YES, case=CASE, **fields) -> Judgement:
    return judge(answer, Completion("{}", "m", "", **fields), case, NONE, Policy())


def test_a_sure_answer_is_used():
    judgement = judged(margin=-0.01)
    assert (judgement.status, judgement.reason, judgement.undecided) == ("answered", None, False)
    event = judgement.event(5.0, CALL, "{}", "hm")
    assert event == e.ModelAnswered(at=5.0, choice=YES, content="{}", call=CALL, thought="hm")


def test_an_unsure_answer_is_doubted_and_its_thought_is_not_kept():
    judgement = judged(margin=-9.0)
    assert (judgement.status, judgement.reason) == ("doubted", "margin")
    event = judgement.event(5.0, CALL, "{}", "hm")
    assert event == e.ModelDoubted(at=5.0, reason="margin", content="{}", call=CALL)


def test_an_unusable_answer_is_rejected_however_sure_it_is():
    judgement = judged(PROSE, margin=-0.01, cut=True)
    assert (judgement.status, judgement.reason) == ("rejected", "prose")
    event = judgement.event(5.0, CALL, "well", "hm")
    assert event == e.ModelRejected(
        at=5.0, reason="prose", detail=PROSE.detail, content="well", call=CALL, thought="hm"
    )


def test_a_second_draft_is_wanted_only_by_agents_that_compare_drafts_and_only_without_a_doubt():
    drafts = replace(CASE, thinking=Thinking(drafts=True))
    assert judged(case=drafts, margin=-0.01).undecided
    assert not judged(case=drafts, margin=-9.0).undecided
    assert not judged(PROSE, case=drafts).undecided


@pytest.mark.parametrize(("second", "doubt"), [(YES, None), (NO, "drafts"), (PROSE, "drafts")])
def test_two_drafts_must_agree(second, doubt):
    judgement = compare(YES, second)
    assert (judgement.answer, judgement.doubt, judgement.undecided) == (YES, doubt, False)
