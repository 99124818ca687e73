"""Figures, and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `aim` is the bound that the issue names, for people to read."""

    name: str
    value: float
    unit: str
    aim: str = ""


Figures = list[Figure]

Cell = float | str | None


@dataclass(frozen=True)
class Table:
    """One question, answered for several systems side by side. `rows` begin with their names;
    None is what was not measured."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, *tuple[Cell, ...]], ...]

    def cell(self, row: str, column: str) -> float:
        """Raises LookupError where there is no such number."""
        for name, *cells in self.rows:
            if name == row:
                value = cells[self.columns.index(column)]
                if isinstance(value, float | int):
                    return value
        raise LookupError(f"{self.name}: no {column} of {row}")

    def markdown(self) -> str:
        lines = ["| | " + " | ".join(self.columns) + " |", "|---|" + "---:|" * len(self.columns)]
        lines += ["| " + " | ".join(map(shown, row)) + " |" for row in self.rows]
        return "\n".join(lines)

    def text(self) -> str:
        cells = [("", *self.columns), *(tuple(map(shown, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self.name, *(f"  {line}" for line in lines)])


def shown(cell: Cell) -> str:
    """A value with as many digits as it deserves."""
    match cell:
        case None:
            return "–"
        case str():
            return cell
        case value:
            digits = 0 if abs(value) >= 100 or value == int(value) else 1 if value >= 10 else 2
            return f"{value:,.{digits}f}"


def aims(name: str, figures: Figures) -> Table:
    rows = tuple((figure.name, figure.value, figure.unit, figure.aim) for figure in figures)
    return Table(name, ("measured", "", "aim"), rows)


def insert(document: str, tables: Sequence[Table]) -> str:
    """`document` with each table between its two marks, `<!-- name -->` and `<!-- /name -->`.
    Raises ValueError where the marks are missing."""
    for table in tables:
        begin, end = f"<!-- {table.name} -->\n", f"<!-- /{table.name} -->"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        if not rest or end not in rest:
            raise ValueError(f"no marks for {table.name}")
        document = f"{before}{begin}{table.markdown()}\n{end}{after}"
    return document


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(title: str, figures: Figures) -> str:
    width = max(len(figure.name) for figure in figures)
    lines = [title, *(_line(figure, width) for figure in figures)]
    return "\n".join(lines)


def _line(figure: Figure, width: int) -> str:
    digits = 0 if figure.value >= 100 else 1 if figure.value >= 10 else 2
    aim = f"   aim: {figure.aim}" if figure.aim else ""
    return f"  {figure.name:{width}}  {figure.value:>9,.{digits}f} {figure.unit}{aim}"
