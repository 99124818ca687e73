"""Whether a usable answer should be used."""

from dataclasses import replace

import pytest

from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.run.choices import Answer, Question, ToolCall
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.thinking.case import Allowance, Case
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.policy import Policy
from ponderd.workers.thinking.verify import DOUBTS, doubt, escalation, gist, wants_second_draft

ARMS = own_arms(short=256, long=1024)
CASE = Case("assistant", "answer", Thinking(), ARMS, read("hello"))
NONE = ThinkingDecision(mode="none")
SHORT = ThinkingDecision(mode="short", budget=256)
LONG = ThinkingDecision(mode="long", budget=1024)
CALL = ToolCall(tool="add", arguments={"a": 1, "b": 2})


def doubted(case=CASE, decision=NONE, margin=-3.0, cut=False):
    return doubt(case, decision, Policy(), margin=margin, cut=cut)


def test_an_unsure_answer_is_doubted_and_a_sure_one_is_not():
    assert doubted(margin=-3.0) == "margin"
    assert doubted(margin=-0.01) is None
    assert doubted(margin=None) is None


def test_an_answer_that_ends_where_its_tokens_did_is_doubted():
    assert doubted(margin=-0.01, cut=True) == "cut off"


def test_nothing_is_doubted_that_could_not_be_asked_for_again_with_more_thought():
    assert doubted(decision=LONG, cut=True) is None
    never = replace(CASE, thinking=Thinking(mode="never"))
    assert doubted(never, cut=True) is None
    assert doubted(replace(CASE, switch="off"), cut=True) is None
    assert doubted(replace(CASE, cap=0), cut=True) is None
    assert doubted(replace(CASE, allowance=Allowance(tokens=0)), cut=True) is None


def test_the_last_call_that_there_is_has_to_do():
    assert doubted(replace(CASE, may_repeat=False), cut=True) is None
    drafts = replace(CASE, thinking=Thinking(drafts=True), may_repeat=False)
    assert not wants_second_draft(drafts, NONE, CALL)


def test_one_step_is_doubted_only_so_often():
    assert doubted(replace(CASE, retries=DOUBTS), cut=True) is None


@pytest.mark.parametrize(("decision", "up"), [(NONE, "short"), (SHORT, "long")])
def test_it_goes_one_arm_up(decision, up):
    found = escalation(CASE, decision)
    assert found is not None
    assert found.name == up


def test_an_extraction_may_think_after_all():
    found = escalation(replace(CASE, kind="extract"), NONE)
    assert found is not None
    assert found.name == "short"


def test_the_dearer_tokens_are_the_less_is_doubted():
    unsure = -0.9
    assert doubt(CASE, NONE, Policy(price=0.0), margin=unsure, cut=False) == "margin"
    assert doubt(CASE, NONE, Policy(price=5.0), margin=unsure, cut=False) is None
    spent = replace(CASE, allowance=Allowance(tokens=2000, pressure=1.0))  # of a budget
    assert doubt(CASE, NONE, Policy(price=0.1), margin=-1.2, cut=False) == "margin"
    assert doubt(spent, NONE, Policy(price=0.1), margin=-1.2, cut=False) is None


# -- drafts --------------------------------------------------------------------------------------


def test_two_drafts_are_wanted_only_where_that_is_of_use():
    with_drafts = replace(CASE, thinking=Thinking(drafts=True))
    assert wants_second_draft(with_drafts, NONE, CALL)
    assert not wants_second_draft(CASE, NONE, CALL)
    assert not wants_second_draft(with_drafts, SHORT, CALL)
    assert not wants_second_draft(replace(with_drafts, switch="off"), NONE, CALL)
    assert not wants_second_draft(with_drafts, NONE, Answer(text="a text of more than four words"))


def test_what_can_be_compared():
    assert gist(CALL) == gist(ToolCall(tool="add", arguments={"b": 2, "a": 1}))
    assert gist(CALL) != gist(ToolCall(tool="add", arguments={"a": 1, "b": 3}))
    assert gist(Answer(text="42.")) == gist(Answer(text=" 42"))
    assert gist(Answer(text="Yes!")) != gist(Answer(text="No."))
    assert gist(Answer(text="this can be put in many ways")) is None
    assert gist(Question(text="Which one?")) == gist(Question(text="And which one do you mean?"))


def test_of_a_typed_answer_its_short_fields_count():
    one = Answer(text="", output={"kind": "bug", "summary": "the login page is down today"})
    two = Answer(text="", output={"kind": "bug", "summary": "nobody can log in since this morning"})
    assert gist(one) == gist(two) != gist(Answer(text="", output={"kind": "spam"}))
    assert gist(Answer(text="", output={"text": "only a text, and a long one"})) is None
