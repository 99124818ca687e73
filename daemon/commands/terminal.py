"""Output of commands: text for people, JSON for programs, colours only on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TextIO

import typer

from ponderd.channels.text import clean

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
Note = Callable[[str], None]


def emit_json(value: Any) -> None:
    print(json.dumps(value), flush=True)


def say(text: str) -> None:
    """Print text that models and strangers wrote, without escape sequences for the terminal."""
    print(clean(text), flush=True)


def hint(text: str) -> None:
    """Print a remark to stderr, where it does not mix with the result."""
    print(coloured(clean(text), "bright_black", sys.stderr), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print an error to stderr."""
    for line in clean(text).splitlines():
        print(f"{coloured('ponderd:', 'red', sys.stderr)} {line}", file=sys.stderr, flush=True)


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    stream = stream or sys.stdout
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        return typer.style(text, fg=colour)
    return text


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr, if that is a terminal. Gives a function to call after each
    step."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def thinking() -> Iterator[Note]:
    """Show on stderr that ponderd is thinking. Gives a function that says why it takes longer."""
    if not sys.stderr.isatty():
        shown = set[str]()

        def note(text: str) -> None:
            if text not in shown:
                shown.add(text)
                hint(text)

        yield note
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("thinking …") as status:
        yield lambda text: status.update(f"thinking … {escape(clean(text))}")
