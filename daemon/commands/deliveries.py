"""`ponderd deliveries …`: list what did not arrive, and send it again."""

from __future__ import annotations

from collections.abc import Iterator
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


_NOTHING_MATCHES = "nothing that did not arrive matches; `ponderd deliveries` lists all of it"
_ALL_WELL = "everything arrived, or is being sent for the first time"

To = Annotated[
    str | None, typer.Option(help="Only where the address begins like this, as slack:C0123.")
]
Of = Annotated[str | None, typer.Option("--agent", help="Only of this agent.")]
Why = Annotated[str | None, typer.Option("--error", help="Only with this in their error.")]


@app.command("list", epilog="Example: ponderd deliveries list --to slack:")
def list_deliveries(
    to: To = None, agent: Of = None, error: Why = None, as_json: Json = False
) -> None:
    """List replies that did not arrive, oldest first. With --json: one JSON object per line."""
    found = 0
    for portion in connect().deliveries(_wanted(to, agent, error)):
        _show(portion["deliveries"], as_json)
        found += len(portion["deliveries"])
    if as_json:
        return
    if found:
        hint("to send them again, once it is mended: ponderd deliveries retry ID (or --all)")
    else:
        hint(_NOTHING_MATCHES if _wanted(to, agent, error) else _ALL_WELL)


@app.command(epilog="Example: ponderd deliveries retry --to https://hooks.example.com/")
def retry(
    run_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of the run that they belong to.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of all runs.")] = False,
    to: To = None,
    agent: Of = None,
    error: Why = None,
    as_json: Json = False,
) -> None:
    """Send again what did not arrive, now. It arrives at most once."""
    wanted = _wanted(to, agent, error)
    if (run_id is not None) + (everything or bool(wanted)) != 1:
        raise StartupError("name a run, or say --all, --to, --agent or --error", exit_code=2)
    sent = 0
    for portion in _retried(run_id, wanted):
        _show(portion["deliveries"], as_json)
        sent += len(portion["deliveries"])
        if portion["left"]:
            hint(f"{sent} on their way, {portion['left']} runs are still to be looked at")
    if as_json:
        return
    if not sent:
        hint(_NOTHING_MATCHES if wanted else f"nothing to send again: {_ALL_WELL}")
    else:
        hint(f"{sent} on their way; `ponderd deliveries` shows what does not arrive")


def _retried(run_id: str | None, wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    if run_id is None:
        yield from connect().retry_all_deliveries(wanted, by=me())
    else:
        yield {"deliveries": connect().retry_deliveries(run_id, by=me()), "left": 0}


def _wanted(to: str | None, agent: str | None, error: str | None) -> dict[str, str]:
    given = {"to": to, "agent": agent, "error": error}
    return {name: value for name, value in given.items() if value}


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
