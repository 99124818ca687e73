"""What is learned about arms: fast where nothing is known, shared by agents, forgotten in time."""

import numpy as np
import pytest

from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.thinking.beliefs import Beliefs, EpisodeSample, learn, price_of
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.margins import AnswerSample, Margins, MarginSample, learn_margins
from ponderd.workers.thinking.posterior import (
    Observations,
    certain,
    fading,
    joined,
    observed,
    prior,
    shared,
    through,
)

ARMS = own_arms(short=256, long=1024)
NONE, SHORT, LONG = ARMS
HALF_LIFE = 1e9


def case(agent="assistant", text="hello", kind="answer") -> Case:
    return Case(agent, kind, Thinking(), ARMS, read(text))


def episode(arm, reward, *, agent="assistant", text="hello", kind="answer", tokens=20.0, weight=1):
    features = case(agent, text, kind).features
    return EpisodeSample(agent, kind, arm, features, tokens, reward, weight)


def reward(beliefs: Beliefs, arm, **fields) -> float:
    (score,) = beliefs.score(case(**fields), [arm])
    return score.reward


def spread(beliefs: Beliefs, arm, **fields) -> float:
    (score,) = beliefs.score(case(**fields), [arm])
    return score.spread


# -- the posterior -------------------------------------------------------------------------------


def test_the_posterior_is_the_textbooks():
    """One weight, known noise: precisions add up, means are weighed by them."""
    start = prior([0.0], [1.0])
    seen = Observations(np.ones((4, 1)), np.full(4, 1.0), np.ones(4))
    found = (certain(start) + observed(seen, noise=0.5)).posterior()
    assert found.mean[0] == pytest.approx((4 / 0.5) / (1 + 4 / 0.5))
    assert found.covariance[0, 0] == pytest.approx(1 / (1 + 4 / 0.5))
    assert found.predict(np.array([2.0])) == pytest.approx(
        (2 * found.mean[0], 2 * found.covariance[0, 0] ** 0.5)
    )


def test_a_child_without_observations_is_like_its_parent_but_less_sure():
    parent = prior([0.7, 0.1], [0.1, 0.1])
    child = through(certain(parent), np.array([0.2, 0.0])).posterior()
    assert child.mean == pytest.approx(parent.mean)
    assert child.covariance[0, 0] == pytest.approx(0.1**2 + 0.2**2)


def test_a_tree_of_evidence_is_the_same_as_one_large_regression():
    """Parent, two children, and their observations: the posterior of all weights at once."""
    spread, noise = np.array([0.5, 0.3]), 0.2
    luck = np.random.default_rng(0)
    start = prior([0.4, -0.1], [0.7, 0.6])
    seen = [
        Observations(luck.normal(size=(m, 2)), luck.normal(size=m), np.full(m, 0.8)) for m in (3, 1)
    ]
    told = [observed(one, noise) for one in seen]
    whole = certain(start) + joined(told, spread)

    above, apart = start.covariance, np.diag(np.square(spread))
    among = np.block([[above] * 3, [above, above + apart, above], [above, above, above + apart]])
    precision = np.linalg.inv(among)
    pull = precision @ np.tile(start.mean, 3)
    for k, one in enumerate(seen, start=1):
        here = slice(2 * k, 2 * k + 2)
        precision[here, here] += 0.8 * one.x.T @ one.x / noise
        pull[here] += 0.8 * one.x.T @ one.y / noise
    covariance = np.linalg.inv(precision)
    mean = covariance @ pull
    found = [whole, *(shared(whole, one, spread) for one in told)]
    for k, each in enumerate(found):
        here = slice(2 * k, 2 * k + 2)
        assert each.posterior().mean == pytest.approx(mean[here])
        assert each.posterior().covariance == pytest.approx(covariance[here, here])


def test_many_observations_of_one_agent_say_only_so_much_of_others():
    seen = [episode("none", 0.0, agent="a") for _ in range(1000)]
    beliefs = learn(seen, ARMS)
    assert reward(beliefs, NONE, agent="a") < 0.1
    assert reward(beliefs, NONE, agent="new", kind="act") > 0.4


def test_old_observations_fade():
    assert list(fading(3, half_life=1)) == [0.25, 0.5, 1]


# -- rewards -------------------------------------------------------------------------------------


def test_before_anything_was_learned_the_rules_are_believed():
    story = "Anna buys 3 boxes of 12 eggs each and drops 5 on her way. How many are left in total?"
    ignorant = Beliefs()
    assert reward(ignorant, NONE) > reward(ignorant, SHORT) > reward(ignorant, LONG)
    assert reward(ignorant, NONE, text=story) < reward(ignorant, SHORT, text=story)


def test_what_was_seen_is_believed():
    seen = [episode("none", 0.0) for _ in range(30)] + [episode("short", 1.0) for _ in range(30)]
    beliefs = learn(seen, ARMS)
    assert reward(beliefs, NONE) < 0.2
    assert reward(beliefs, SHORT) > 0.9
    assert spread(beliefs, NONE) < spread(Beliefs(), NONE)


