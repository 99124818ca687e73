"""A progress bar on terminals, a plain line at every tenth elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int], None]
"""Tell of that many further bytes."""


@contextlib.contextmanager
def show_progress(console: Console, total: int, done: int) -> Iterator[Advance]:
    """`done` of `total` bytes are there from an earlier start."""
    if console.is_terminal:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=total, completed=done)
            yield lambda count: progress.advance(task, count)
        return

    def advance(count: int) -> None:
        nonlocal done
        tenths = 10 * done // total
        done += count
        if 10 * done // total > tenths:
            console.print(f"{100 * done // total:3} % of {total / 1e6:,.0f} MB")

    yield advance
