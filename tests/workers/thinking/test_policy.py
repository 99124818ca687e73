"""How much the next model call may think: what is pinned, held, scored, asked; in this order."""

from dataclasses import replace

import pytest

from ponderd.workers.agents.arms import Arm, own_arms, with_family
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.run.chat_commands import switch_of, without_switch
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.run.state import Effort
from ponderd.workers.thinking.beliefs import Beliefs, EpisodeSample, learn
from ponderd.workers.thinking.case import FEATURES, Allowance, Case
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.hold import LOWER_AFTER
from ponderd.workers.thinking.policy import (
    COLD,
    TRIALS,
    AskTheModel,
    Policy,
    chance_of,
    decide,
    trials,
    wins,
)

ARMS = own_arms(short=256, long=1024)
RULES = Policy(learning=False)
STORY = (
    "Anna buys 3 boxes of 12 eggs each and drops 5 eggs on the way home. "
    "How many eggs are left in total?"
)


def case(text="hello", *, thinking=None, arms=ARMS, **fields) -> Case:
    return Case(
        agent="assistant",
        kind=fields.pop("kind", "answer"),
        thinking=thinking or Thinking(),
        arms=arms,
        criteria=read(without_switch(text)),
        switch=switch_of(text),
        **fields,
    )


def decision(text="hello", policy=RULES, chance=0.0, **fields) -> ThinkingDecision:
    found = decide(case(text, **fields), policy, chance)
    assert isinstance(found, ThinkingDecision)
    return found


def chosen(*args, **fields) -> tuple[str, int]:
    found = decision(*args, **fields)
    return found.arm, found.budget


# -- pins ----------------------------------------------------------------------------------------


def test_an_agent_can_forbid_and_demand_thinking():
    assert chosen(STORY, thinking=Thinking(mode="never")) == ("none", 0)
    assert chosen(thinking=Thinking(mode="always")) == ("short", 256)
    assert decision(STORY, thinking=Thinking(mode="never")).reason == "agent: never"


def test_an_agents_bounds_hold():
    assert chosen(thinking=Thinking(least=600)) == ("short", 600)
    assert chosen("/think hard", thinking=Thinking(greatest=300)) == ("long", 300)
    assert chosen(STORY, thinking=Thinking(greatest=0)) == ("none", 0)
    assert chosen(STORY, thinking=Thinking(arms=("none", "long"))) == ("long", 1024)


def test_the_operators_cap_is_harder_than_the_agent():
    found = decision("/think hard", thinking=Thinking(least=600), cap=100)
    assert (found.arm, found.budget) == ("short", 100)
    assert chosen(STORY, cap=0) == ("none", 0)


def test_a_deadline_leaves_no_time_to_think():
    assert chosen(STORY, allowance=Allowance(seconds=60, rate=0.03)) == ("short", 256)
    assert chosen(STORY, allowance=Allowance(seconds=6, rate=0.03)) == ("short", 100)
    assert decision(STORY, allowance=Allowance(seconds=1, rate=0.03)).mode == "none"


def test_a_token_budget_that_is_used_up_leaves_no_thought():
    assert chosen(STORY, allowance=Allowance(tokens=64)) == ("short", 64)
    found = decision(STORY, allowance=Allowance(tokens=3))
    assert (found.arm, found.reason) == ("none", "token budget")


def test_a_person_can_demand_and_forbid_thinking_within_that():
    assert chosen("/think why?") == ("short", 256)
    assert chosen("/think hard why?") == ("long", 1024)
    assert chosen(f"/no_think {STORY}") == ("none", 0)
    assert decision("/think hard").reason == "person: /think hard"
    # where there is no long thought, the longest there is
    assert chosen("/think hard", thinking=Thinking(greatest=200)) == ("short", 200)
    assert chosen("/think hard", thinking=Thinking(arms=("none", "short"))) == ("short", 256)
    assert chosen("/think", thinking=Thinking(mode="never")) == ("none", 0)
    assert chosen("/no_think", thinking=Thinking(mode="always")) == ("short", 256)


@pytest.mark.parametrize("kind", ["extract", "format"])
def test_extraction_and_formatting_begin_without_a_thought(kind):
    found = decision(STORY, kind=kind)
    assert (found.arm, found.reason) == ("none", f"{kind} needs none")
    assert chosen(f"/think {STORY}", kind=kind) == ("short", 256)
    assert chosen(STORY, kind=kind, thinking=Thinking(mode="always")) == ("short", 256)


def test_what_may_choose_a_destructive_tool_thinks_at_least_shortly():
    found = decision(destructive=True)
    assert found.arm == "short"
    assert found.reason == "rule: the least, may choose a destructive tool"
    assert decision("/no_think", destructive=True).mode == "short"  # not for whoever writes to say
    assert decision(destructive=True, kind="extract").mode == "short"
    assert decision(destructive=True, thinking=Thinking(mode="never")).mode == "none"


# -- hold ----------------------------------------------------------------------------------------


def test_a_tool_loop_keeps_its_arm():
    assert chosen(arm="short", first_arm="short") == ("short", 256)
    assert decision(STORY, arm="none", first_arm="none").reason == "held"


