"""What other policies would have achieved on the calls that were made: doubly robust estimates
from the ledger. Pure.

Every decision was recorded with its probability, so what was seen of one arm can be weighted.
Where little was seen, a model of the outcomes fills in (Dudik et al., Doubly Robust Policy
Evaluation and Learning, arXiv 1103.4601). The model never sees the conversations that it is used
on. Intervals come from resampling conversations, because messages of one conversation depend on
each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.thinking.beliefs import BONUS, Beliefs, EpisodeSample, learn
from ponderd.workers.thinking.ledger import Episode, episode_samples
from ponderd.workers.thinking.posterior import Array
from ponderd.workers.thinking.rewards import importance_weight

FOLDS = 5
RESAMPLES = 1000

TargetPolicy = Callable[[EpisodeSample, Mapping[str, tuple[float, float]]], Mapping[str, float]]
"""A policy: the probability of each arm, given a sample and what is expected of each allowed arm
(chance of a good answer, and tokens)."""


class Estimate(NamedTuple):
    """Mean reward with its 95 % interval, mean tokens, and the share of messages that think at
    first."""

    reward: float
    low: float
    high: float
    tokens: float
    think_rate: float


@dataclass(frozen=True, slots=True)
class LoggedEpisodes:
    """Messages with a known outcome."""

    arms: Arms
    episodes: tuple[Episode, ...]
    samples: tuple[EpisodeSample, ...]
    rewards: Array
    """(n, k): expected of each arm, by a model that did not see the conversation."""

    tokens: Array
    """(n, k): likewise."""

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def weights(self) -> Array:
        """(n): how much each outcome counts."""
        return np.array([sample.weight for sample in self.samples], dtype=float)

    def free(self) -> LoggedEpisodes:
        """Only the messages that were decided by scores, rules or trials, and could have been
        decided otherwise. Pinned, held and raised decisions are left out."""
        rows = [i for i, episode in enumerate(self.episodes) if _was_free(episode)]
        return LoggedEpisodes(
            self.arms,
            tuple(self.episodes[i] for i in rows),
            tuple(self.samples[i] for i in rows),
            self.rewards[rows],
            self.tokens[rows],
        )


def gather(episodes: Sequence[Episode], arms: Arms) -> LoggedEpisodes:
    rewarded = [episode for episode in episodes if episode.reward is not None]
    groups = sorted({episode.first.conversation for episode in rewarded})
    rewards = np.zeros((len(rewarded), len(arms)))
    tokens = np.zeros((len(rewarded), len(arms)))
    samples = episode_samples(rewarded)
    for fold in range(FOLDS):
        held_out = set(groups[fold::FOLDS])
        rest = [episode for episode in episodes if episode.first.conversation not in held_out]
        beliefs = learn(episode_samples(rest), arms)
        for i, (episode, sample) in enumerate(zip(rewarded, samples, strict=True)):
            if episode.first.conversation in held_out:
                rewards[i], tokens[i] = _believed(beliefs, sample, arms)
    return LoggedEpisodes(arms, tuple(rewarded), tuple(samples), rewards, tokens)


def _was_free(episode: Episode) -> bool:
    reason = episode.first.decision.reason
    return reason == "score" or reason.startswith(("trial", "rule"))


def _believed(
    beliefs: Beliefs, sample: EpisodeSample, arms: Arms
) -> tuple[list[float], list[float]]:
    scores = beliefs.expect(sample.kind, sample.agent, sample.features, arms)
    return [min(1.0, max(0.0, score.reward)) for score in scores], [s.tokens for s in scores]


def estimate(evidence: LoggedEpisodes, choice: TargetPolicy, seed: int = 0) -> Estimate:
    """What `choice` would have achieved. Raises ValueError without evidence."""
    if not len(evidence):
        raise ValueError("no call with a known outcome yet")
    names = [arm.name for arm in evidence.arms]
    thinks = np.array([float(arm.thinks) for arm in evidence.arms])
    reward, tokens, thought = np.zeros(len(evidence)), np.zeros(len(evidence)), 0.0
    for i, (episode, sample) in enumerate(zip(evidence.episodes, evidence.samples, strict=True)):
        decision = episode.first.decision
        possible = decision.allowed or names
        believed = {
            name: (float(evidence.rewards[i, k]), float(evidence.tokens[i, k]))
            for k, name in enumerate(names)
            if name in possible
        }
        chances = _among(names, list(believed), choice(sample, believed))
        reward[i] = chances @ evidence.rewards[i]
        tokens[i] = chances @ evidence.tokens[i]
        thought += float(chances @ thinks)
        if sample.arm in names:
            k = names.index(sample.arm)
            weight = chances[k] * importance_weight(decision.probability)
            assert sample.reward is not None
            reward[i] += weight * (sample.reward - evidence.rewards[i, k])
            tokens[i] += weight * (sample.tokens - evidence.tokens[i, k])
    return Estimate(
        *_mean(evidence, reward, seed),
        tokens=max(0.0, float(tokens.mean())),
        think_rate=thought / len(evidence),
    )


def _among(names: Sequence[str], possible: Sequence[str], chances: Mapping[str, float]) -> Array:
    """The chances of the allowed arms. What the others had goes to the weakest allowed one."""
    found = {name: chances.get(name, 0.0) for name in possible}
    found[possible[0]] += 1 - sum(found.values())
    return np.array([found.get(name, 0.0) for name in names])


def observed(evidence: LoggedEpisodes) -> Estimate:
    """What was achieved in fact: nothing here is an estimate. Raises ValueError without
    evidence."""
    if not len(evidence):
        raise ValueError("no call with a known outcome yet")
    rewards = np.array([float(sample.reward or 0.0) for sample in evidence.samples])
    thinking = {arm.name for arm in evidence.arms if arm.thinks}
    return Estimate(
        *_mean(evidence, rewards, 0),
        tokens=float(np.mean([sample.tokens for sample in evidence.samples])),
        think_rate=sum(sample.arm in thinking for sample in evidence.samples) / len(evidence),
    )


def _mean(evidence: LoggedEpisodes, values: Array, seed: int) -> tuple[float, float, float]:
    """The weighted mean, with a 95 % interval from resampled conversations."""
    groups = [episode.first.conversation for episode in evidence.episodes]
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
    return lambda sample, believed: {arm.name: 1.0}


def at_random(shares: Mapping[str, float]) -> TargetPolicy:
    return lambda sample, believed: shares


def by_value(arms: Arms, price: float) -> TargetPolicy:
    """What workers choose at this lambda (reward per 1,000 tokens), apart from their trials."""
    bonus = {arm.name: 0.0 if arm.thinks else BONUS for arm in arms}

    def choice(
        sample: EpisodeSample, believed: Mapping[str, tuple[float, float]]
    ) -> Mapping[str, float]:
        def value(name: str) -> float:
            reward, tokens = believed[name]
            return reward + bonus[name] - price * tokens / 1000

        return {max(believed, key=value): 1.0}

    return choice


def best_believed(
    sample: EpisodeSample, believed: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """The arm with the greatest expected reward, at any price."""
    return {max(believed, key=lambda name: believed[name][0]): 1.0}


def best_per_kind(evidence: LoggedEpisodes) -> TargetPolicy:
    """For each kind of call, the arm that is expected to be best on average."""
    kinds: dict[str, list[int]] = {}
    for i, sample in enumerate(evidence.samples):
        kinds.setdefault(sample.kind, []).append(i)
    best = {
        kind: evidence.arms[int(np.argmax(evidence.rewards[rows].mean(axis=0)))].name
        for kind, rows in kinds.items()
    }
    return lambda sample, believed: {best[sample.kind]: 1.0}
