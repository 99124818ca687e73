"""`ponderd runs check`: whether the snapshots of runs are what their logs say."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from ponderd.daemon.commands.runs import connect
from ponderd.daemon.commands.terminal import Json, complain, emit_json, say


def check(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Only these runs (see `runs list`)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the snapshots of all runs with their logs.

    Exit code 1 if one differs. It was dropped then: from the log follows all that is true.
    """
    api, found, wrong = connect(), Counter[str](), list[str]()
    for portion in map(api.check, run_ids) if run_ids else api.check_all():
        found.update(checked=portion["checked"], snapshots=portion["snapshots"])
        wrong += portion["wrong"]
        if not as_json:
            for run_id in portion["wrong"]:
                say(run_id)
    runs, snapshots = found["checked"], found["snapshots"]
    if as_json:
        emit_json({"checked": runs, "snapshots": snapshots, "wrong": wrong})
    else:
        said = f"{runs} run{'s' * (runs != 1)}, {snapshots} snapshot{'s' * (snapshots != 1)}"
        say(f"{said}, {len(wrong)} of them wrong")
    if wrong:
        complain("the snapshots of these runs were not what their logs say; they are dropped")
        raise typer.Exit(1)
