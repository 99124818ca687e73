"""Do what each of the 114 retail tasks of tau2-bench should do, on real workers that are killed.

    git clone https://github.com/sierra-research/tau2-bench
    python -m tests.retail tau2-bench --seed 1

The benchmark says for each task which of its tools are to be called, with which arguments. Here a
scripted model calls them, one for each message of a conversation, while workers are killed with
SIGKILL every few seconds, most of them between the intent and the outcome of a call. Asked about an
outcome that is unknown, the person looks into the task's database, and says what is there. In the
end each database must be equal to one on which the same calls were made directly.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import importlib
import itertools
import json
import logging
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tests.scenarios.script import script
from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

AGENTS = Path(__file__).parent / "agents"
AT_ONCE = 12
"""Tasks at a time."""
EVERY = 0.5, 3.0
"""Seconds from the moment when a new worker is ready to the next kill."""
PATIENCE = 300.0
"""Seconds after which an action that does not end is a failure."""


@dataclass
class Seen:
    equal: int = 0
    actions: int = 0
    kills: int = 0
    set_aside: int = 0
    """Calls that were begun three times in vain, and again after somebody said yes."""
    asked: int = 0
    happened: int = 0
    """Of those, calls that had been done."""
    wrong: list[str] = field(default_factory=list)
    events: collections.Counter[str] = field(default_factory=collections.Counter)


class World:
    def __init__(self, stack: Stack, client: Client) -> None:
        self.stack, self.client, self.seen = stack, client, Seen()
        self.domain = importlib.import_module("tests.retail.agents.retail")

    async def task(self, task: dict[str, Any]) -> None:
        """All actions of a task, in one conversation. Then compare its database."""
        run_id, expected = "", self.domain.opened()
        for action in task["evaluation_criteria"]["actions"] or ():
            order = json.dumps({"action": action["name"]} | action["arguments"])
            with contextlib.suppress(ValueError):  # what cannot be done changes nothing here, too
                self.domain.called(expected, action["name"], action["arguments"])
            if run_id:
                await self._say(run_id, f"!{order}")
            else:
                run_id = await self.client.launch("retail", f"!{order}")
            await self._done(run_id, order)
            self.seen.actions += 1
        file = self.stack.data_dir / "retail" / f"{run_id}.json"
        found = json.loads(file.read_text())["db"] if file.exists() else None
        if json.loads(self.domain.opened(found).model_dump_json()) == json.loads(
            expected.model_dump_json()
        ):
            self.seen.equal += 1
        else:
            self.seen.wrong.append(f"task {task['id']}, run {run_id}")
        events = await self.client.events(run_id) if run_id else []  # some tasks have no actions
        self.seen.events.update(event["type"] for event in events)

    async def _done(self, run_id: str, order: str) -> None:
        """Wait until the action is done, and answer when a person is asked about it."""
        while True:
            view = await self._until_at_rest(run_id)
            if view["status"] == "SET_ASIDE":  # its workers were killed three times in a row
                self.seen.set_aside += 1
                await self._say(run_id, "yes")
                continue
            if view["status"] != "WAITING":
                return
            events = (await self.client.get(f"/runs/{run_id}/events"))["events"]
            key = [event["key"] for event in events if event["type"] == "tool_started"][-1]
            self.seen.asked += 1
            if key in self._keys(run_id):
                self.seen.happened += 1
                await self._say(run_id, "it happened")
            else:
                await self._say(run_id, "it did not happen")
                await self._until_at_rest(run_id)
                await self._say(run_id, f"!{order}")

    async def _until_at_rest(self, run_id: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            view = await self.client.get(f"/runs/{run_id}")
            over = view["status"] in ("COMPLETED", "FAILED", "SET_ASIDE")
            if over or (view["status"] == "WAITING" and view["waiting_for"] in ANSWERABLE):
                return view
            await asyncio.sleep(0.1)
        raise TimeoutError(f"run {run_id} does not end: {view}")

    async def _say(self, run_id: str, text: str) -> None:
        body, key = {"text": text}, secrets.token_hex()
        await self.client.post(f"/runs/{run_id}/messages", body, idempotency_key=key)

    def _keys(self, run_id: str) -> Sequence[str]:
        file = self.stack.data_dir / "retail" / f"{run_id}.json"
        keys: list[str] = json.loads(file.read_text())["keys"] if file.exists() else []
        return keys

    async def kill(self) -> None:
        """Kill one worker after the other, and start another for each."""
        for number in itertools.count(2):
            await asyncio.sleep(random.uniform(*EVERY))
            names = [name for name in self.stack.processes if name.startswith("work")]
            await self.stack.stop(random.choice(names), signal.SIGKILL)
            self.seen.kills += 1
            self.stack.start("work", f"work-{number}")
            while "worker ready" not in self.stack.log(f"work-{number}"):
                await asyncio.sleep(0.1)


ANSWERABLE = ("answer", "approval")


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as folder, StateServer(Path(folder) / "state") as state:
        async with ScriptedModel(script) as model:
            settings = {"PONDERD_AGENTS_DIR": str(AGENTS), "PONDERD_LEASE_SECONDS": "2"}
            data_dir = Path(folder) / "data"
            data_dir.mkdir()
            stack = Stack(state.url, model.url, data_dir, settings)
            async with running(stack, workers=2) as client:
                yield World(stack, client)


async def measure(tasks: list[dict[str, Any]]) -> Seen:
    async with world() as around:
        killing = asyncio.create_task(around.kill())
        free = asyncio.Semaphore(AT_ONCE)

        async def one(task: dict[str, Any]) -> None:
            async with free:
                await around.task(task)
                progress.advance(bar)

        try:
            with Progress(console=Console(file=sys.stderr)) as progress:
                bar = progress.add_task("tasks", total=len(tasks))
                await asyncio.gather(*map(one, tasks))
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        return around.seen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.retail")
    parser.add_argument("checkout", type=Path, help="a checkout of sierra-research/tau2-bench")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, help="only the first so many")
    arguments = parser.parse_args()
    os.environ["TAU2_BENCH"] = str(arguments.checkout.resolve())
    random.seed(arguments.seed)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # it tells of each kill
    file = arguments.checkout / "data" / "tau2" / "domains" / "retail" / "tasks.json"
    tasks = json.loads(file.read_text())[: arguments.tasks]
    seen = asyncio.run(measure(tasks))
    print(f"{seen.equal} of {len(tasks)} final databases equal, after {seen.actions} actions")
    print(
        f"{seen.kills} workers killed; asked about {seen.asked} unknown outcomes, of which "
        f"{seen.happened} had happened; {seen.events['tool_started']} intents, "
        f"{seen.set_aside} set aside"
    )
    for line in seen.wrong:
        print("not equal:", line)
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
