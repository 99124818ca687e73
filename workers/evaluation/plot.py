"""Draw the Pareto front, reward or accuracy over tokens, into a PNG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ponderd.channels.errors import PonderdError


class Mark(NamedTuple):
    """One labelled point. `low` and `high` are the ends of an interval of `quality`, if there is
    one."""

    tokens: float
    quality: float
    low: float | None = None
    high: float | None = None


def draw_front(
    path: Path,
    front: Sequence[tuple[float, float]],
    marks: Mapping[str, Mark],
    *,
    title: str,
    quality: str,
) -> None:
    """`front`: tokens and quality of the policy at each lambda. Raises `PonderdError` if the
    file cannot be written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.6), layout="constrained")
    points = sorted(set(front))
    if points:
        axes.plot(*zip(*points, strict=True), "-o", color="#3060c0", markersize=3, label="policy")
    for name, mark in marks.items():
        own = name == "policy"
        colour = "#c03030" if own else "#505050"
        error = None
        if mark.low is not None and mark.high is not None:
            error = [[max(0, mark.quality - mark.low)], [max(0, mark.high - mark.quality)]]
        axes.errorbar(
            mark.tokens,
            mark.quality,
            yerr=error,
            fmt="*" if own else "s",
            markersize=11 if own else 5,
            color=colour,
            elinewidth=0.6,
            capsize=2,
        )
        axes.annotate(
            name,
            (mark.tokens, mark.quality),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
            color=colour,
            parse_math=False,  # people choose the names of arms
        )
    axes.set(xlabel="tokens", ylabel=quality)
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise PonderdError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        pyplot.close(figure)
