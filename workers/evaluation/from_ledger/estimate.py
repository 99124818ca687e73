"""What other policies would have brought on the calls that were made: doubly robust estimates from
the ledger. Pure.

Every decision was recorded with its probability, so what was seen of one arm can be weighed; where
little was seen, a model of the outcomes fills in (Dudik et al., Doubly Robust Policy Evaluation and
Learning, arXiv 1103.4601). The model is fitted on other conversations than those it is used on, and
intervals are of resampled conversations, since what is said in one hangs together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.thinking.beliefs import BONUS, Beliefs, Episode, learn
from ponderd.workers.thinking.ledger import Told, episodes
from ponderd.workers.thinking.posterior import Array
from ponderd.workers.thinking.rewards import importance_weight

FOLDS = 5
RESAMPLES = 1000

TargetPolicy = Callable[[Episode, Mapping[str, tuple[float, float]]], Mapping[str, float]]
"""A policy: the probability of each arm, given an episode and what is expected of each arm that was
allowed (chance of a good answer, and tokens)."""


class Estimate(NamedTuple):
    """Mean reward with its 95 % interval, mean tokens, and share of calls that think."""

    reward: float
    low: float
    high: float
    tokens: float
    think_rate: float


@dataclass(frozen=True, slots=True)
class LoggedEpisodes:
    """Messages with a known outcome. `rewards` and `tokens` (n, k): what is to be expected of each
    arm, from a model that did not see the conversation."""

    arms: Arms
    decisions: tuple[Told, ...]
    known: tuple[Episode, ...]
    rewards: Array
    tokens: Array

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def weights(self) -> Array:
        """(n): how much each outcome says."""
        return np.array([episode.weight for episode in self.known], dtype=float)

    def free(self) -> LoggedEpisodes:
        """Of messages that were decided by scores, rules or trials, and could have been decided
        otherwise: not those that were pinned, held or raised."""
        rows = [i for i, one in enumerate(self.decisions) if _was_free(one)]
        return LoggedEpisodes(
            self.arms,
            tuple(self.decisions[i] for i in rows),
            tuple(self.known[i] for i in rows),
            self.rewards[rows],
            self.tokens[rows],
        )


def gather(told: Sequence[Told], arms: Arms) -> LoggedEpisodes:
    rewarded = [one for one in told if one.verdict is not None]
    groups = sorted({one.first.conversation for one in rewarded})
    rewards = np.zeros((len(rewarded), len(arms)))
    tokens = np.zeros((len(rewarded), len(arms)))
    found = episodes(rewarded)
    for fold in range(FOLDS):
        held_out = set(groups[fold::FOLDS])
        rest = [one for one in told if one.first.conversation not in held_out]
        beliefs = learn(episodes(rest), arms)
        for i, (one, episode) in enumerate(zip(rewarded, found, strict=True)):
            if one.first.conversation in held_out:
                rewards[i], tokens[i] = _believed(beliefs, episode, arms)
    return LoggedEpisodes(arms, tuple(rewarded), tuple(found), rewards, tokens)


def _was_free(one: Told) -> bool:
    reason = one.first.reason
    return reason == "score" or reason.startswith(("trial", "rule"))


def _believed(beliefs: Beliefs, episode: Episode, arms: Arms) -> tuple[list[float], list[float]]:
    scores = beliefs.expect(episode.kind, episode.agent, episode.features, arms)
    return [min(1.0, max(0.0, score.reward)) for score in scores], [s.tokens for s in scores]


def estimate(evidence: LoggedEpisodes, choice: TargetPolicy, seed: int = 0) -> Estimate:
    """What `choice` would have brought. Raises ValueError without evidence."""
    if not len(evidence):
        raise ValueError("no call with a known outcome yet")
    names = [arm.name for arm in evidence.arms]
    thinks = np.array([float(arm.thinks) for arm in evidence.arms])
    reward, tokens, thought = np.zeros(len(evidence)), np.zeros(len(evidence)), 0.0
    for i, (one, episode) in enumerate(zip(evidence.decisions, evidence.known, strict=True)):
        possible = one.first.allowed or names
        believed = {
            name: (float(evidence.rewards[i, k]), float(evidence.tokens[i, k]))
            for k, name in enumerate(names)
            if name in possible
        }
        chances = _among(names, list(believed), choice(episode, believed))
        reward[i] = chances @ evidence.rewards[i]
        tokens[i] = chances @ evidence.tokens[i]
        thought += float(chances @ thinks)
        if episode.arm in names:
            k = names.index(episode.arm)
            weight = chances[k] * importance_weight(one.first.probability)
            assert episode.reward is not None
            reward[i] += weight * (episode.reward - evidence.rewards[i, k])
            tokens[i] += weight * (episode.tokens - evidence.tokens[i, k])
    return Estimate(
        *_mean(evidence, reward, seed),
        tokens=max(0.0, float(tokens.mean())),
        think_rate=thought / len(evidence),
    )


def _among(names: Sequence[str], possible: Sequence[str], chances: Mapping[str, float]) -> Array:
    """The chances of arms that were allowed; what others had goes to the weakest of those."""
    found = {name: chances.get(name, 0.0) for name in possible}
    found[possible[0]] += 1 - sum(found.values())
    return np.array([found.get(name, 0.0) for name in names])


def observed(evidence: LoggedEpisodes) -> Estimate:
    """What was really brought: nothing is estimated of what was done. Raises ValueError without
    evidence."""
    if not len(evidence):
        raise ValueError("no call with a known outcome yet")
    rewards = np.array([float(episode.reward or 0.0) for episode in evidence.known])
    thinking = {arm.name for arm in evidence.arms if arm.thinks}
    return Estimate(
        *_mean(evidence, rewards, 0),
        tokens=float(np.mean([episode.tokens for episode in evidence.known])),
        think_rate=sum(episode.arm in thinking for episode in evidence.known) / len(evidence),
    )


def _mean(evidence: LoggedEpisodes, values: Array, seed: int) -> tuple[float, float, float]:
    """The weighted mean, and 95 % of those of resampled conversations."""
    groups = [one.first.conversation for one in evidence.decisions]
    index = {group: k for k, group in enumerate(dict.fromkeys(groups))}
    sums, weights = np.zeros(len(index)), np.zeros(len(index))
    for value, weight, group in zip(values, evidence.weights, groups, strict=True):
        sums[index[group]] += weight * value
        weights[index[group]] += weight
    drawn = np.random.default_rng(seed).integers(0, len(index), (RESAMPLES, len(index)))
    means = sums[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(sums.sum() / weights.sum()), float(low), float(high)


def always(arm: Arm) -> TargetPolicy:
    return lambda episode, believed: {arm.name: 1.0}


def at_random(shares: Mapping[str, float]) -> TargetPolicy:
    return lambda episode, believed: shares


def by_value(arms: Arms, price: float) -> TargetPolicy:
    """What workers choose at this lambda (reward per 1,000 tokens), but for their trials."""
    bonus = {arm.name: 0.0 if arm.thinks else BONUS for arm in arms}

    def choice(
        episode: Episode, believed: Mapping[str, tuple[float, float]]
    ) -> Mapping[str, float]:
        def value(name: str) -> float:
            reward, tokens = believed[name]
            return reward + bonus[name] - price * tokens / 1000

        return {max(believed, key=value): 1.0}

    return choice


def best_believed(
    episode: Episode, believed: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """The arm with the greatest expected reward, whatever it takes."""
    return {max(believed, key=lambda name: believed[name][0]): 1.0}


def best_per_kind(evidence: LoggedEpisodes) -> TargetPolicy:
    """The arm that is believed best for each kind of call, on average."""
    kinds: dict[str, list[int]] = {}
    for i, episode in enumerate(evidence.known):
        kinds.setdefault(episode.kind, []).append(i)
    best = {
        kind: evidence.arms[int(np.argmax(evidence.rewards[rows].mean(axis=0)))].name
        for kind, rows in kinds.items()
    }
    return lambda episode, believed: {best[episode.kind]: 1.0}
