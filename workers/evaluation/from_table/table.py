"""A table of outcomes: tasks, each done with every arm, some of them several times. Pure.

A CSV file with the columns task, set, arm, sample, passed, tokens. Further columns are features.
A feature that is the same in all rows of a task is known before the task begins. Any other is
known only after the arm of its row was tried (a margin, for example).
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np

from ponderd.channels.errors import Malformed
from ponderd.workers.thinking.posterior import Array

COLUMNS = ("task", "set", "arm", "sample", "passed", "tokens")
ORDER = ("none", "nothink", "weak", "short", "think", "long", "high", "strong")
"""Names of arms that tell their effort, in that order. Other arms are ordered by their tokens."""

_TRUTHS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class Row:
    task: str
    set: str
    arm: str
    sample: str
    passed: float
    tokens: float
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Tasks (n) that were done with every arm (k), the cheapest arm first."""

    arms: tuple[str, ...]
    tasks: tuple[str, ...]
    sets: tuple[str, ...]
    passed: Array
    """(n, k): means over samples."""

    tokens: Array
    """(n, k): means over samples."""

    before: Mapping[str, tuple[str, ...]]
    """Features known in advance, by name: one value a task."""

    after: Mapping[str, Array]
    """Features of each arm, by name: (n, k), NaN where there is none."""

    dropped: int = 0
    """Tasks that were not done with every arm."""

    repeated: int = 0
    """Rows for a sample that had one already. They count, too."""

    def __len__(self) -> int:
        return len(self.tasks)

    def take(self, chosen: Sequence[int]) -> Table:
        index = list(chosen)
        return Table(
            self.arms,
            tuple(self.tasks[i] for i in index),
            tuple(self.sets[i] for i in index),
            self.passed[index],
            self.tokens[index],
            {name: tuple(values[i] for i in index) for name, values in self.before.items()},
            {name: values[index] for name, values in self.after.items()},
        )


MOST_TOKENS = 1e9


def read_rows(file: TextIO) -> list[Row]:
    """Raises `Malformed`, with the line that is wrong."""
    reader = csv.DictReader(file)
    rows = []
    try:
        names = list(reader.fieldnames or ())
        if missing := [name for name in COLUMNS if name not in names]:
            raise Malformed(f"the table has no column {', '.join(missing)}; it needs {_listed()}")
        if twice := {name for name in names if names.count(name) > 1}:
            raise Malformed(f"the table has more than one column {', '.join(sorted(twice))}")
        for record in reader:
            rows.append(_row(record, reader.line_num))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Malformed(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise Malformed("the table has no rows")
    return rows


def _row(record: dict[str, str | None], line: int) -> Row:
    if None in record or any(value is None for value in record.values()):
        raise Malformed(f"line {line}: not as many fields as the heading has")
    values = {name: (value or "").strip() for name, value in record.items()}
    for name in ("task", "arm"):
        if not values[name]:
            raise Malformed(f"line {line}: {name} is empty")
    passed = _number(values["passed"], "passed", line)
    if not 0 <= passed <= 1:
        raise Malformed(f"line {line}: passed is {values['passed']}, not between 0 and 1")
    tokens = _number(values["tokens"], "tokens", line)
    if not 0 <= tokens <= MOST_TOKENS:
        raise Malformed(f"line {line}: tokens is {values['tokens']}, not from 0 to {MOST_TOKENS:g}")
    features = {name: value for name, value in values.items() if name not in COLUMNS}
    return Row(
        values["task"], values["set"], values["arm"], values["sample"], passed, tokens, features
    )


def _number(text: str, name: str, line: int) -> float:
    try:
        number = _TRUTHS[text.lower()] if text.lower() in _TRUTHS else float(text)
    except ValueError:
        raise Malformed(f"line {line}: {name} is {text!r}, not a number") from None
    if not math.isfinite(number):
        raise Malformed(f"line {line}: {name} is {text!r}")
    return number


def _listed() -> str:
    return ", ".join(COLUMNS)


def tabulate(rows: Iterable[Row]) -> Table:
    """Raises `Malformed` if there is nothing to choose between: one arm, or no task with all
    arms."""
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    arms = _arms([row for found in by_task.values() for row in found])
    if len(arms) < 2:
        raise Malformed(f"the table has only one arm ({', '.join(arms)}): nothing to choose")
    complete = {
        task: found for task, found in by_task.items() if {row.arm for row in found} == set(arms)
    }
    if not complete:
        raise Malformed(f"no task was done with every arm ({', '.join(arms)})")
    for task, found in complete.items():
        if len({row.set for row in found}) > 1:
            raise Malformed(f"task {task} is in more than one set")
    groups = list(complete.values())
    names = list(dict.fromkeys(name for found in groups for row in found for name in row.features))
    after = {name for name in names if any(_varies(found, name) for found in groups)}
    return Table(
        arms=arms,
        tasks=tuple(complete),
        sets=tuple(found[0].set for found in groups),
        passed=_means(groups, arms, lambda row: row.passed),
        tokens=_means(groups, arms, lambda row: row.tokens),
        before={
            name: tuple(_first(found, name) for found in groups)
            for name in names
            if name not in after
        },
        after={
            name: _means(groups, arms, functools.partial(_feature, name))
            for name in names
            if name in after
        },
        dropped=len(by_task) - len(complete),
        repeated=_repeated(groups),
    )


def _repeated(groups: Sequence[Sequence[Row]]) -> int:
    samples = [(row.task, row.arm, row.sample) for rows in groups for row in rows if row.sample]
    return len(samples) - len(set(samples))


def _arms(rows: Sequence[Row]) -> tuple[str, ...]:
    tokens: dict[str, list[float]] = {}
    for row in rows:
        tokens.setdefault(row.arm, []).append(row.tokens)
    if all(arm in ORDER for arm in tokens):
        return tuple(sorted(tokens, key=ORDER.index))
    return tuple(sorted(tokens, key=lambda arm: (sum(tokens[arm]) / len(tokens[arm]), arm)))


def _varies(rows: Sequence[Row], name: str) -> bool:
    return len({row.features.get(name, "") for row in rows}) > 1


def _first(rows: Sequence[Row], name: str) -> str:
    return rows[0].features.get(name, "")


def _feature(name: str, row: Row) -> float:
    try:
        number = float(row.features.get(name, ""))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _means(
    groups: Sequence[Sequence[Row]], arms: Sequence[str], value: Callable[[Row], float]
) -> Array:
    """The mean over the samples there are: (n, k). NaN where there are none."""

    def mean(rows: Sequence[Row], arm: str) -> float:
        found = [number for row in rows if row.arm == arm and not math.isnan(number := value(row))]
        return sum(found) / len(found) if found else math.nan

    return np.array([[mean(rows, arm) for arm in arms] for rows in groups], dtype=float)
