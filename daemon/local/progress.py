"""Progress of a download: a bar on terminals, elsewhere a line for every ten percent."""

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
"""Reports that so many more bytes have come."""


@contextlib.contextmanager
def show_progress(console: Console, total: int, done: int) -> Iterator[Advance]:
    """Show progress towards `total` bytes, of which `done` are there from an earlier start."""
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
