"""`ponderd schedules …`: look at schedules, pause and resume them, run one now."""

from __future__ import annotations

from typing import Annotated

import typer

from ponderd.channels.text import one_line
from ponderd.daemon.commands.api_client import View
from ponderd.daemon.commands.outcome import report
from ponderd.daemon.commands.runs import connect, local_time, me
from ponderd.daemon.commands.terminal import Json, coloured, emit_json, hint, say

app = typer.Typer(
    help="List schedules, pause and resume them, run one now.", invoke_without_command=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]


@app.callback(epilog="Example: ponderd schedules")
def list_schedules(context: typer.Context, as_json: Json = False) -> None:
    """List schedules, pause and resume them, run one now.

    Without a command, list all. With --json: one JSON object per line.
    """
    if context.invoked_subcommand is not None:
        return
    found = connect().schedules()
    for view in found:
        if as_json:
            emit_json(view)
        else:
            _print_line(view)
    if not found and not as_json:
        hint("no schedules: ponderd.toml has no table [schedules.NAME]")


@app.command(epilog="Example: ponderd schedules show standup")
def show(name: Name, as_json: Json = False) -> None:
    """Show one schedule: what it does, when, and what became of its ticks."""
    _print(connect().schedule(name), as_json=as_json)


@app.command(epilog="Example: ponderd schedules pause standup")
def pause(name: Name, as_json: Json = False) -> None:
    """Begin no runs until the schedule is resumed, also after a restart."""
    _print(connect().steer_schedule(name, "pause", me()), as_json=as_json)


@app.command(epilog="Example: ponderd schedules resume standup")
def resume(name: Name, as_json: Json = False) -> None:
    """Go on with the first tick after now. The ticks of the pause are not made up for."""
    _print(connect().steer_schedule(name, "resume", me()), as_json=as_json)


@app.command(epilog="Example: ponderd schedules run standup")
def run(
    name: Name,
    wait: Annotated[bool, typer.Option(help="Wait for the answer and print it.")] = True,
    as_json: Json = False,
) -> None:
    """Begin a run now, beside the plan, also while the schedule is paused."""
    api = connect()
    view = api.run_schedule(name, me())
    raise typer.Exit(report(api, view, wait=wait, as_json=as_json))


def _print_line(view: View) -> None:
    print(f"{coloured(view['name'], 'green'):<20} {coloured(view['agent'], 'yellow'):<12} ", end="")
    say(one_line(f"{view['plan']}; {'; '.join(_state(view))}", 300))


def _state(view: View) -> list[str]:
    """In a few words each: what it will do next, what it waits for, what it did last."""
    last, ticks = view["last"], view["ticks"]
    if view["paused"]:
        words = [f"paused by {view['paused_by']}"]
    elif view["next_at"]:
        words = [f"next {local_time(view['next_at'])}"]
    else:
        words = ["no further tick"]
    if view["due"]:
        words.append(f"{view['due']} waiting")
    if last:
        stands = f", for {last['stands_for']} missed too" if last["stands_for"] else ""
        status = (last["status"] or "archived").lower()
        words.append(f"last {local_time(last['scheduled_at'])} {last['run_id']} ({status}{stands})")
    else:
        words.append("not run yet")
    words += [
        f"{ticks[kind]} {told}"
        for kind, told in (
            ("joined", "made up for"),
            ("missed", "missed"),
            ("overlapped", "left out"),
        )
        if ticks[kind]
    ]
    return words


def _print(view: View, *, as_json: bool) -> None:
    if as_json:
        emit_json(view)
        return
    _print_line(view)
    ticks = view["ticks"]
    rows = {
        "answer": view["answer"] or "waits in the run",
        "conversation": view["conversation"] or "one for each run",
        "missed": f"{view['missed']} ({ticks['joined']} made up for, {ticks['missed']} left out)",
        "overlap": f"{view['overlap']} ({ticks['overlapped']} left out)",
        "runs": ticks["started"],
        "text": one_line(view["text"], 300),
    }
    for name, value in rows.items():
        say(f"    {name:<13} {value}")
