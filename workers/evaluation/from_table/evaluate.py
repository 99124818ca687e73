"""What a policy would have achieved on a table of outcomes. Pure.

Everything is cross-validated by task. For each part of the tasks, the policy learns from the
other parts, and is tuned by a cross-validation within those. The outcome of a task never
influences the choice made for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ponderd.workers.evaluation.from_table.cascade import (
    Judge,
    Verifier,
    learn_judge,
    uses,
    with_cascades,
)
from ponderd.workers.evaluation.from_table.chooser import (
    SHAPES,
    Chooser,
    Shape,
    choose,
    learn_chooser,
)
from ponderd.workers.evaluation.from_table.table import Table
from ponderd.workers.thinking.posterior import Array

INNER_FOLDS = 4

SIMPLER = 1.0
"""Standard errors by which a shape must be better than a simpler one."""

PRICES = (0.0, 0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0)
"""Candidates of lambda, expressed as the chance to pass that the additional tokens of the
dearest arm are worth."""


class PolicyResult(NamedTuple):
    """What a policy achieved, task by task."""

    passed: Array
    """(n): share of the samples that passed."""

    tokens: Array
    """(n)"""

    use: Array
    """(n, arms): how often each arm gave the last word. The first arm does not think."""

    @property
    def thought(self) -> Array:
        return np.asarray(self.use[:, 1:].sum(axis=1))

    @property
    def accuracy(self) -> float:
        return float(self.passed.mean())

    @property
    def mean_tokens(self) -> float:
        return float(self.tokens.mean())


@dataclass(frozen=True, slots=True)
class Goal:
    """What lambda should achieve. At most one of `keep` and `budget` is set."""

    share: float = 0.02
    """All additional tokens together are worth so much accuracy: no more is given up for them."""

    keep: float | None = None
    """Use the fewest tokens with at most so much less accuracy than the best fixed arm."""

    budget: float | None = None
    """Reach the best accuracy within so many tokens a task, on average."""


class Plan(NamedTuple):
    """`price` is lambda, in reward per 1,000 tokens."""

    shape: Shape
    price: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from the tasks of `table`."""

    table: Table
    shape: Shape
    plain: Chooser
    judge: Judge | None

    def apply(self, table: Table, price: float) -> PolicyResult:
        """Choose for the tasks of another table at this price."""
        chooser = self.plain
        if self.judge is not None:
            seen = with_cascades(self.table, self.plain, self.judge, price)
            chooser = learn_chooser(seen, self.shape)
        chosen = choose(*chooser.predict(table), price)
        options = with_cascades(table, self.plain, self.judge, price)
        use = uses(table, self.plain, self.judge, price)
        rows = np.arange(len(table))
        return PolicyResult(
            options.passed[rows, chosen], options.tokens[rows, chosen], use[rows, chosen]
        )


def learn(table: Table, shape: Shape, verifier: Verifier) -> Learned:
    chooser = learn_chooser(table, shape)
    return Learned(table, shape, chooser, learn_judge(table, chooser, verifier))


def prices(table: Table) -> list[float]:
    """Candidates of lambda, in reward per 1,000 tokens."""
    return [price(table, share) for share in PRICES]


def price(table: Table, share: float) -> float:
    """Lambda at which the additional tokens of the dearest arm are worth `share` of accuracy."""
    means = table.tokens.mean(axis=0)
    difference = float(means.max() - means.min())
    return share * 1000 / difference if difference > 0 else 0.0


def cross_validated(
    table: Table,
    shape: Shape,
    verifier: Verifier,
    folds: Sequence[Sequence[int]],
    at: Sequence[float],
) -> dict[Plan, PolicyResult]:
    """For each price of `at`, the result of each task, chosen by what its fold did not see."""
    learned = [learn(others(table, fold), shape, verifier) for fold in folds]
    return {
        Plan(shape, each): joined(
            [
                found.apply(table.take(fold), each)
                for found, fold in zip(learned, folds, strict=True)
            ],
            folds,
        )
        for each in at
    }


def tune(table: Table, verifier: Verifier, goal: Goal, seed: int) -> Plan:
    """The plan that does best within these tasks. A simpler shape is preferred unless another
    one is clearly better."""
    if len(table) < 2 * INNER_FOLDS:  # too few to hold any of them back
        return Plan(SHAPES[0], price(table, goal.share))
    folds = split(table, INNER_FOLDS, seed)
    tried: dict[Plan, PolicyResult] = {}
    for shape in SHAPES:
        if (shape.slopes and not table.before) or (shape.kinds and len(set(table.sets)) < 2):
            continue
        found = cross_validated(table, shape, verifier, folds, prices(table))
        if not tried or _clearly_better(found, tried):
            tried = found
    fixed = float(table.passed.mean(axis=0).max())
    return _reached(tried, goal, price(table, goal.share), fixed)


def _clearly_better(
    found: Mapping[Plan, PolicyResult], before: Mapping[Plan, PolicyResult]
) -> bool:
    """Whether its choices are worth more, over all prices, than chance explains."""
    gain = _worth(found) - _worth(before)
    error = float(gain.std()) / max(1, len(gain)) ** 0.5
    return bool(gain.mean() > SIMPLER * error)


def _worth(found: Mapping[Plan, PolicyResult]) -> Array:
    """For each task, its outcome less the price of its tokens, averaged over prices."""
    values = [result.passed - plan.price * result.tokens / 1000 for plan, result in found.items()]
    return np.asarray(np.mean(values, axis=0))


def _reached(tried: Mapping[Plan, PolicyResult], goal: Goal, usual: float, fixed: float) -> Plan:
    """`fixed` is the accuracy of the best fixed arm."""
    if goal.budget is not None:
        within = [plan for plan, result in tried.items() if result.mean_tokens <= goal.budget]
        if not within:
            return min(tried, key=lambda plan: tried[plan].mean_tokens)
        return max(within, key=lambda plan: (tried[plan].accuracy, -tried[plan].mean_tokens))
    if goal.keep is not None:
        enough = [plan for plan, result in tried.items() if result.accuracy >= fixed - goal.keep]
        if not enough:
            return max(tried, key=lambda plan: (tried[plan].accuracy, -tried[plan].mean_tokens))
        return min(enough, key=lambda plan: (tried[plan].mean_tokens, -tried[plan].accuracy))
    return Plan(next(iter(tried)).shape, usual)


def split(table: Table, count: int, seed: int) -> list[list[int]]:
    """Split the tasks into `count` parts, each with its share of every set."""
    order = np.random.default_rng(seed).permutation(len(table))
    by_set = sorted((int(i) for i in order), key=lambda i: table.sets[i])
    count = max(2, min(count, len(table)))
    return [fold for k in range(count) if (fold := sorted(by_set[k::count]))]


def others(table: Table, fold: Sequence[int]) -> Table:
    """The tasks outside the fold."""
    left_out = set(fold)
    return table.take([i for i in range(len(table)) if i not in left_out])


def joined(parts: Sequence[PolicyResult], folds: Sequence[Sequence[int]]) -> PolicyResult:
    """One result for all tasks, in their order."""
    order = np.argsort(np.concatenate([np.array(fold) for fold in folds]))
    columns = zip(*parts, strict=True)
    return PolicyResult(*(np.concatenate(column)[order] for column in columns))
