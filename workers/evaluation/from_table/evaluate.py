"""What a policy would have brought on a table of outcomes. Pure.

Cross-validated by task: for each part of the tasks the policy learns from the others, and it is
tuned on a cross-validation within those. Nothing of a task's outcome enters what is chosen for it.
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
"""Lambda, as the chance to pass that the dearest arm's additional tokens are worth."""


class PolicyResult(NamedTuple):
    """By task (n): share of samples passed, and tokens; and (n, arms) how often an arm, the first
    of which does not think, had the last word."""

    passed: Array
    tokens: Array
    use: Array

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
    """What lambda is to be: the one at which all additional tokens together are worth `share` of
    accuracy, so that no more than that is given up for them. Or, if `keep` is set, that with the
    least tokens at which accuracy is no more than `keep` below that of the best fixed arm; or, if
    `budget` (mean tokens a task) is set, that with the best accuracy within it."""

    share: float = 0.02
    keep: float | None = None
    budget: float | None = None


class Plan(NamedTuple):
    """`price` is lambda: reward per 1,000 tokens."""

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
        """What it chooses for other tasks at this price brings."""
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
    """For each price of `at` the result of each task, by what its fold did not see."""
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
    """The plan that does best within these tasks; a simpler shape unless another is clearly
    better."""
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
    """Whether what it chooses is worth more, over all prices, than chance explains."""
    gain = _worth(found) - _worth(before)
    error = float(gain.std()) / max(1, len(gain)) ** 0.5
    return bool(gain.mean() > SIMPLER * error)


def _worth(found: Mapping[Plan, PolicyResult]) -> Array:
    """By task: what its outcome is worth less the price of its tokens, on average over prices."""
    values = [result.passed - plan.price * result.tokens / 1000 for plan, result in found.items()]
    return np.asarray(np.mean(values, axis=0))


def _reached(tried: Mapping[Plan, PolicyResult], goal: Goal, usual: float, fixed: float) -> Plan:
    """`fixed`: the accuracy of the best fixed arm."""
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
    """Tasks in `count` parts, each with its share of every set."""
    order = np.random.default_rng(seed).permutation(len(table))
    by_set = sorted((int(i) for i in order), key=lambda i: table.sets[i])
    count = max(2, min(count, len(table)))
    return [fold for k in range(count) if (fold := sorted(by_set[k::count]))]


def others(table: Table, fold: Sequence[int]) -> Table:
    """The tasks that are not in the fold."""
    left_out = set(fold)
    return table.take([i for i in range(len(table)) if i not in left_out])


def joined(parts: Sequence[PolicyResult], folds: Sequence[Sequence[int]]) -> PolicyResult:
    """One result for all tasks, in their order."""
    order = np.argsort(np.concatenate([np.array(fold) for fold in folds]))
    columns = zip(*parts, strict=True)
    return PolicyResult(*(np.concatenate(column)[order] for column in columns))
