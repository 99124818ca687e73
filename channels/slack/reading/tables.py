"""Tables as rows that a reader can follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; its first row is the heading."""
    head, *rest = [_row(row) for row in rows if row] or [""]
    if not head:
        return ""
    columns = next(len(row) for row in rows if row)
    return "\n".join([head, "| " + " | ".join(["---"] * columns) + " |", *rest])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
