"""`ponderd runs retry`: bring on again what failed or was set aside, one run or all that match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from ponderd.channels.errors import StartupError
from ponderd.daemon.commands.api_client import Api
from ponderd.daemon.commands.runs import connect, me, signalled
from ponderd.daemon.commands.terminal import Json, emit_json, hint, progress, say

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def retry(
    run_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of a run (see `runs list`).")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="FAILED|SET_ASIDE", help="All such runs that match the rest."),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="2h|TIME", help="Only runs that failed since then.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="1h|TIME", help="Only runs that failed before then.")
    ] = None,
    error: Annotated[str | None, typer.Option(help="Only runs with this in their error.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    as_json: Json = False,
) -> None:
    """Bring runs on that failed or were set aside, from that step.

    Nobody has to ask again: the answer goes to where it would have gone.
    """
    if status not in (None, "FAILED", "SET_ASIDE"):
        raise StartupError(
            f"--status {status}: only FAILED and SET_ASIDE runs can be retried", exit_code=2
        )
    filters = {
        "status": status,
        "agent": agent,
        "error": error,
        "since": _moment(since),
        "until": _moment(until),
    }
    wanted = {name: value for name, value in filters.items() if value is not None}
    if (run_id is None) == (status is None and not wanted) or (run_id and dry_run):
        raise StartupError("name a run, or say --status FAILED or SET_ASIDE", exit_code=2)
    api = connect()
    if run_id is not None:
        signalled(api.retry(run_id, by=me()), as_json)
        return
    matched = sum(portion["matched"] for portion in _portions(api, wanted, dry_run=True))
    retried = list[str]()
    if not dry_run:
        with progress("runs", matched) as advance:
            for portion in _portions(api, wanted, dry_run=False):
                retried += portion["retried"]
                for run in portion["retried"]:
                    advance()
                    if not as_json:
                        say(run)
    if as_json:
        emit_json({"matched": matched, "retried": retried})
    elif dry_run:
        say(f"{matched} run{'s' * (matched != 1)} would be retried")
    else:
        hint(f"{len(retried)} of {matched} go on; `ponderd runs list` shows what becomes of them")


def _portions(api: Api, wanted: dict[str, Any], *, dry_run: bool) -> Iterator[dict[str, Any]]:
    """Ask for one portion after the other. Whoever stops asking has stopped it."""
    cursor = None
    while True:
        portion = api.retry_many({**wanted, "by": me(), "dry_run": dry_run}, cursor)
        yield portion
        cursor = portion["cursor"]
        if cursor is None:
            return


def _moment(text: str | None) -> str | None:
    """A time in ISO 8601 from one, or from how long ago it is, such as 2h."""
    if text is None:
        return None
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
            length = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return (datetime.now(UTC) - length).isoformat()
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise StartupError(
            f"{text!r} is neither like 2h (s, m, h, d) nor like 2026-01-31T12:00", exit_code=2
        ) from None
