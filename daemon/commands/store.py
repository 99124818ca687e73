"""`ponderd store …`: how runs are spread over hash tags, and the move to the even layout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ponderd.channels.errors import Conflict
from ponderd.daemon.commands.terminal import Json, emit_json, say

if TYPE_CHECKING:
    from ponderd.workers.store.redis_layout import Layouts, Move

T = TypeVar("T")

app = typer.Typer(help="See how runs are spread over a cluster, and spread them evenly.")

_WHAT_HAPPENS = """\
New conversations will begin in 48 shards that lie evenly on the nodes of a cluster.
Conversations that there are go on where they are, until their runs are archived. Until
then a message takes two scripts instead of one. This cannot be undone. Daemons and
workers of a ponderd that knows only 16 shards must not run: they would not see new runs.
`ponderd store move --yes` begins. `ponderd store move` says how far it has come, and
ends it when nothing is left."""


@app.command(epilog="Example: ponderd store show")
def show(as_json: Json = False) -> None:
    """Show the layout, and how much is left where it was. Needs PONDERD_REDIS_URL."""
    _print(_with(lambda layouts: layouts.progress()), as_json)


@app.command(epilog="Example: ponderd store move --yes")
def move(
    yes: Annotated[
        bool, typer.Option("--yes", help="Begin: nothing of an earlier version runs any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Begin to move to the even layout, go on and end. Needs PONDERD_REDIS_URL.

    Without --yes it says what would happen. Exit code 1 if it cannot begin.
    """

    async def go_on(layouts: Layouts) -> Move | None:
        before = await layouts.progress()
        if before.layout == "even":
            return before
        if outdated := await layouts.outdated():
            raise Conflict(
                f"{outdated} worker{'s' * (outdated != 1)} of an earlier version take runs, and "
                "would not see new ones; replace all workers and daemons first"
            )
        if before.layout == "old" and not yes:
            return None
        await layouts.begin()
        if (await layouts.progress()).can_end:
            await layouts.end()
        return await layouts.progress()

    found = _with(go_on)
    if found is None:
        say(_WHAT_HAPPENS)
        raise typer.Exit(1)
    _print(found, as_json)


def _with(use: Callable[[Layouts], Awaitable[T]]) -> T:
    from ponderd.daemon.configuration import load
    from ponderd.workers.store.redis_store import RedisStore, connect

    configuration = load()
    configuration.require("ponderd store", "redis_url")

    async def do() -> T:
        store = RedisStore(connect(configuration.workers.redis_url or ""))
        try:
            return await use(store.layouts)
        finally:
            await store.close()

    return asyncio.run(do())


def _print(found: Move, as_json: bool) -> None:
    until = datetime.fromtimestamp(found.keys_until, UTC).isoformat(timespec="seconds")
    if as_json:
        left = {"runs": found.runs, "keys_until": until if found.keys_until else None}
        emit_json({"layout": found.layout, "left": left, "can_end": found.can_end})
        return
    match found.layout:
        case "even":
            say("even: 48 shards, equally many on nodes with equal ranges of slots")
        case "old":
            say(f"old: 16 shards with {found.runs} runs; see `ponderd store move`")
        case "moving":
            say(f"moving: {found.runs} runs are left in the 16 old shards")
            if found.can_end:
                say("`ponderd store move` ends it")
            elif found.now < found.keys_until:
                say(f"the old shards know triggers that may come again until {until}")