@pytest.mark.parametrize("trouble", ["schema", "doubt", "tool error"])
def test_trouble_raises_it_step_by_step(trouble):
    fields = {"trouble": trouble, "last_rejection": "unknown_action"}
    assert chosen(arm="none", first_arm="none", **fields) == ("short", 256)
    assert chosen(arm="short", first_arm="none", **fields) == ("long", 1024)
    assert chosen(arm="long", first_arm="none", **fields) == ("long", 1024)


def test_even_an_extraction_thinks_once_it_went_wrong():
    fields = {"kind": "extract", "trouble": "schema", "last_rejection": "invalid_arguments"}
    assert chosen(arm="none", first_arm="none", **fields) == ("short", 256)


@pytest.mark.parametrize("reason", ["empty", "invalid_json", "prose"])
def test_a_thought_that_broke_the_answer_is_not_repeated(reason):
    fields = {"trouble": "schema", "last_rejection": reason}
    assert chosen(arm="long", first_arm="long", **fields) == ("none", 0)
    assert chosen(arm="none", first_arm="none", **fields) == ("short", 256)


def test_a_raised_arm_comes_down_slowly():
    raised = {"arm": "long", "first_arm": "none"}
    assert chosen(**raised, untroubled=1) == ("long", 1024)
    assert chosen(**raised, untroubled=LOWER_AFTER) == ("short", 256)
    assert chosen(arm="short", first_arm="none", untroubled=LOWER_AFTER) == ("none", 0)
    assert chosen(arm="long", first_arm="long", untroubled=LOWER_AFTER) == ("long", 1024)
    # one that fell below for want of tokens was not raised
    assert chosen(arm="short", first_arm="long", untroubled=LOWER_AFTER) == ("short", 256)


def test_who_asks_again_gets_more_than_before():
    found = decision(asked_again=True, before=Effort(arm="none"))
    assert (found.arm, found.reason) == ("short", "raised: asked again")
    assert chosen(asked_again=True, before=Effort(arm="short")) == ("long", 1024)
    assert chosen(asked_again=True, before=Effort()) == ("none", 0)


def test_what_is_held_must_still_be_allowed():
    assert chosen(arm="long", first_arm="long", cap=300) == ("long", 300)
    assert chosen(arm="long", first_arm="long", thinking=Thinking(mode="never")) == ("none", 0)
    assert chosen("/no_think", arm="long", first_arm="long") == ("none", 0)


# -- rules, while nothing was learned ------------------------------------------------------------


def test_the_rule_is_not_to_think_but_about_several_steps():
    assert decision().reason == "rule: none needed"
    assert chosen() == ("none", 0)
    assert decision(STORY).reason == "rule: several steps"
    assert chosen(STORY) == ("short", 256)
    assert decision(STORY).policy == "rules"


def test_while_cold_half_of_the_calls_are_made_without_thinking():
    cold = Policy()
    assert decision(STORY, cold, chance=0.9).arm == "short"
    trial = decision(STORY, cold, chance=0.1)
    assert (trial.arm, trial.reason, trial.probability) == ("none", "trial without thinking", 0.5)
    assert decision(STORY, cold, chance=0.9).probability == 0.5
    assert decision("hello", cold, chance=0.1).probability == 1


def test_nothing_is_tried_where_it_could_do_harm():
    assert decision(STORY, Policy(), chance=0.1, destructive=True).arm == "short"
    assert decision(STORY, Policy(), chance=0.1, destructive=True).probability == 1


