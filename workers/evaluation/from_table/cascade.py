"""Try the cheapest arm first, and a stronger one only if its answer is doubted. Pure.

Such a cascade is one more arm to choose; its reward and tokens come from those of its two arms.
`margin` doubts an answer by the least log-probability in it, as a worker does. `oracle` knows
which answers are wrong, which nobody does: it bounds what any verifier could achieve.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ponderd.channels.errors import Malformed
from ponderd.workers.evaluation.from_table.chooser import Chooser
from ponderd.workers.evaluation.from_table.table import Table
from ponderd.workers.thinking.beliefs import UNFADING
from ponderd.workers.thinking.margins import AnswerSample, Margins, MarginSample, learn_margins
from ponderd.workers.thinking.posterior import Array

Verifier = Literal["none", "margin", "oracle"]

MARGIN = "margin"
"""The column that holds the margin."""

ALL = ""
"""A table does not tell agents apart."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides which answers of the cheapest arm stand. `margins` is what was learned of their
    margins."""

    verifier: Verifier
    margins: Margins = field(default_factory=Margins)

    def stands(self, table: Table, rewards: Array, tokens: Array, price: float) -> Array:
        """The share of samples that is not asked for again: (n, stronger arms). `rewards` and
        `tokens` (n, arms) are what is expected of each arm."""
        if self.verifier == "oracle":
            return np.repeat(table.passed[:, :1], rewards.shape[1] - 1, axis=1)
        first, *stronger = table.arms
        margins = table.after[MARGIN][:, 0]
        found = np.ones((len(table), len(stronger)))
        for i in np.flatnonzero(~np.isnan(margins)):
            right = self.margins.right(ALL, first, margins[i], rewards[i, 0])
            for k, arm in enumerate(stronger, 1):
                again = self.margins.rescued(ALL, first, arm, margins[i], rewards[i, k])
                found[i, k - 1] = right >= again - price * tokens[i, k] / 1000
        return found


def learn_judge(table: Table, chooser: Chooser, verifier: Verifier) -> Judge | None:
    """None if nothing is verified. Raises `Malformed` for a table without margins."""
    if verifier == "none":
        return None
    if verifier == "oracle":
        return Judge("oracle")
    if MARGIN not in table.after:
        raise Malformed(f"the table has no column {MARGIN} that tells arms apart")
    first, *stronger = table.arms
    margins = table.after[MARGIN][:, 0]
    rewards, _ = chooser.predict(table)
    samples = [
        MarginSample(
            AnswerSample(
                agent=ALL,
                kind="",
                arm=first,
                features={},
                margin=float(margins[i]),
                right=float(table.passed[i, 0]) if k == 1 else None,
                then=arm,
                then_right=float(table.passed[i, k]),
            ),
            expected=float(rewards[i, 0]),
            then_expected=float(rewards[i, k]),
        )
        for i in np.flatnonzero(~np.isnan(margins))
        for k, arm in enumerate(stronger, 1)
    ]
    return Judge("margin", learn_margins(samples, UNFADING.now))


def with_cascades(table: Table, chooser: Chooser, judge: Judge | None, price: float) -> Table:
    """The table with one more arm for each stronger one: the cheapest arm first, then that one."""
    if judge is None:
        return table
    rewards, tokens = chooser.predict(table)
    stands = judge.stands(table, rewards, tokens, price)
    passed = table.passed[:, 1:]
    if judge.verifier == "oracle":  # keep the right answers, try the others again
        brought = table.passed[:, :1] + (1 - table.passed[:, :1]) * passed
    else:
        brought = stands * table.passed[:, :1] + (1 - stands) * passed
    taken = table.tokens[:, :1] + (1 - stands) * table.tokens[:, 1:]
    return Table(
        (*table.arms, *(f"{table.arms[0]} then {arm}" for arm in table.arms[1:])),
        table.tasks,
        table.sets,
        np.concatenate([table.passed, brought], axis=1),
        np.concatenate([table.tokens, taken], axis=1),
        table.before,
        table.after,
        table.dropped,
    )


def uses(table: Table, chooser: Chooser, judge: Judge | None, price: float) -> Array:
    """How often each arm of the table gives the last word: (n, arms of `with_cascades`, arms)."""
    count = len(table.arms)
    own = np.repeat(np.eye(count)[None], len(table), axis=0)
    if judge is None:
        return own
    stands = judge.stands(table, *chooser.predict(table), price)
    cascades = np.zeros((len(table), count - 1, count))
    for stronger in range(1, count):
        cascades[:, stronger - 1, 0] = stands[:, stronger - 1]
        cascades[:, stronger - 1, stronger] = 1 - stands[:, stronger - 1]
    return np.concatenate([own, cascades], axis=1)
