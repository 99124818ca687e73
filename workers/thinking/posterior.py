"""A small Bayesian linear model, and a hierarchy of them. Pure (numpy).

Mean and covariance of the weights of a regression with known noise and a Gaussian prior (Bishop,
Pattern Recognition and Machine Learning, 3.3). In a hierarchy the weights of a child are those of
its parent, but for a Gaussian difference: who has few observations is believed to be like the
others, and many observations of one child say only so much of its parent. `Evidence` of several
independent sources is added; `through` carries it from child to parent and back, which makes the
posteriors exact (belief propagation on a tree; the same book, 8.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NOISE = 0.15
"""Variance of a reward around its mean. A coin that is right 4 times of 5 has 0.16."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """`mean` (n) and `covariance` (n, n) of the weights."""

    mean: Array
    covariance: Array

    def predict(self, x: Array) -> tuple[float, float]:
        """Mean and standard deviation of what is expected at `x` (n)."""
        variance = float(x @ self.covariance @ x)
        return float(x @ self.mean), max(variance, 0.0) ** 0.5


class Observations(NamedTuple):
    """One row an observation: features `x` (m, n), what came of it `y` (m), and how much it counts
    `weight` (m)."""

    x: Array
    y: Array
    weight: Array


def prior(weights: Sequence[float], spread: Sequence[float]) -> Posterior:
    """Independent weights with these means and standard deviations."""
    return Posterior(np.array(weights, dtype=float), np.diag(np.square(spread)).astype(float))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of some weights, so that it can be added: `precision` (n, n), the inverse of a
    covariance, or 0 where nothing is known; and `pull` (n), precision times mean."""

    precision: Array
    pull: Array

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(self.precision + other.precision, self.pull + other.pull)

    def __sub__(self, other: Evidence) -> Evidence:
        return Evidence(self.precision - other.precision, self.pull - other.pull)

    def posterior(self) -> Posterior:
        """There must be a prior in it."""
        covariance = np.asarray(np.linalg.inv(self.precision))
        return Posterior(np.asarray(covariance @ self.pull), covariance)


def certain(found: Posterior) -> Evidence:
    precision = np.asarray(np.linalg.inv(found.covariance))
    return Evidence(precision, np.asarray(precision @ found.mean))


def observed(seen: Observations, noise: float = NOISE) -> Evidence:
    weighted = seen.x * seen.weight[:, None]
    return Evidence(weighted.T @ seen.x / noise, weighted.T @ seen.y / noise)


def through(known: Evidence, spread: Array) -> Evidence:
    """What evidence on some weights says of others, from which they differ by about `spread` (n):
    (precision^-1 + spread^2)^-1, also where the precision has no inverse."""
    away = np.eye(len(known.pull)) + known.precision * np.square(spread)
    both = np.column_stack([known.precision, known.pull])
    found = np.linalg.solve(away, both)
    return Evidence(np.asarray(found[:, :-1]), np.asarray(found[:, -1]))


def joined(children: Iterable[Evidence], spread: Array) -> Evidence:
    """What all the children say of their parent."""
    zero = np.zeros(len(spread))
    return sum((through(child, spread) for child in children), Evidence(np.diag(zero), zero))


def shared(whole: Evidence, child: Evidence, spread: Array) -> Evidence:
    """Of a child what is known after all: what it says itself, and what its parent knows of others.
    `whole` is what is known of the parent, from this child, too."""
    return through(whole - through(child, spread), spread) + child


def fading(count: int, half_life: float) -> Array:
    """Weights (count) of observations in order of time: the newest is 1, and half of that is left
    `half_life` observations before it."""
    return np.asarray(0.5 ** (np.arange(count)[::-1] / half_life), dtype=float)
