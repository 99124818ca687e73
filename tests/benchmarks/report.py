"""Figures, and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value. `aim` is the bound that the issue names, for people to read."""

    name: str
    value: float
    unit: str
    aim: str = ""


Figures = list[Figure]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(title: str, figures: Figures) -> str:
    width = max(len(figure.name) for figure in figures)
    lines = [title, *(_line(figure, width) for figure in figures)]
    return "\n".join(lines)


def as_json(results: Mapping[str, Figures]) -> dict[str, Any]:
    return {title: [asdict(figure) for figure in figures] for title, figures in results.items()}


def _line(figure: Figure, width: int) -> str:
    digits = 0 if figure.value >= 100 else 1 if figure.value >= 10 else 2
    aim = f"   aim: {figure.aim}" if figure.aim else ""
    return f"  {figure.name:{width}}  {figure.value:>9,.{digits}f} {figure.unit}{aim}"
