"""A whole ponderd for tests that are no coroutines themselves: it lives on a loop of its own
thread, with its scripted model."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tests.services.model_server import Script, ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer


async def _nothing(_: Client) -> None:
    pass


@contextlib.contextmanager
def standing(
    folder: Path, script: Script, prepare: Callable[[Client], Awaitable[None]] = _nothing
) -> Iterator[tuple[Stack, ScriptedModel]]:
    """`prepare` is done before anybody gets it."""
    up, down = threading.Event(), threading.Event()
    found: list[tuple[Stack, ScriptedModel]] = []

    async def live(state: StateServer) -> None:
        async with ScriptedModel(script) as model:
            stack = Stack(state.url, model.url, folder)
            async with running(stack) as client:
                await prepare(client)
                found.append((stack, model))
                up.set()
                await asyncio.to_thread(down.wait)

    def run() -> None:
        try:
            with StateServer(folder / "state") as state:
                asyncio.run(live(state))
        finally:
            up.set()

    thread = threading.Thread(target=run)
    thread.start()
    up.wait()
    try:
        yield found[0]
    finally:
        down.set()
        thread.join()
