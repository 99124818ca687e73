"""`ponderd deliveries …`: list what did not arrive, and send it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ponderd.channels.errors import StartupError
from ponderd.channels.text import one_line
from ponderd.daemon.commands.runs import connect, local_time, me
from ponderd.daemon.commands.terminal import Json, coloured, emit_json, hint, say

app = typer.Typer(
    help="List replies that did not arrive, and send them again.", invoke_without_command=True
)


@app.callback(epilog="Example: ponderd deliveries")
def deliveries(context: typer.Context, as_json: Json = False) -> None:
    """List replies that did not arrive, and send them again. Without a command: list."""
    if context.invoked_subcommand is None:
        list_deliveries(as_json=as_json)


@app.command("list", epilog="Example: ponderd deliveries list")
def list_deliveries(as_json: Json = False) -> None:
    """List replies that did not arrive, oldest first. With --json: one JSON object per line."""
    found = connect().get("/deliveries")["deliveries"]
    _show(found, as_json)
    if as_json:
        return
    if found:
        hint("to send them again, once it is mended: ponderd deliveries retry ID (or --all)")
    else:
        hint("everything arrived")


@app.command(epilog="Example: ponderd deliveries retry --all")
def retry(
    run_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of the run that they belong to.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of all runs.")] = False,
    as_json: Json = False,
) -> None:
    """Send again what did not arrive, now. It arrives at most once."""
    if (run_id is None) != everything:
        raise StartupError("name a run, or say --all", exit_code=2)
    found = connect().retry_deliveries(run_id, by=me())
    _show(found, as_json)
    if as_json:
        return
    if not found:
        hint("nothing to send again: everything arrived")
    else:
        hint(f"{len(found)} on their way; `ponderd deliveries` shows what does not arrive")


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    for view in found:
        if as_json:
            emit_json(view)
            continue
        colour = "yellow" if view["state"] == "trying" else "red"
        again = view["next_attempt_at"]
        if again:
            when = f"next {local_time(again)}"
        else:
            when = "next now" if view["state"] == "trying" else "no further attempt"
        print(f"{view['run_id']}  {local_time(view['since'])}  ", end="")
        print(f"{coloured(view['state'].ljust(11), colour)}  ", end="")
        attempts = f"{view['attempts']} attempt{'s' * (view['attempts'] != 1)}"
        say(one_line(f"{view['to']}: {view['error']} ({attempts}, {when})", 300))
