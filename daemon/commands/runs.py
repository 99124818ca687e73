"""`ponderd runs …`: look at runs and steer them."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from channels.text import one_line
from daemon.api_client import Api, View
from daemon.commands.outcome import exit_code, report
from daemon.commands.terminal import Json, coloured, emit_json, say

app = typer.Typer(help="Look at runs and steer them.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(metavar="ID", help="The run, as `ponderd runs list` says.")]
Status = Literal["READY", "WAITING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]

_COLOURS = {
    "READY": "cyan",
    "WAITING": "yellow",
    "PAUSED": "yellow",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "red",
}


def connect() -> Api:
    """The daemon that the settings name."""
    from daemon import configuration

    return Api(configuration.load().daemon)


@app.command("list", epilog="Example: ponderd runs list --status WAITING --agent deployer")
def list_runs(
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="The newest so many.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All of them, whatever --limit.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """List runs, newest first. With --json: one JSON object per line."""
    pages = connect().pages(status=status, agent=agent, limit=500 if everything else limit)
    for page in pages:
        for view in page:
            if as_json:
                emit_json(view)
            else:
                _say_run(view)
        if not everything:
            return


@app.command(epilog="Example: ponderd runs show 0c-mha1v2k8-9f3c1a2b7d --events")
def show(
    run_id: RunId,
    events: Annotated[bool, typer.Option("--events", help="Also all that happened to it.")] = False,
    as_json: Json = False,
) -> None:
    """Show one run."""
    api = connect()
    view = api.show(run_id)
    log = api.events(run_id) if events else []
    if as_json:
        emit_json(view | ({"events": log} if events else {}))
        return
    usage = view["usage"]
    rows = {
        "run": view["id"],
        "agent": f"{view['agent']} ({view['agent_version']})",
        "status": _status(view),
        "channel": f"{view['channel']}, conversation {view['conversation']}",
        "created": _local(view["created_at"]),
        "updated": f"{_local(view['updated_at'])}, {view['version']} events",
        "usage": f"{usage['model_calls']} model calls, {usage['prompt_tokens']} prompt, "
        f"{usage['completion_tokens']} completion and {usage['reasoning_tokens']} thinking tokens",
        "error": view["error"],
        "reply": view["reply"],
    }
    for name, value in rows.items():
        if value:
            print(f"{name:<8} ", end="")
            say(value.replace("\n", "\n" + " " * 9))
    for event in log:
        _say_event(event)


@app.command(epilog="Example: ponderd runs tail 0c-mha1v2k8-9f3c1a2b7d")
def tail(run_id: RunId, as_json: Json = False) -> None:
    """Show what happens to a run as it happens, until it is over.

    With --json: one event per line.
    """
    shown, code = None, 0
    for kind, data in connect().follow(run_id):
        if kind == "event" and as_json:
            emit_json(data)
        elif kind == "event":
            _say_event(data)
        elif (data["status"], data["waiting_for"]) != shown:
            shown = data["status"], data["waiting_for"]
            if not as_json:
                print(f"     {_status(data)}", flush=True)
            code = exit_code(data)
    raise typer.Exit(code)


@app.command(epilog="Example: ponderd runs pause 0c-mha1v2k8-9f3c1a2b7d")
def pause(run_id: RunId, as_json: Json = False) -> None:
    """Stop a run before its next step, for a second or a month."""
    _signalled(connect().signal(run_id, "pause", _me()), as_json)


@app.command(epilog="Example: ponderd runs resume 0c-mha1v2k8-9f3c1a2b7d")
def resume(run_id: RunId, as_json: Json = False) -> None:
    """Let a paused run go on."""
    _signalled(connect().signal(run_id, "resume", _me()), as_json)


@app.command(epilog='Example: ponderd runs cancel 0c-mha1v2k8-9f3c1a2b7d --reason "not needed"')
def cancel(
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Told to those who wait for the answer.")] = "",
    as_json: Json = False,
) -> None:
    """End a run for good; whoever waits for its answer is told."""
    _signalled(connect().signal(run_id, "cancel", _me(), reason), as_json)


@app.command(epilog="Example: ponderd runs answer 0c-mha1v2k8-9f3c1a2b7d yes")
def answer(
    run_id: RunId,
    text: Annotated[list[str], typer.Argument(metavar="TEXT…", help="What to tell it.")],
    wait: Annotated[bool, typer.Option(help="Wait for what it says then.")] = True,
    as_json: Json = False,
) -> None:
    """Answer the question of a run, approve with `yes`, or tell it something new."""
    api = connect()
    view = api.message(run_id, " ".join(text), by=_me())
    raise typer.Exit(report(api, view, wait=wait, as_json=as_json))


def _signalled(view: View, as_json: bool) -> None:
    if as_json:
        emit_json(view)
    else:
        print(view["id"], _status(view))


def _say_run(view: View) -> None:
    status = coloured(f"{_status_text(view):<20}", _COLOURS[view["status"]])
    where = one_line(f"{view['channel']:<9} {view['conversation']}", 60)
    print(f"{view['id']}  {_local(view['created_at'])}  {status} {view['agent']:<12} {where}")


def _say_event(event: dict[str, Any]) -> None:
    time = datetime.fromtimestamp(event["at"]).strftime("%H:%M:%S")
    print(f"{event['version']:>4} {time} {event['type']:<20} {one_line(_gist(event))}", flush=True)


def _gist(event: dict[str, Any]) -> str:
    """The one thing about an event that a person looks for."""
    if event["type"] == "model_answered":
        choice, call = event["choice"], event["call"]
        said = choice.get("text") or f"{choice.get('tool')} {choice.get('arguments')}"
        return f"{call['decision']['mode']}, {call['seconds']:.1f} s: {said}"
    if event["type"] == "approval_answered":
        if event["approved"]:
            return f"approved by {event['by']}"
        remark = event["remark"]
        return f"not approved: {remark}" if remark else f"denied by {event['by']}"
    told = (event.get(name) for name in ("text", "error", "result", "detail", "remark", "by"))
    return next((text for text in told if text), "")


def _status(view: View) -> str:
    return coloured(_status_text(view), _COLOURS[view["status"]])


def _status_text(view: View) -> str:
    waiting_for = view["waiting_for"]
    return f"{view['status']} for {waiting_for}" if waiting_for else str(view["status"])


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a user of this number
        return "command line"