def test_an_agent_that_was_not_seen_is_like_others_of_its_kind():
    seen = [episode("none", 0.0, agent=f"a{k % 3}", kind="act") for k in range(90)]
    seen += [episode("none", 1.0, agent="b", kind="answer") for _ in range(90)]
    beliefs = learn(seen, ARMS)
    assert reward(beliefs, NONE, agent="new", kind="act") < 0.3
    assert reward(beliefs, NONE, agent="new", kind="answer") > 0.65
    assert spread(beliefs, NONE, agent="new", kind="act") > spread(
        beliefs, NONE, agent="a0", kind="act"
    )


def test_features_tell_easy_from_hard_work_of_one_agent():
    hard = "If a train takes 3 hours and each wagon has 20 seats, how many seats per hour in total?"
    seen = []
    for _ in range(60):
        seen += [episode("none", 1.0), episode("none", 0.0, text=hard)]
    beliefs = learn(seen, ARMS)
    assert reward(beliefs, NONE) > 0.8
    assert reward(beliefs, NONE, text=hard) < 0.25


def test_a_change_of_the_work_is_followed():
    before = [episode("none", 1.0) for _ in range(400)]
    after = [episode("none", 0.0) for _ in range(100)]
    assert reward(learn(before, ARMS), NONE) > 0.9
    assert reward(learn(before + after, ARMS), NONE) < 0.4


def test_what_hardly_counts_hardly_changes_anything():
    seen = [episode("none", 1.0) for _ in range(50)]
    faint = learn([*seen, *[episode("none", 0.0, weight=0.01) for _ in range(50)]], ARMS)
    loud = learn([*seen, *[episode("none", 0.0) for _ in range(50)]], ARMS)
    assert reward(faint, NONE) > reward(loud, NONE) + 0.3


def test_tokens_are_learned_of_all_calls_and_rewards_of_those_that_have_one():
    seen = [episode("short", None, tokens=200.0) for _ in range(50)]
    beliefs = learn(seen, ARMS)
    (score,) = beliefs.score(case(), [SHORT])
    assert score.tokens == pytest.approx(200, abs=15)
    assert score.reward == pytest.approx(reward(Beliefs(), SHORT))
    assert beliefs.rewarded["assistant"] == 0


def test_an_arm_that_nobody_used_costs_about_half_its_budget():
    (score,) = Beliefs().score(case(), [LONG])
    assert score.tokens == pytest.approx(1024 / 2 + 40)


def test_learning_twice_from_the_same_gives_the_same():
    seen = [episode("none", float(k % 3 == 0)) for k in range(40)]
    one, two = learn(seen, ARMS, version="5-0"), learn(seen, ARMS, version="5-0")
    assert one.score(case(), ARMS) == two.score(case(), ARMS)
    assert one.version == "5-0"


def test_lambda_is_tuned_or_suits_the_short_budget():
    assert price_of(ARMS, 0.3) == 0.3
    assert price_of(ARMS, None) == pytest.approx(0.05 * 1000 / 256)
    assert price_of((NONE,), None) == pytest.approx(0.05)


# -- margins -------------------------------------------------------------------------------------


def test_a_sure_answer_is_believed_and_an_unsure_one_asked_for_again():
    margins = Margins()
    assert margins.right("a", "none", -0.01, 0.8) > margins.rescued(
        "a", "none", "short", -0.01, 0.8
    )
    assert margins.right("a", "none", -3.0, 0.8) < margins.rescued("a", "none", "short", -3.0, 0.8)


def test_what_margins_tell_is_learned():
    drafts = [
        MarginSample(AnswerSample("a", "act", "none", {}, -3.0, 1.0), 0.8) for _ in range(60)
    ]  # unsure, and right all the same
    margins = learn_margins(drafts, HALF_LIFE)
    assert margins.right("a", "none", -3.0, 0.8) > 0.85
    assert margins.right("other", "none", -3.0, 0.8) > 0.8
    assert margins.right("a", "short", -3.0, 0.8) < 0.5


def test_that_more_thought_does_not_help_the_unsure_is_learned():
    drafts = [
        MarginSample(
            AnswerSample("a", "act", "none", {}, -3.0, 0.0, then="short", then_right=0.0), 0.3, 0.6
        )
        for _ in range(60)
    ]
    margins = learn_margins(drafts, HALF_LIFE)
    assert margins.rescued("a", "none", "short", -3.0, 0.6) < 0.15
    assert margins.rescued("a", "none", "long", -3.0, 0.6) > 0.3


def test_answers_with_margins_are_taught_with_what_was_expected_of_them():
    answers = [
        AnswerSample(
            "assistant", "answer", "none", case().features, -3.0, 1.0, then="short", then_right=1.0
        )
        for _ in range(60)
    ]
    # not an arm any more
    answers.append(AnswerSample("assistant", "answer", "gone", {}, -1.0, 1.0))
    beliefs = learn([], ARMS, answers)
    assert beliefs.right(case(), NONE, -3.0) > 0.85
    assert beliefs.rescued(case(), NONE, SHORT, -3.0).reward > 0.85
