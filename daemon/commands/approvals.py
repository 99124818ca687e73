"""`ponderd approvals`: list what waits for somebody's yes."""

from __future__ import annotations

from ponderd.channels.text import one_line
from ponderd.daemon.commands.runs import connect, local_time
from ponderd.daemon.commands.terminal import Json, coloured, emit_json, hint, say


def approvals(as_json: Json = False) -> None:
    """List what waits for a yes or no, oldest first. With --json: one JSON object per line."""
    found = False
    for view in connect().approvals():
        found = True
        if as_json:
            emit_json(view)
            continue
        print(f"{view['run_id']}  {local_time(view['asked_at'])}  ", end="")
        print(f"{coloured(view['agent'].ljust(12), 'yellow')} ", end="")
        say(one_line(view["text"], 120))
    if as_json:
        return
    if found:
        hint("to answer one: ponderd runs answer ID yes (or no)")
    else:
        hint("nothing waits for a yes")
