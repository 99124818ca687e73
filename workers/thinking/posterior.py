"""A small Bayesian linear model, and a hierarchy of such models. Pure (numpy).

`Posterior` holds the mean and covariance of the weights of a regression with known noise and a
Gaussian prior (Bishop, Pattern Recognition and Machine Learning, 3.3). In a hierarchy, a child's
weights differ from its parent's by a Gaussian. A child with few observations is therefore
assumed to be like the others, and many observations of one child say only so much about its
parent. `Evidence` of independent sources is added. `through` carries it from child to parent and
back, which makes the posteriors exact (belief propagation on a tree; the same book, 8.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NOISE = 0.15
"""Variance of a reward around its mean. A coin that is right 4 times out of 5 has 0.16."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """`mean` (n) and `covariance` (n, n) of the weights."""

    mean: Array
    covariance: Array

    def predict(self, x: Array) -> tuple[float, float]:
        """Mean and standard deviation of the expectation at `x` (n)."""
        variance = float(x @ self.covariance @ x)
        return float(x @ self.mean), max(variance, 0.0) ** 0.5


class Observations(NamedTuple):
    """Observations, one a row."""

    x: Array
    """(m, n): features."""

    y: Array
    """(m): results."""

    weight: Array
    """(m): how much each counts."""


def prior(weights: Sequence[float], spread: Sequence[float]) -> Posterior:
    """Independent weights with these means and standard deviations."""
    return Posterior(np.array(weights, dtype=float), np.diag(np.square(spread)).astype(float))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about some weights, in a form that can be added."""

    precision: Array
    """(n, n): the inverse of a covariance, or 0 where nothing is known."""

    pull: Array
    """(n): precision times mean."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.precision + other.precision, self.pull + other.pull)

    def __sub__(self, other: Evidence) -> Evidence:
        return Evidence(self.precision - other.precision, self.pull - other.pull)

    def posterior(self) -> Posterior:
        """The distribution it describes. It must include a prior."""
        covariance = np.asarray(np.linalg.inv(self.precision))
        return Posterior(np.asarray(covariance @ self.pull), covariance)


def certain(known: Posterior) -> Evidence:
    precision = np.asarray(np.linalg.inv(known.covariance))
    return Evidence(precision, np.asarray(precision @ known.mean))


def observed(seen: Observations, noise: float = NOISE) -> Evidence:
    weighted = seen.x * seen.weight[:, None]
    return Evidence(weighted.T @ seen.x / noise, weighted.T @ seen.y / noise)


def through(known: Evidence, spread: Array) -> Evidence:
    """What evidence about some weights says about other weights that differ from them by about
    `spread` (n): (precision^-1 + spread^2)^-1, also if the precision has no inverse."""
    away = np.eye(len(known.pull)) + known.precision * np.square(spread)
    both = np.column_stack([known.precision, known.pull])
    solved = np.linalg.solve(away, both)
    return Evidence(np.asarray(solved[:, :-1]), np.asarray(solved[:, -1]))


def joined(children: Iterable[Evidence], spread: Array) -> Evidence:
    """What all children together say about their parent."""
    zero = np.zeros(len(spread))
    return sum((through(child, spread) for child in children), Evidence(np.diag(zero), zero))


def shared(whole: Evidence, child: Evidence, spread: Array) -> Evidence:
    """All that is known about one child: its own evidence, and what its siblings tell through
    the parent. `whole` is the evidence about the parent, which includes this child's."""
    return through(whole - through(child, spread), spread) + child


def fading(count: int, half_life: float) -> Array:
    """Weights (count) of observations in order of time. The newest has 1; `half_life`
    observations earlier it is half of that."""
    return np.asarray(0.5 ** (np.arange(count)[::-1] / half_life), dtype=float)
