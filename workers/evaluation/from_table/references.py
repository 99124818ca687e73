"""What to compare a policy with: fixed arms, chance, the best arm of each kind, an oracle. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ponderd.channels.errors import Malformed
from ponderd.workers.evaluation.from_table.cascade import Verifier
from ponderd.workers.evaluation.from_table.chooser import Choices
from ponderd.workers.evaluation.from_table.evaluate import (
    Goal,
    PolicyResult,
    joined,
    learn,
    others,
    prices,
    split,
    tune,
)
from ponderd.workers.evaluation.from_table.table import Table
from ponderd.workers.thinking.posterior import Array

FOLDS = 5
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Summary:
    """`ci` is a 95 % bootstrap interval of the accuracy, by task. `tokens` is a mean over tasks."""

    accuracy: float
    tokens: float
    think_rate: float
    ci: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`results` by policy; the tuned one is named `policy`. `front` is that policy at each
    lambda."""

    table: Table
    results: Mapping[str, PolicyResult]
    front: Mapping[float, PolicyResult]
    seed: int

    def summaries(self) -> dict[str, Summary]:
        return {name: summarize(result, self.seed) for name, result in self.results.items()}

    def difference(self, name: str, other: str) -> tuple[float, float, float]:
        """Accuracy of one policy minus that of another, task by task, with its interval."""
        return _gain(self.results[name], self.results[other], self.seed)

    def above_random(self, price: float) -> tuple[float, float, float]:
        """Accuracy of the policy at this lambda, minus that of a random one that thinks as
        often."""
        result = self.front[price]
        return _gain(result, _random(self.table, result), self.seed)


def _gain(one: PolicyResult, other: PolicyResult, seed: int) -> tuple[float, float, float]:
    gain = one.passed - other.passed
    return float(gain.mean()), *interval(gain, seed)


def evaluate(table: Table, verifier: Verifier, seed: int, goal: Goal | None = None) -> Evaluation:
    """Cross-validate all policies on the same parts of the tasks. Fixed arms and the oracle
    learn nothing, so they need none. Raises `Malformed` for a single task."""
    if len(table) < 2:
        raise Malformed("only one task was done with every arm: nothing is left to learn from")
    goal = goal or Goal()
    folds = split(table, FOLDS, seed)
    rests = [others(table, fold) for fold in folds]
    plans = [tune(rest, verifier, goal, seed) for rest in rests]
    learned = [learn(rest, plan.shape, verifier) for rest, plan in zip(rests, plans, strict=True)]

    def apply(prices: Sequence[float]) -> PolicyResult:
        parts = zip(learned, folds, prices, strict=True)
        return joined([found.apply(table.take(fold), price) for found, fold, price in parts], folds)

    policy = apply([plan.price for plan in plans])
    front = {price: apply([price] * len(folds)) for price in prices(table)}
    return Evaluation(table, _references(table, policy, folds), front, seed)


def beside(table: Table, followed: Sequence[Mapping[str, str]], seed: int) -> Evaluation:
    """Compare a policy that was really followed with the references. A row of `followed` holds
    task, passed, tokens and the arms that were tried."""
    by_task = {row["task"]: row for row in followed}
    rows = [by_task[task] for task in table.tasks]
    last = [table.arms.index(row["arms"].rpartition("+")[2]) for row in rows]
    policy = PolicyResult(
        np.array([float(row["passed"]) for row in rows]),
        np.array([float(row["tokens"]) for row in rows]),
        np.eye(len(table.arms))[last],
    )
    references = _references(table, policy, split(table, FOLDS, seed))
    return Evaluation(table, references, {}, seed)


def _references(
    table: Table, policy: PolicyResult, folds: Sequence[Sequence[int]]
) -> dict[str, PolicyResult]:
    results = {f"always-{arm}": _always(table, k) for k, arm in enumerate(table.arms)}
    results["random"] = _random(table, policy)
    results["best-per-kind"] = _best_per_kind(table, folds)
    results["oracle"] = _oracle(table)
    results["policy"] = policy
    return results


def summarize(result: PolicyResult, seed: int) -> Summary:
    return Summary(
        accuracy=float(result.passed.mean()),
        tokens=float(result.tokens.mean()),
        think_rate=float(result.thought.mean()),
        ci=interval(result.passed, seed),
    )


def interval(values: Array, seed: int) -> tuple[float, float]:
    """95 % interval of the mean, from resampled tasks."""
    generator = np.random.default_rng(seed)
    count = len(values)
    at_once = max(1, 2_000_000 // count)
    means: list[float] = []
    while len(means) < RESAMPLES:
        drawn = generator.integers(0, count, (min(at_once, RESAMPLES - len(means)), count))
        means.extend(values[drawn].mean(axis=1).tolist())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _always(table: Table, arm: int) -> PolicyResult:
    return _picked(table, np.full(len(table), arm))


def _random(table: Table, policy: PolicyResult) -> PolicyResult:
    """Give each arm as many tasks as the policy did, at random. Returns what is expected then."""
    use = np.repeat(policy.use.mean(axis=0)[None], len(table), axis=0)
    return PolicyResult((use * table.passed).sum(axis=1), (use * table.tokens).sum(axis=1), use)


def _best_per_kind(table: Table, folds: Sequence[Sequence[int]]) -> PolicyResult:
    """The arm that was best on the other tasks of a set; of equally good arms the cheapest."""
    chosen = np.zeros(len(table), dtype=int)
    for fold in folds:
        rest = others(table, fold)
        for name in {table.sets[i] for i in fold}:
            here = [i for i, found in enumerate(rest.sets) if found == name]
            seen = rest.take(here) if here else rest
            best = int(np.argmax(np.round(seen.passed.mean(axis=0), 9)))
            for i in fold:
                if table.sets[i] == name:
                    chosen[i] = best
    return _picked(table, chosen)


def _oracle(table: Table) -> PolicyResult:
    """For each task the arm that passes most often; of equally good arms the cheapest."""
    best = table.passed.max(axis=1, keepdims=True)
    tokens = np.where(table.passed >= best - 1e-12, table.tokens, np.inf)
    chosen = np.argmin(tokens, axis=1)
    return _picked(table, chosen)


def _picked(table: Table, chosen: Choices) -> PolicyResult:
    rows = np.arange(len(table))
    use = np.eye(len(table.arms))[chosen]
    return PolicyResult(table.passed[rows, chosen], table.tokens[rows, chosen], use)
