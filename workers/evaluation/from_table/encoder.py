"""Turn the features of a table into numbers. Learned on some tasks, applied to others. Pure."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ponderd.workers.evaluation.from_table.table import Table
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.posterior import Array

TEXTS = ("prompt", "question", "text", "message")
"""Columns that are read like a message to a worker."""

LEVELS = 20
"""Most values of a column that get a feature each; the most frequent ones do."""

MOST = 1e12
"""Larger numbers count as this one: their spread could not be computed."""

SEEN = 5
"""Fewest tasks that a value must occur in to get a feature."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    center: float = 0
    scale: float = 1
    levels: tuple[str, ...] = ()
    is_text: bool = False

    def encode(self, values: Sequence[str]) -> Array:
        """(n, features of this column)"""
        if self.is_text:
            return np.array([_text_features(value) for value in values], dtype=float)
        if self.levels:
            rows = [[float(value == level) for level in self.levels] for value in values]
            return np.array(rows, dtype=float).reshape(len(values), len(self.levels))
        numbers = np.array([_number(value) for value in values], dtype=float)
        standard = np.clip((numbers - self.center) / self.scale, -3, 3)
        return np.nan_to_num(standard, nan=0.0)[:, None]


@dataclass(frozen=True, slots=True)
class Encoder:
    columns: tuple[Column, ...]

    def encode(self, table: Table) -> Array:
        """(n, d). The first feature is 1 for every task."""
        parts = [np.ones((len(table), 1))]
        parts += [column.encode(table.before[column.name]) for column in self.columns]
        return np.concatenate(parts, axis=1)


def learn_encoder(table: Table) -> Encoder:
    columns = [_column(name, values) for name, values in table.before.items()]
    return Encoder(tuple(column for column in columns if column is not None))


def _column(name: str, values: Sequence[str]) -> Column | None:
    known = [value for value in values if value]
    if not known:
        return None
    if name.lower() in TEXTS:
        return Column(name, is_text=True)
    numbers = [_number(value) for value in known]
    if all(math.isfinite(number) for number in numbers):
        scale = float(np.std(numbers))
        return Column(name, float(np.mean(numbers)), scale) if scale > 0 else None
    counts = Counter(known)
    levels = tuple(value for value, count in counts.most_common(LEVELS) if count >= SEEN)
    return Column(name, levels=levels) if levels else None


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return max(-MOST, min(MOST, number)) if math.isfinite(number) else number


@functools.lru_cache(maxsize=100_000)  # every fold of a cross-validation reads them again
def _text_features(text: str) -> tuple[float, ...]:
    criteria = read(text)
    return (
        math.log1p(criteria.chars) / 10,
        min(criteria.numbers, 6) / 6,
        float(criteria.several_steps),
        float(criteria.questions > 0),
        float(criteria.code),
        criteria.reasoning,
        criteria.knowledge,
        criteria.solution,
        criteria.intent,
    )