def test_trials_become_rarer_down_to_two_percent():
    assert trials(0) == TRIALS[1] == 0.5
    assert trials(COLD) == trials(10_000) == TRIALS[0] == 0.02
    assert 0.02 < trials(COLD // 2) < 0.5


# -- scores --------------------------------------------------------------------------------------


def beliefs(**rewards: float) -> Beliefs:
    """After 100 episodes of each arm, each with this reward."""
    features = case().features
    taught = [
        EpisodeSample("assistant", "answer", arm, features, 10 + 200 * (arm != "none"), reward)
        for _ in range(100)
        for arm, reward in rewards.items()
    ]
    return learn(taught, ARMS, version="7-0")


def test_the_arm_with_the_greatest_value_is_chosen():
    better = Policy(beliefs(none=0.3, short=0.9, long=0.5))
    found = decision("hello", better, chance=0.5)
    assert (found.arm, found.reason, found.policy) == ("short", "score", "7-0")
    as_good = Policy(beliefs(none=0.9, short=0.9, long=0.9))
    assert decision("hello", as_good, chance=0.5).arm == "none"  # delta, and the price of tokens


def test_tokens_are_worth_what_was_tuned():
    learned = beliefs(none=0.5, short=0.7, long=0.3)
    assert decision("hello", Policy(learned, price=0.1), chance=0.5).arm == "short"
    assert decision("hello", Policy(learned, price=5.0), chance=0.5).arm == "none"


def test_tokens_get_dearer_when_a_budget_runs_dry():
    learned = Policy(beliefs(none=0.6, short=0.9, long=0.3), price=0.4)
    assert decision("hello", learned, chance=0.5, allowance=Allowance(pressure=0.4)).arm == "short"
    assert decision("hello", learned, chance=0.5, allowance=Allowance(pressure=1.0)).arm == "none"


def test_the_probability_of_every_arm_is_recorded_as_it_was():
    learned = Policy(beliefs(none=0.5, short=0.55, long=0.6))
    fields = {"thinking": Thinking(probe=False)}
    seen: dict[str, float] = {}
    counts = dict.fromkeys(("none", "short", "long"), 0)
    for k in range(2000):
        found = decision("hello", learned, chance=(k + 0.5) / 2000, **fields)
        seen[found.arm] = found.probability
        counts[found.arm] += 1
    assert sum(seen.values()) == pytest.approx(1)
    for arm, probability in seen.items():
        assert counts[arm] / 2000 == pytest.approx(probability, abs=0.002)
    assert seen["none"] >= TRIALS[0]


def test_not_thinking_is_tried_in_at_least_two_percent():
    sure = Policy(beliefs(none=0.0, short=1.0, long=0.5))
    trial = decision("hello", sure, chance=0.001, thinking=Thinking(probe=False))
    assert (trial.arm, trial.reason) == ("none", "trial without thinking")
    assert trial.probability == pytest.approx(0.02)


def test_without_trying_the_best_arm_is_taken():
    greedy = replace(Policy(beliefs(none=0.5, short=0.7, long=0.6), price=0.1), trying=False)
    for chance in (0.0, 0.3, 0.99):
        found = decision("hello", greedy, chance=chance, thinking=Thinking(probe=False))
        assert (found.arm, found.probability) == ("short", 1)


def test_what_was_allowed_is_recorded_where_it_was_not_all():
    assert decision("hello").allowed == ()
    assert decision("/think").allowed == ("short", "long")
    assert decision(thinking=Thinking(mode="never")).allowed == ("none",)


def test_features_that_say_something_are_recorded():
    before = Effort(steps=2, setbacks=1, tool_errors=1)
    features = decision(STORY, channel="slack", before=before).features
    assert features["bias"] == features["steps"] == features["slack"] == 1
    assert features["steps_before"] == 0.4
    assert features["setbacks_before"] == 0.333
    assert features["tool_error_before"] == 1
    assert set(features) <= set(FEATURES)
    assert 0 not in features.values()


def test_a_call_decided_again_after_a_crash_is_decided_the_same():
    assert chance_of("00-run-1", 3) == chance_of("00-run-1", 3)
    assert chance_of("00-run-1", 3) != chance_of("00-run-1", 4)
    spread = [chance_of("00-run-1", version) for version in range(1000)]
    assert 0 <= min(spread) < 0.01
    assert 0.99 < max(spread) < 1


def test_a_sure_winner_wins_always():
    scores = Policy(beliefs(none=0.0, short=1.0, long=0.0)).beliefs.score(case(), ARMS)
    assert wins(scores, 0.1)["short"] > 0.99


def test_a_family_can_have_many_members():
    many = with_family(ARMS, tuple(Arm(f"m{k}", "none", 0, model=f"m{k}") for k in range(9)))
    found = wins(Policy(beliefs(none=0.5, short=0.5, long=0.5)).beliefs.score(case(), many), 0.1)
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == {arm.name for arm in many}


# -- probe ---------------------------------------------------------------------------------------


def test_where_the_scores_are_close_the_model_is_asked():
    close = Policy(beliefs(none=0.80, short=0.84, long=0.2), price=0.1)
    assert isinstance(decide(case(), close, 0.5), AskTheModel)
    answered = decide(case(probe=-4.0, may_probe=False), close, 0.5)
    assert isinstance(answered, ThinkingDecision)
    assert (answered.features["probed"], answered.features["probe"]) == (1, -0.8)


def test_not_where_they_are_far_apart_or_the_agent_does_not_want_it():
    far = Policy(beliefs(none=0.2, short=0.9, long=0.2), price=0.1)
    assert isinstance(decide(case(), far, 0.5), ThinkingDecision)
    close = Policy(beliefs(none=0.80, short=0.84, long=0.2), price=0.1)
    assert isinstance(decide(case(thinking=Thinking(probe=False)), close, 0.5), ThinkingDecision)


# -- frame, family -------------------------------------------------------------------------------


def test_a_thought_begins_with_what_makes_the_question_hard_if_the_agent_wants_that():
    assert decision(STORY).frame == ""
    framed = decision(STORY, thinking=Thinking(frame=True))
    assert framed.frame == "This needs care: it takes several steps that build on each other."
    assert decision("hello", thinking=Thinking(frame=True)).frame == ""


def test_another_member_of_the_family_is_an_arm_like_the_others():
    arms = with_family(ARMS, (Arm("large", "short", 512, model="m-32b"),))
    raised = decision(arms=arms, arm="long", first_arm="none", trouble="doubt")
    assert (raised.arm, raised.mode, raised.budget) == ("large", "short", 512)
    assert chosen(arms=arms, thinking=Thinking(arms=("large",))) == ("large", 512)
