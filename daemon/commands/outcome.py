"""Wait for the outcome of a message, and report it as text and exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponderd.channels.errors import Unavailable
from ponderd.daemon.commands.api_client import Api, View
from ponderd.daemon.commands.terminal import Note, complain, emit_json, hint, say, thinking

WAITS_FOR_A_HUMAN = 3
_GOES_ON = {
    "retry": "trying again soon: {error}",
    "time": "sleeping",
    "event": "waiting for an event from outside",
}
RUN_FAILED = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that a run has come to rest in."""

    view: View
    replies: tuple[str, ...]
    """What the run has said since the message, oldest first."""


def await_outcome(
    api: Api, run_id: str, after: int, note: Note, shown: set[str] | None = None
) -> Outcome:
    """Follow a run after its event `after`, until only a person can make it go on. What is in
    `shown` is left out, and the keys of all replies are added to it."""
    replies: dict[str, str] = {}
    known = set(shown or ())
    for kind, data in api.follow(run_id, after):
        if kind == "event":
            if data["type"] == "reply_started" and not _is_for_others(data):
                # One question may be asked in several places, in some of them later. Show it once.
                inquiry = data.get("prompt")
                key = inquiry["id"] if inquiry else data["key"]
                if key not in known:
                    replies.setdefault(key, _written(data))
        elif data["status"] == "WAITING" and data["waiting_for"] in _GOES_ON:
            note(_GOES_ON[data["waiting_for"]].format_map(data))
        elif data["status"] != "READY":
            if shown is not None:
                shown.update(replies)
            return Outcome(data, tuple(replies.values()))
    raise Unavailable(f"run {run_id} cannot be followed")


def _is_for_others(reply: Mapping[str, Any]) -> bool:
    return reply["kind"] == "notice" and reply.get("to") is not None


def _written(reply: Mapping[str, Any]) -> str:
    inquiry = reply.get("prompt")
    choices = inquiry["choices"] if inquiry else ()
    return f"{reply['text']} ({' / '.join(choices)})" if choices else str(reply["text"])


def report(api: Api, view: View, *, wait: bool, as_json: bool) -> int:
    """Print the outcome of a message, after waiting for it if `wait`. Returns the exit code."""
    if wait:
        with thinking() as note:
            view = await_outcome(api, view["id"], view["version"], note).view
    if as_json:
        emit_json(view)
    elif not wait:
        say(f"{view['id']} {view['status']}")
    else:
        shown = ("COMPLETED", "WAITING", "SET_ASIDE")
        if view["status"] in shown and view["waiting_for"] != "agent":
            say(view["reply"] or "")
        explain(view)
    return exit_code(view) if wait else 0


def explain(view: View) -> None:
    """Tell a person what to do about a run that gave no answer."""
    run_id = view["id"]
    match view["status"]:
        case "WAITING" if view["waiting_for"] == "agent":
            complain(view["error"])
        case "WAITING":
            hint(f"the run waits for your answer: ponderd runs answer {run_id} …")
        case "SET_ASIDE" if view["waiting_for"] == "approval":
            hint(f"the run is set aside: ponderd runs answer {run_id} yes tries again")
        case "SET_ASIDE":
            hint("the run is set aside: no worker can read its events; see the workers' log")
        case "PAUSED":
            hint(f"the run is paused: ponderd runs resume {run_id}")
        case "FAILED" | "CANCELLED":
            complain(f"run {run_id} {view['status'].lower()}: {view['error']}")


def exit_code(view: View) -> int:
    match view["status"]:
        case "WAITING" | "SET_ASIDE" | "PAUSED":
            return WAITS_FOR_A_HUMAN
        case "FAILED" | "CANCELLED":
            return RUN_FAILED
        case _:
            return 0
