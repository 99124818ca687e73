"""What the margin of an answer tells: whether it is right, and whether more thought would help.
Pure.

The margin is the least log-probability among the tokens that an answer depends on
(`llm.margin`). It says little by itself: on hard work a sure answer may be wrong, and where the
model does not know, thinking does not help either. So it is read together with what is expected
of the arm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ponderd.workers.thinking.posterior import (
    Array,
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

USUAL = 0.8
"""Expected rewards are measured from here."""

RIGHT = prior([0.92, 0.55, 0.4], [0.1, 0.2, 0.3])
"""Prior weights (of 1, the margin, and what was expected of the arm) for the chance that an
answer is right. If the model is sure of all its tokens, it mostly is; with a log-probability of
-2 or less it mostly is not."""

RESCUED = prior([0.80, 0.25, 0.9], [0.1, 0.2, 0.3])
"""Prior weights for the chance that an answer with more thought is right, by the margin of the
answer before it."""

AROUND = np.array([0.1, 0.1, 0.1])
"""How much agents differ in these weights."""


class AnswerSample(NamedTuple):
    """One usable answer with a margin, to learn from."""

    agent: str
    kind: str
    arm: str
    features: Mapping[str, float]
    margin: float
    right: float | None
    """How good the answer was; None: not known."""

    weight: float = 1
    then: str = ""
    """The stronger arm that was asked next, if any."""

    then_right: float | None = None
    """How good that arm's answer was."""


class MarginSample(NamedTuple):
    """An answer, beside what was expected of its arm and of the arm that was asked next."""

    answer: AnswerSample
    expected: float
    then_expected: float = 0


@dataclass(frozen=True, slots=True)
class Levels:
    """What was learned for each agent, and for an agent not seen yet."""

    new_agent: Posterior
    agents: Mapping[str, Posterior] = field(default_factory=dict)

    def at(self, agent: str) -> Posterior:
        return self.agents.get(agent) or self.new_agent


@dataclass(frozen=True, slots=True)
class Margins:
    """`rights` by arm; `rescues` by the two arms, "none>short"."""

    rights: Mapping[str, Levels] = field(default_factory=dict)
    rescues: Mapping[str, Levels] = field(default_factory=dict)

    def right(self, agent: str, arm: str, margin: float, expected: float) -> float:
        """Chance that an answer is right."""
        levels = self.rights.get(arm)
        return _read(levels.at(agent) if levels else RIGHT, margin, expected)

    def rescued(
        self, agent: str, arm: str, then: str, margin: float, then_expected: float
    ) -> float:
        """Chance that the answer would be right with the stronger arm `then`."""
        levels = self.rescues.get(f"{arm}>{then}")
        return _read(levels.at(agent) if levels else RESCUED, margin, then_expected)


def learn_margins(samples: Iterable[MarginSample], half_life: float) -> Margins:
    """`samples` are in order of time. `half_life` counts samples of one agent and arm."""
    rights: defaultdict[str, list[_Observed]] = defaultdict(list)
    rescues: defaultdict[str, list[_Observed]] = defaultdict(list)
    for answer, expected, then_expected in samples:
        if answer.right is not None:
            x = features(answer.margin, expected)
            rights[answer.arm].append(_Observed(answer.agent, x, answer.right, answer.weight))
        if answer.then_right is not None:
            x = features(answer.margin, then_expected)
            observation = _Observed(answer.agent, x, answer.then_right, answer.weight)
            rescues[f"{answer.arm}>{answer.then}"].append(observation)
    return Margins(
        {arm: _levels(RIGHT, rows, half_life) for arm, rows in rights.items()},
        {arms: _levels(RESCUED, rows, half_life) for arms, rows in rescues.items()},
    )


def features(margin: float, expected: float) -> Array:
    return np.array([1.0, min(0.0, max(-1.0, margin / 2)), expected - USUAL])


class _Observed(NamedTuple):
    agent: str
    x: Array
    y: float
    weight: float


def _levels(start: Posterior, rows: Sequence[_Observed], half_life: float) -> Levels:
    by_agent: defaultdict[str, list[_Observed]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent].append(row)
    agents = {}
    for agent, own in by_agent.items():
        weight = fading(len(own), half_life) * [row.weight for row in own]
        x, y = np.array([row.x for row in own]), np.array([row.y for row in own])
        agents[agent] = observed(Observations(x, y, weight))
    everything = certain(start) + joined(agents.values(), AROUND)
    return Levels(
        through(everything, AROUND).posterior(),
        {agent: shared(everything, own, AROUND).posterior() for agent, own in agents.items()},
    )


def _read(posterior: Posterior, margin: float, expected: float) -> float:
    chance = float(features(margin, expected) @ posterior.mean)
    return min(1.0, max(0.0, chance))
