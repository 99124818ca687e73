"""`ponderd thinking report` and `tune` as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ponderd.daemon.commands.terminal import coloured, hint, say

if TYPE_CHECKING:
    from ponderd.workers.evaluation.from_ledger.report import Point, Report
    from ponderd.workers.evaluation.from_ledger.tuning import Change


def print_report(report: Report) -> None:
    say(
        f"{report.calls:,} calls for {report.messages:,} messages in {report.conversations:,} "
        f"conversations; outcome known for {report.rewarded:,}"
    )
    say(f"T, share of calls that thought: {report.think_rate:.1%}")
    if report.reward is not None:
        point = report.reward
        say(f"P, mean reward: {point.reward:.3f} [{point.low:.3f}, {point.high:.3f}]")
    overs = "unknown" if report.overs is None else f"{report.overs:.1%} (estimated)"
    say(f"misses (thinking was needed but came second): {report.misses:.1%}; overs: {overs}")
    print()
    columns = ("arm", "calls", "share", "messages", "reward", "tokens", "thought", "p95 s")
    rows = [
        (
            arm.arm,
            f"{arm.calls:,}",
            f"{arm.share:.1%}",
            f"{arm.episodes:,}",
            "-" if arm.reward is None else f"{arm.reward:.3f}",
            f"{arm.tokens:.0f}",
            f"{arm.thinking_tokens:.0f}",
            f"{arm.p95_seconds:.1f}",
        )
        for arm in report.arms
    ]
    print_columns(columns, rows)
    if not report.front:
        hint("no front yet: no message with a known outcome could have been decided differently")
        return
    print()
    say(
        f"What other policies would have brought on the {report.free:,} messages that could have "
        f"been decided differently (lambda is now {report.price:.3g}):"
    )
    _print_points([*report.references, *report.front])


def print_change(change: Change) -> None:
    _print_points([change.before, change.after])
    gain = change.after.reward - change.before.reward
    tokens = change.after.tokens - change.before.tokens
    say(f"reward {gain:+.3f}, tokens per message {tokens:+.0f}")
    if change.bound is not None:
        bound = change.bound
        until = "at any lambda" if bound.price is None else f"as long as lambda < {bound.price:.3g}"
        say(
            f"of messages like the {bound.pairs} that were answered both ways, at most "
            f"{bound.missed:.0%} miss the thinking they need {until} (conformal)"
        )
        if not bound.kept:
            hint("the lambda above is greater, so more messages may")
    else:
        hint(f"no bound on missed thinking: only {change.pairs} messages were answered both ways")


def draw_report(path: Path, report: Report) -> None:
    from ponderd.workers.evaluation.plot import Mark, draw_front

    marks = {
        point.name: Mark(point.tokens, point.reward, point.low, point.high)
        for point in report.references
    }
    if report.reward is not None:
        now = report.reward
        marks["policy"] = Mark(now.tokens, now.reward, now.low, now.high)
    front = [(point.tokens, point.reward) for point in report.front]
    draw_front(path, front, marks, title="What thinking brought", quality="mean reward")


def _print_points(points: Sequence[Point]) -> None:
    columns = ("policy", "reward", "95 %", "tokens", "T")
    rows = [
        (
            point.name,
            f"{point.reward:.3f}",
            f"[{point.low:.3f}, {point.high:.3f}]",
            f"{point.tokens:.0f}",
            f"{point.think_rate:.1%}",
        )
        for point in points
    ]
    print_columns(columns, rows)


def print_columns(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. The first column is text, the others are numbers."""
    widths = [max(len(row[k]) for row in (heading, *rows)) for k in range(len(heading))]
    for row in (heading, *rows):
        cells = [
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells)
        print(coloured(line, "cyan") if row is heading else line, flush=True)
