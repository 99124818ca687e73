"""What commands write: text for people, JSON for programs, colours only on a terminal."""

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
    """Text that models and strangers wrote: no escape sequence of it reaches the terminal."""
    print(clean(text), flush=True)


def hint(text: str) -> None:
    """What is not the result goes to stderr."""
    print(coloured(clean(text), "bright_black", sys.stderr), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    for line in clean(text).splitlines():
        print(f"{coloured('ponderd:', 'red', sys.stderr)} {line}", file=sys.stderr, flush=True)


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    stream = stream or sys.stdout
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        return typer.style(text, fg=colour)
    return text


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, on stderr, so that it is no part of the result. The block gets a
    function to call for each step."""
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
    """Show that somebody works, on a terminal. The block gets a function that tells more: why it
    takes longer than expected."""
    if not sys.stderr.isatty():
        said = set[str]()

        def note(text: str) -> None:
            if text not in said:
                said.add(text)
                hint(text)

        yield note
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("thinking …") as status:
        yield lambda text: status.update(f"thinking … {escape(clean(text))}")
