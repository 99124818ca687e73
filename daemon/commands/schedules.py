"""`ponderd schedules …`: look at schedules, pause and resume them, run one now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ponderd.channels.text import one_line
from ponderd.daemon.commands.api_client import View
from ponderd.daemon.commands.outcome import report
from ponderd.daemon.commands.runs import connect, me
from ponderd.daemon.commands.terminal import Json, coloured, emit_json, hint, say

app = typer.Typer(
    help="List schedules, pause and resume them, run one now.", invoke_without_command=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]


_COLUMNS = ("name", "agent")


@app.callback(epilog="Example: ponderd schedules")
def list_schedules(context: typer.Context, as_json: Json = False) -> None:
    """List schedules, pause and resume them, run one now.

    Without a command, list all. With --json: one JSON object per line.
    """
    if context.invoked_subcommand is not None:
        return
    found = connect().schedules()
    names, agents = (max((len(view[key]) for view in found), default=0) for key in _COLUMNS)
    for view in found:
        if as_json:
            emit_json(view)
        else:
            _print_line(view, names, agents)
    if not found and not as_json:
        hint("no schedules: ponderd.toml has no table [schedules.NAME]")


@app.command(epilog="Example: ponderd schedules show standup")
def show(name: Name, as_json: Json = False) -> None:
    """Show one: what it does, when, what became of its ticks."""
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
    """Begin a run now, beside the plan and also during a pause."""
    api = connect()
    view = api.run_schedule(name, me())
    raise typer.Exit(report(api, view, wait=wait, as_json=as_json))


def _print_line(view: View, names: int = 0, agents: int = 0) -> None:
    """Print a schedule in one line. The numbers are the widths of its first two columns."""
    name, agent = view["name"].ljust(names), view["agent"].ljust(agents)
    print(f"{coloured(name, 'green')}  {coloured(agent, 'yellow')}  ", end="")
    say(one_line(f"{view['plan']}; {'; '.join(_state(view))}", 300))


def _state(view: View) -> list[str]:
    """In a few words each: what it will do next, what it waits for, what it did last."""
    last, ticks = view["last"], view["ticks"]
    if view["paused"]:
        words = [f"paused by {view['paused_by']}"]
    elif view["next_at"]:
        words = [f"next {_told(view, view['next_at'])}"]
    else:
        words = ["no further tick"]
    if view["due"]:
        words.append(f"{view['due']} waiting")
    if last:
        stands = f", for {last['stands_for']} missed too" if last["stands_for"] else ""
        status = (last["status"] or "archived").lower()
        words.append(
            f"last {_told(view, last['scheduled_at'])} {last['run_id']} ({status}{stands})"
        )
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


def _told(view: View, moment: str) -> str:
    """A moment by the clocks that the schedule goes by."""
    from ponderd.workers.control.schedule import told

    return told(datetime.fromisoformat(moment).timestamp(), ZoneInfo(view["timezone"]))


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
