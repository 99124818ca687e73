"""What the margin of an answer tells: whether it is right, and whether more thought would help.
Pure.

The margin is the least log-probability among the tokens that an answer hangs on (`llm.margin`). It
says little by itself: on hard work a sure answer may be wrong, and where the model does not know,
thinking does not help either. So it is read together with what is expected of the arm.
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
"""The reward around which expectations are measured."""

RIGHT = prior([0.92, 0.55, 0.4], [0.1, 0.2, 0.3])
"""Before anything was learned: an answer all of whose tokens are sure is mostly right, one that has
a token with a log-probability of -2 or less mostly is not. (Weights of 1, the margin, and what was
expected of the arm.)"""

RESCUED = prior([0.80, 0.25, 0.9], [0.1, 0.2, 0.3])
"""The same of an answer with more thought, by the margin of the one before."""

AROUND = np.array([0.1, 0.1, 0.1])
"""How much agents differ in this."""


class Draft(NamedTuple):
    """An answer with a margin, of which it became known whether it was `right`. `expected` was
    thought of its arm. Where it was asked for again with the arm `then`, of which `then_expected`
    was thought, `then_right` is how good that answer was."""

    agent: str
    arm: str
    margin: float
    expected: float
    right: float | None
    weight: float = 1
    then: str = ""
    then_expected: float = 0
    then_right: float | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """Of one that was not seen yet, and of each agent."""

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
        """Chance that it would be right with more thought."""
        levels = self.rescues.get(f"{arm}>{then}")
        return _read(levels.at(agent) if levels else RESCUED, margin, then_expected)


def learn_margins(drafts: Iterable[Draft], half_life: float) -> Margins:
    """`drafts` in order of time; `half_life` counts those of an agent and arm."""
    rights: defaultdict[str, list[_Seen]] = defaultdict(list)
    rescues: defaultdict[str, list[_Seen]] = defaultdict(list)
    for draft in drafts:
        if draft.right is not None:
            x = features(draft.margin, draft.expected)
            rights[draft.arm].append(_Seen(draft.agent, x, draft.right, draft.weight))
        if draft.then_right is not None:
            x = features(draft.margin, draft.then_expected)
            seen = _Seen(draft.agent, x, draft.then_right, draft.weight)
            rescues[f"{draft.arm}>{draft.then}"].append(seen)
    return Margins(
        {arm: _levels(RIGHT, seen, half_life) for arm, seen in rights.items()},
        {arms: _levels(RESCUED, seen, half_life) for arms, seen in rescues.items()},
    )


def features(margin: float, expected: float) -> Array:
    return np.array([1.0, min(0.0, max(-1.0, margin / 2)), expected - USUAL])


class _Seen(NamedTuple):
    agent: str
    x: Array
    y: float
    weight: float


def _levels(start: Posterior, seen: Sequence[_Seen], half_life: float) -> Levels:
    by_agent: defaultdict[str, list[_Seen]] = defaultdict(list)
    for one in seen:
        by_agent[one.agent].append(one)
    agents = {}
    for agent, some in by_agent.items():
        weight = fading(len(some), half_life) * [one.weight for one in some]
        x, y = np.array([one.x for one in some]), np.array([one.y for one in some])
        agents[agent] = observed(Observations(x, y, weight))
    everything = certain(start) + joined(agents.values(), AROUND)
    return Levels(
        through(everything, AROUND).posterior(),
        {agent: shared(everything, told, AROUND).posterior() for agent, told in agents.items()},
    )


def _read(posterior: Posterior, margin: float, expected: float) -> float:
    found = float(features(margin, expected) @ posterior.mean)
    return min(1.0, max(0.0, found))
