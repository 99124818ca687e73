"""What was learned about each arm: how good its answers are and how many tokens they take, given
what is known of a call. Pure.

`learn` makes `Beliefs` from the ledger's episodes. They are the same in every worker that has
read the same ledger, and never change: newer beliefs replace them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ponderd.workers.agents.arms import Arm
from ponderd.workers.thinking.case import FEATURES, Case
from ponderd.workers.thinking.margins import AnswerSample, Margins, MarginSample, learn_margins
from ponderd.workers.thinking.posterior import (
    Array,
    Evidence,
    Observations,
    Posterior,
    certain,
    fading,
    joined,
    observed,
    prior,
    shared,
    through,
)
from ponderd.workers.thinking.rules import prior as ruled_prior

BONUS = 0.02
"""Value of not thinking as such: AdaptThink's delta (arXiv 2505.13417). Theirs is 0.05, for a
training without a price of tokens. Here lambda already prices tokens, and with 0.05 the learner
avoided thinking even where a thought was worth 0.15 (docs/adaptive-thinking.md)."""

PRICE_OF_SHORT = 0.05
"""Price of a short thought, in chance of a good answer, unless lambda was tuned."""


class Spreads(NamedTuple):
    """How much weights may differ, as a standard deviation: of the bias, and of any other
    weight."""

    everything: tuple[float, float]
    """Of all work, from the rules."""

    kind: tuple[float, float]
    """Of a kind of work, from all work."""

    agent: tuple[float, float]
    """Of an agent, from its kind."""

    now: tuple[float, float]
    """Of what an agent does now, from what it always did."""


class HalfLife(NamedTuple):
    """How fast an observation of an arm fades. Both are counted in rewarded messages of that
    agent that began with that arm; after so many, the observation counts half."""

    always: float
    """For what the agent always did."""

    now: float
    """For what it does now."""


REWARD_SPREADS = Spreads((0.20, 0.10), (0.15, 0.05), (0.20, 0.05), (0.20, 0.05))

TOKEN_SPREADS = Spreads(*((0.5, 0.5),) * 4)
"""Standard deviations, in thousands of tokens."""

HALF_LIFE = HalfLife(always=1500.0, now=20.0)

UNFADING = HalfLife(1e12, 1e12)
"""For work that does not change, such as a set of questions."""


_PLACES = {name: place for place, name in enumerate(FEATURES)}


class EpisodeSample(NamedTuple):
    """One episode (all model calls for one message), to learn from. It counts for the arm that
    was chosen first."""

    agent: str
    kind: str
    arm: str
    features: Mapping[str, float]
    tokens: float
    """Tokens written in all of its calls."""

    reward: float | None = None
    """None: not known yet."""

    weight: float = 1
    """How much the reward counts."""


class Score(NamedTuple):
    """What is expected of an arm."""

    arm: Arm
    reward: float
    """Chance of a good answer."""

    spread: float
    """Standard deviation of `reward`."""

    tokens: float

    def value(self, price: float) -> float:
        """`price` is lambda: reward per 1,000 tokens."""
        bonus = 0.0 if self.arm.thinks else BONUS
        return self.reward + bonus - price * self.tokens / 1000


@dataclass(frozen=True, slots=True)
class Level:
    """One quantity of one arm, as it is now."""

    new_kind: Posterior
    """For a kind of work that was not seen yet."""

    new_agents: Mapping[str, Posterior] = field(default_factory=dict)
    """By kind: for an agent that was not seen yet."""

    agents: Mapping[tuple[str, str], Posterior] = field(default_factory=dict)
    """By kind and name of the agent."""

    def at(self, kind: str, agent: str) -> Posterior:
        return self.agents.get((kind, agent)) or self.new_agents.get(kind) or self.new_kind


@dataclass(frozen=True, slots=True)
class Beliefs:
    """All that was learned, by arm."""

    version: str = ""
    """The last entry of the ledgers that was read."""

    rewards: Mapping[str, Level] = field(default_factory=dict)
    tokens: Mapping[str, Level] = field(default_factory=dict)
    margins: Margins = field(default_factory=Margins)
    rewarded: Mapping[str, int] = field(default_factory=dict)
    """Rewarded episodes, by agent."""

    def score(self, case: Case, arms: Iterable[Arm]) -> list[Score]:
        return self.expect(case.kind, case.agent, case.features, arms)

    def expect(
        self, kind: str, agent: str, features: Mapping[str, float], arms: Iterable[Arm]
    ) -> list[Score]:
        """What is expected of each arm for a call with these features."""
        x = vector(features)
        return [self._score(x, kind, agent, arm) for arm in arms]

    def right(self, case: Case, arm: Arm, margin: float) -> float:
        """Chance that an answer of this arm is right. `margin` is how sure the model was of it."""
        (score,) = self.score(case, [arm])
        return self.margins.right(case.agent, arm.name, margin, score.reward)

    def rescued(self, case: Case, arm: Arm, then: Arm, margin: float) -> Score:
        """What to expect of asking again with the stronger arm `then`."""
        (score,) = self.score(case, [then])
        reward = self.margins.rescued(case.agent, arm.name, then.name, margin, score.reward)
        return score._replace(reward=reward)

    def _score(self, x: Array, kind: str, agent: str, arm: Arm) -> Score:
        rewards, tokens = self.rewards.get(arm.name), self.tokens.get(arm.name)
        reward, spread = (rewards or _ignorant(arm)).at(kind, agent).predict(x)
        expected = tokens.at(kind, agent).predict(x)[0] if tokens else _usual(arm)
        return Score(arm, reward, spread, max(1.0, expected * 1000))


def vector(features: Mapping[str, float]) -> Array:
    x = np.zeros(len(FEATURES))
    for name, value in features.items():
        if (place := _PLACES.get(name)) is not None:  # a newer version may know more features
            x[place] = value
    return x


def price_of(arms: Iterable[Arm], tuned: float | None) -> float:
    """Lambda, in reward per 1,000 tokens: the tuned one, or what suits the budgets of these
    arms."""
    if tuned is not None:
        return tuned
    budget = next((arm.budget for arm in arms if arm.thinks), 1000)
    return PRICE_OF_SHORT * 1000 / max(1, budget)


def learn(
    episodes: Sequence[EpisodeSample],
    arms: Sequence[Arm],
    answers: Iterable[AnswerSample] = (),
    version: str = "",
    half_life: HalfLife = HALF_LIFE,
) -> Beliefs:
    """`episodes` and `answers` are in order of time."""
    by_arm: defaultdict[str, list[EpisodeSample]] = defaultdict(list)
    rewarded: defaultdict[str, int] = defaultdict(int)
    for episode in episodes:
        by_arm[episode.arm].append(episode)
        rewarded[episode.agent] += episode.reward is not None
    rewards, tokens = {}, {}
    for arm in arms:
        own = by_arm[arm.name]
        x = np.array([vector(episode.features) for episode in own]).reshape(-1, len(FEATURES))
        reward = np.array(
            [np.nan if episode.reward is None else episode.reward for episode in own], dtype=float
        )
        known = np.flatnonzero(~np.isnan(reward))
        rewards[arm.name] = _level(
            _Rows([own[k] for k in known], x[known], reward[known]),
            _ruled(arm),
            REWARD_SPREADS,
            half_life,
        )
        taken = np.array([episode.tokens / 1000 for episode in own], dtype=float)
        counted = [episode._replace(weight=1) for episode in own]  # tokens are certain
        tokens[arm.name] = _level(
            _Rows(counted, x, taken), _usual_tokens(arm), TOKEN_SPREADS, half_life
        )
    beliefs = Beliefs(version, rewards, tokens, rewarded=rewarded)
    named = {arm.name: arm for arm in arms}
    samples = [_margin_sample(beliefs, each, named) for each in answers if each.arm in named]
    return replace(beliefs, margins=learn_margins(samples, half_life.now))


def _margin_sample(beliefs: Beliefs, answer: AnswerSample, arms: Mapping[str, Arm]) -> MarginSample:
    def expected(name: str) -> float:
        (score,) = beliefs.expect(answer.kind, answer.agent, answer.features, [arms[name]])
        return score.reward

    if answer.then not in arms:
        return MarginSample(answer._replace(then="", then_right=None), expected(answer.arm))
    return MarginSample(answer, expected(answer.arm), expected(answer.then))


class _Rows(NamedTuple):
    """Episodes in order of time (m), with their features `x` (m, n) and the quantity to learn
    `y` (m)."""

    episodes: Sequence[EpisodeSample]
    x: Array
    y: Array


def _level(rows: _Rows, start: Posterior, spreads: Spreads, half_life: HalfLife) -> Level:
    of_kind, of_agent, of_now = map(_spread, spreads[1:])
    weights = np.array([episode.weight for episode in rows.episodes], dtype=float)
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for k, episode in enumerate(rows.episodes):
        places[episode.kind, episode.agent].append(k)

    now: dict[tuple[str, str], Evidence] = {}
    always: dict[tuple[str, str], Evidence] = {}
    for key, some in places.items():
        recent = fading(len(some), half_life.now)
        older = np.maximum(fading(len(some), half_life.always) - recent, 0)
        x, y, weight = rows.x[some], rows.y[some], weights[some]
        now[key] = observed(Observations(x, y, weight * recent))
        always[key] = observed(Observations(x, y, weight * older)) + through(now[key], of_now)
    kinds = {
        kind: joined((evidence for key, evidence in always.items() if key[0] == kind), of_agent)
        for kind in dict.fromkeys(kind for kind, _ in places)
    }
    everything = certain(start) + joined(kinds.values(), of_kind)

    def unseen(kind: Evidence) -> Posterior:
        return through(through(kind, of_agent), of_now).posterior()

    known = {kind: shared(everything, evidence, of_kind) for kind, evidence in kinds.items()}
    agents = {
        key: shared(shared(known[key[0]], always[key], of_agent), now[key], of_now).posterior()
        for key in places
    }
    new_agents = {kind: unseen(evidence) for kind, evidence in known.items()}
    return Level(unseen(through(everything, of_kind)), new_agents, agents)


def _spread(bias_and_others: tuple[float, float]) -> Array:
    bias, others = bias_and_others
    return np.array([bias if name == "bias" else others for name in FEATURES], dtype=float)


def _ruled(arm: Arm) -> Posterior:
    weights = ruled_prior(arm)
    spread = _spread(REWARD_SPREADS.everything)
    return prior([weights.get(name, 0.0) for name in FEATURES], list(spread))


def _usual_tokens(arm: Arm) -> Posterior:
    means = [_usual(arm) if name == "bias" else 0.0 for name in FEATURES]
    return prior(means, list(_spread(TOKEN_SPREADS.everything)))


def _usual(arm: Arm) -> float:
    """Thousands of tokens to expect before any were counted: half of the budget, and the answer."""
    return (arm.budget / 2 + 40) / 1000


def _ignorant(arm: Arm) -> Level:
    return Level(_ruled(arm))
