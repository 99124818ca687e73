"""Choose an arm for each task of a table, by what other tasks taught. Pure.

The model is a worker's (`thinking.posterior`: all work, then one kind of it). But here the
outcome of every arm is known for the tasks to learn from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponderd.workers.evaluation.from_table.encoder import Encoder, learn_encoder
from ponderd.workers.evaluation.from_table.table import Table
from ponderd.workers.thinking.posterior import (
    Array,
    Evidence,
    Observations,
    Posterior,
    certain,
    joined,
    observed,
    prior,
    shared,
)

Choices = npt.NDArray[np.int64]

START = 0.5, 0.5
"""Prior mean and standard deviation of an arm."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much may be learned: how far weights of features, and means of kinds, may differ. 0:
    not at all."""

    slopes: float = 0.0
    kinds: float = 0.0


SHAPES = (
    Shape(),
    Shape(kinds=0.3),
    Shape(slopes=0.1, kinds=0.3),
    Shape(slopes=0.3, kinds=0.3),
    Shape(slopes=0.3),
)
"""All shapes, the simplest first."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """A posterior for each arm, by set; None stands for a set that was not seen."""

    encoder: Encoder
    rewards: dict[str | None, list[Posterior]]
    tokens: dict[str | None, list[Posterior]]
    unit: float

    def predict(self, table: Table) -> tuple[Array, Array]:
        """Chance to pass, and tokens, as (n, arms) each."""
        x = self.encoder.encode(table)
        rewards = np.empty((len(table), len(self.rewards[None])))
        tokens = np.empty_like(rewards)
        for name, here in _members(table):
            for found, target in ((self.rewards, rewards), (self.tokens, tokens)):
                posteriors = found.get(name) or found[None]
                for arm, posterior in enumerate(posteriors):
                    target[here, arm] = x[here] @ posterior.mean
        return np.clip(rewards, 0, 1), np.maximum(tokens, 0) * self.unit


def choose(rewards: Array, tokens: Array, price: float) -> Choices:
    """The arm (n) with the greatest value: reward minus `price` times 1,000 tokens."""
    chosen: Choices = np.argmax(rewards - price * tokens / 1000, axis=1)
    return chosen


def learn_chooser(table: Table, shape: Shape) -> Chooser:
    encoder = learn_encoder(table) if shape.slopes else Encoder(())
    x = encoder.encode(table)
    unit = max(1.0, float(table.tokens.mean()))
    return Chooser(
        encoder,
        _by_set(table, x, table.passed, shape),
        _by_set(table, x, table.tokens / unit, Shape(shape.slopes * 2, shape.kinds * 2)),
        unit,
    )


def _by_set(
    table: Table, x: Array, outcome: Array, shape: Shape
) -> dict[str | None, list[Posterior]]:
    """Posteriors for each arm. A set that was not seen is treated like all sets together."""
    found: defaultdict[str | None, list[Posterior]] = defaultdict(list)
    members = _members(table) if shape.kinds else []
    mean, spread = START
    width = x.shape[1]
    around = np.full(width, shape.slopes / 2)
    around[0] = shape.kinds
    for arm in range(outcome.shape[1]):
        y = outcome[:, arm]
        noise = max(0.02, float(np.var(y)))
        scale = max(1.0, float(np.std(y)) / 0.4)
        start = prior(
            [float(y.mean()) if scale > 1 else mean] + [0.0] * (width - 1),
            [spread * scale] + [shape.slopes * scale] * (width - 1),
        )
        by_set = {name: _observed(x[here], y[here], noise) for name, here in members}
        apart = around * scale
        of_all = joined(by_set.values(), apart) if by_set else _observed(x, y, noise)
        everything = certain(start) + of_all
        found[None].append(everything.posterior())
        for name, evidence in by_set.items():
            found[name].append(shared(everything, evidence, apart).posterior())
    return found


def _members(table: Table) -> list[tuple[str, Choices]]:
    """Each set, with the indices of its tasks."""
    names, codes = np.unique(np.array(table.sets), return_inverse=True)
    return [(str(name), np.flatnonzero(codes == code)) for code, name in enumerate(names)]


def _observed(x: Array, y: Array, noise: float) -> Evidence:
    return observed(Observations(x, y, np.ones(len(y))), noise)
