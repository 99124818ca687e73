"""`ponderd runs …`: look at runs, and steer them."""

from __future__ import annotations

import getpass
import itertools
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from ponderd.channels.text import one_line
from ponderd.daemon.commands.api_client import Api, View
from ponderd.daemon.commands.outcome import exit_code, report
from ponderd.daemon.commands.terminal import Json, coloured, complain, emit_json, say

app = typer.Typer(help="Look at runs and steer them.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of the run (see `runs list`).")]
StatusName = Literal["READY", "WAITING", "PAUSED", "SET_ASIDE", "COMPLETED", "FAILED", "CANCELLED"]
ReasonName = Literal["answer", "approval", "event", "time", "retry", "agent"]

_COLOURS = {
    "READY": "cyan",
    "WAITING": "yellow",
    "PAUSED": "yellow",
    "SET_ASIDE": "magenta",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "red",
}

_GISTS = (
    *("text", "error", "result", "detail", "reason", "known", "name", "policy", "source"),
    *("agent_version", "remark", "by"),
)
"""Fields of an event that tell most about it. The first one that the event has is shown."""


def connect() -> Api:
    """A client for the daemon that the settings name."""
    from ponderd.daemon import configuration

    return Api(configuration.load().daemon)


@app.command("list", epilog="Example: ponderd runs list --status WAITING --agent deployer")
def list_runs(
    status: Annotated[StatusName | None, typer.Option(help="Only runs with this status.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only runs that began there.")] = None,
    waiting_for: Annotated[
        ReasonName | None, typer.Option(help="Only runs that wait for this.")
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL:ID", help="Only runs to which somebody wrote."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many, the newest.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All runs, whatever --limit says.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """List runs, newest first. With --json: one JSON object per line."""
    filters = {
        "status": status,
        "agent": agent,
        "channel": channel,
        "waiting_for": waiting_for,
        "person": person,
    }
    found = connect().runs(filters, limit=500 if everything else limit)
    for view in found if everything else itertools.islice(found, limit):
        if as_json:
            emit_json(view)
        else:
            _say_run(view)


@app.command(epilog="Example: ponderd runs show 0c-mha1v2k8-9f3c1a2b7d --events")
def show(
    run_id: RunId,
    events: Annotated[bool, typer.Option("--events", help="Show its events, too.")] = False,
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
        "created": local_time(view["created_at"]),
        "updated": f"{local_time(view['updated_at'])}, {view['version']} events",
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
    """Show the events of a run as they happen, until it ends.

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
    """Pause a run before its next step, until you resume it."""
    signalled(connect().signal(run_id, "pause", me()), as_json)


@app.command(epilog="Example: ponderd runs resume 0c-mha1v2k8-9f3c1a2b7d")
def resume(
    run_id: RunId,
    adopt: Annotated[
        bool, typer.Option("--adopt-version", help="Use the newest prompt and tools.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a paused run continue."""
    signalled(connect().signal(run_id, "resume", me(), adopt_version=adopt), as_json)


@app.command(epilog='Example: ponderd runs cancel 0c-mha1v2k8-9f3c1a2b7d --reason "not needed"')
def cancel(
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Given to everybody who waits for the answer.")] = "",
    as_json: Json = False,
) -> None:
    """End a run for good. Whoever waits for its answer is told."""
    signalled(connect().signal(run_id, "cancel", me(), reason=reason), as_json)


@app.command(epilog="Example: ponderd runs answer 0c-mha1v2k8-9f3c1a2b7d yes")
def answer(
    run_id: RunId,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="The answer.")],
    arguments: Annotated[
        str | None, typer.Option(metavar="JSON", help="Approve the call with these arguments.")
    ] = None,
    remark: Annotated[str, typer.Option(help="A note that is recorded with the yes or no.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait for its next answer, and print it.")] = True,
    as_json: Json = False,
) -> None:
    """Answer a run's question, approve with `yes`, or send it another message."""
    api, said = connect(), " ".join(text)
    changed = None if arguments is None else _object(arguments)
    view = decide_or_tell(api, api.show(run_id), said, remark=remark, arguments=changed)
    raise typer.Exit(report(api, view, wait=wait, as_json=as_json))


@app.command(epilog="Example: ponderd runs rate 0c-mha1v2k8-9f3c1a2b7d good")
def rate(
    run_id: RunId,
    how: Annotated[str, typer.Argument(metavar="good|bad|0..1", help="How good the answer was.")],
    event: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Rate the answer in event N; default: the newest."),
    ] = None,
    judge: Annotated[bool, typer.Option("--judge", help="A program rates, not you.")] = False,
    as_json: Json = False,
) -> None:
    """Say how good an answer was. Agents learn from it how hard to think."""
    source = "judge" if judge else "thumb"
    view = connect().feedback(run_id, _grade(how), by=me(), source=source, answer=event)
    signalled(view, as_json)


@app.command(epilog="Example: ponderd runs fork 0c-mha1v2k8-9f3c1a2b7d --at 5")
def fork(
    run_id: RunId,
    at: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Copy up to event N; default: all.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A message for the new run.")] = None,
    as_json: Json = False,
) -> None:
    """Create a run that begins with a copy of this one's events."""
    signalled(connect().fork(run_id, at=at, text=text, by=me()), as_json)


@app.command(epilog="Example: ponderd runs event 0c-mha1v2k8-9f3c1a2b7d paid '{\"euro\": 3}'")
def event(
    run_id: RunId,
    name: Annotated[str, typer.Argument(help="The name that the run waits for.")],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="Data for the run.")] = "null",
    as_json: Json = False,
) -> None:
    """Tell a run that something happened outside."""
    signalled(connect().event(run_id, name, _json(payload), by=me()), as_json)


@app.command(epilog="Example: ponderd runs prompt 0c-mha1v2k8-9f3c1a2b7d 3")
def prompt(
    run_id: RunId,
    version: Annotated[int, typer.Argument(min=1, help="Number of the call's event.")],
    as_json: Json = False,
) -> None:
    """Show the exact request of one model call.

    If piped, the output is the request, byte by byte. Exit code 1 if its SHA-256 is not the
    recorded one.
    """
    found = connect().prompt(run_id, version)
    if as_json:
        emit_json(
            {
                "sha256": found.sha256,
                "verified": found.verified,
                "prompt": json.loads(found.body),
            }
        )
    elif sys.stdout.isatty():
        say(json.dumps(json.loads(found.body), indent=2, ensure_ascii=False))
    else:
        sys.stdout.buffer.write(found.body)
        sys.stdout.flush()
    if not found.verified:
        complain("this is not what was sent: the agent or ponderd has changed since then")
        raise typer.Exit(1)


def decide_or_tell(
    api: Api,
    view: View,
    said: str,
    *,
    remark: str = "",
    arguments: dict[str, Any] | None = None,
) -> View:
    """Answer a run. A clear yes or no decides its open approval; anything else is a message."""
    from ponderd.channels.yes_no import read_yes_no

    verdict = read_yes_no(said)
    approval = api.approval_of(view["id"]) if view["waiting_for"] == "approval" else None
    if approval and verdict is not None:
        api.decide(approval, approve=verdict, by=me(), remark=remark, arguments=arguments)
        return api.show(view["id"])
    if arguments is not None or remark:
        raise typer.BadParameter(
            "--arguments and --remark need a clear yes or no, and an open approval"
        )
    return api.message(view["id"], said, by=me())


def signalled(view: View, as_json: bool) -> None:
    """Print what a run is now."""
    if as_json:
        emit_json(view)
    else:
        print(view["id"], _status(view))


def _say_run(view: View) -> None:
    status = coloured(f"{_status_text(view):<20}", _COLOURS[view["status"]])
    where = one_line(f"{view['channel']:<9} {view['conversation']}", 60)
    print(f"{view['id']}  {local_time(view['created_at'])}  {status} {view['agent']:<12} {where}")


def _say_event(event: dict[str, Any]) -> None:
    time = datetime.fromtimestamp(event["at"]).strftime("%H:%M:%S")
    print(f"{event['version']:>4} {time} {event['type']:<20} {one_line(_gist(event))}", flush=True)
    for line in _more(event):
        say(f"{'':14}{line}")


def _more(event: dict[str, Any]) -> Iterator[str]:
    """What came with a message, and what of it the model does not see."""
    for file in event.get("attachments", ()):
        why = f": {file['unread']}" if file["unread"] else ""
        yield one_line(f"file {file['name']} ({file['content_type']}, {file['size']} bytes){why}")
    if event.get("cut"):
        yield "left out, because the conversation has it:"
        yield from (f"| {line}" for line in event["cut"].splitlines())


def _gist(event: dict[str, Any]) -> str:
    """The most telling part of an event, in one line. "" if there is none."""
    if event["type"] == "model_answered":
        choice, call = event["choice"], event["call"]
        what = choice.get("text") or f"{choice.get('tool')} {choice.get('arguments')}"
        return f"{call['decision']['mode']}, {call['seconds']:.1f} s: {what}"
    if event["type"] == "approval_answered":
        verdict = "withdrawn" if event["withdrawn"] else "denied"
        changed = f", with {event['arguments']}" if event["arguments"] is not None else ""
        remark = f": {event['remark']}" if event["remark"] else ""
        return f"{'approved' if event['approved'] else verdict} by {event['by']}{changed}{remark}"
    values = (event.get(name) for name in _GISTS)
    return next((str(text) for text in values if text), "")


def _status(view: View) -> str:
    return coloured(_status_text(view), _COLOURS[view["status"]])


def _status_text(view: View) -> str:
    waiting_for = view["waiting_for"]
    return f"{view['status']} for {waiting_for}" if waiting_for else str(view["status"])


def local_time(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _grade(text: str) -> float:
    try:
        value = {"good": 1.0, "bad": 0.0}[text] if text in ("good", "bad") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text!r}: write good, bad, or a number from 0 to 1")
    return value


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise typer.BadParameter('write a JSON object: {"name": "value"}')
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}") from None


def me() -> str:
    """The name of the user who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # in a container the user id may have no name
        return "command line"
