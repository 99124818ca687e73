"""What a tool does to its worker costs nobody else anything: real processes, a worker that is
restarted when it dies, and tools that kill it, escape, or leave it changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import Line, Says, ScriptedModel
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = '''
import asyncio, ctypes, os, signal, sys, time
from ponderd import Agent, ToolContext, WaitFor, tool

class Endless:
    def __str__(self):
        while True:
            time.sleep(0.01)

class Odd(BaseException):
    pass

def note(context, line):
    with (context.data_dir / "done.txt").open("a") as file:
        file.write(line + "\\n")

@tool(idempotent=True)
def bomb(context: ToolContext) -> str:
    """end everything"""
    note(context, "bomb")
    if (context.data_dir / "defused").exists():
        return "it did not go off"
    os.kill(os.getpid(), signal.SIGKILL)

@tool(timeout=1)
async def asleep() -> str:
    """block the loop"""
    time.sleep(3600)

@tool(timeout=1)
def endless() -> Endless:
    """return what cannot be shown"""
    return Endless()

@tool(timeout=5)
def raises(what: str) -> str:
    """raise it"""
    raise {"odd": Odd, "exit": SystemExit, "interrupt": KeyboardInterrupt, "end": GeneratorExit,
           "stop": StopIteration, "cancel": asyncio.CancelledError}[what]()

@tool(timeout=5)
def changes(context: ToolContext) -> str:
    """leave the worker changed"""
    os.chdir("/")
    sys.stderr.close()
    sys.stdout.close()
    sys.setrecursionlimit(80)
    return "changed"

@tool(timeout=1)
def keeps(context: ToolContext) -> str:
    """keep the interpreter"""
    note(context, "keeps")
    ctypes.PyDLL(None).sleep(3600)

@tool(timeout=5)
def copies() -> str:
    """copy the worker"""
    return str(os.fork())

@tool(isolated=True, memory=200, timeout=5)
def apart(what: str, context: ToolContext) -> str:
    """do it in a process"""
    match what:
        case "exit": os._exit(3)
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "fault": ctypes.string_at(0)
        case "fill": return str(len(bytearray(2**31)))
        case "close": os.closerange(0, 100)
        case "fork":
            if os.fork() == 0:
                time.sleep(3600)
            os._exit(0)
        case "linger":
            note(context, str(os.getpid()))
            time.sleep(4)
            note(context, "late")
    return "done"

def says_no(**arguments):
    os._exit(1)

def hangs(**arguments):
    while True:
        time.sleep(1)

@tool(approval="always", check=says_no, timeout=2)
def dies_in_its_check() -> str:
    """die in the check"""
    return "done"

@tool(approval="always", check=hangs, timeout=1)
def hangs_in_its_check() -> str:
    """hang in the check"""
    return "done"

agent = Agent("ops", "", "You do things.", thinking="none", tools=[
    bomb, asleep, endless, raises, changes, keeps, copies, apart, dies_in_its_check,
    hangs_in_its_check])
'''

ORDINARY = 20


def slowly(body: dict[str, Any]) -> Line:
    """As `script`; an answer to `hello` takes longer than a worker lives beside a bomb."""
    line = script(body)
    is_slow = isinstance(line, Mapping) and "hello" in str(line.get("text"))
    return Says(json.dumps(line), delay=2) if is_slow else line


@dataclass
class Case:
    client: Client
    stack: Stack
    model: ScriptedModel
    deaths: int = 0

    async def keep(self, name: str) -> None:
        """Start the worker again whenever it dies, as systemd does."""
        while True:
            while self.stack.processes[name].poll() is None:
                await asyncio.sleep(0.05)
            self.deaths += 1
            self.stack.start("work", name)

    async def use(self, tool: str, **arguments: str) -> str:
        order = json.dumps({"action": tool, **arguments})
        return await self.client.launch("ops", f"!{order}", conversation=f"{tool} {arguments}")

    @property
    def done(self) -> list[str]:
        file = self.stack.data_dir / "done.txt"
        return file.read_text().split() if file.exists() else []

    async def types(self, run_id: str) -> list[str]:
        return [event["type"] for event in await self.client.events(run_id)]

    async def ponderd(self, *arguments: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ponderd.daemon.cli", *arguments],
            env={**os.environ, **self.stack.settings},
            check=True,
            capture_output=True,
            text=True,
        )
        return str(done.stdout)

    @contextlib.contextmanager
    def restarting(self, name: str) -> Iterator[None]:
        keeping = asyncio.create_task(self.keep(name))
        try:
            yield
        finally:
            keeping.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case(
    redis_server: StateServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Case]:
    redis_server.empty()
    folder: Path = tmp_path_factory.mktemp("agents")
    (folder / "ops.py").write_text(AGENT)
    data = tmp_path_factory.mktemp("data")
    environment = {"PONDERD_AGENTS_DIR": str(folder), "PONDERD_LEASE_SECONDS": "2"}
    async with ScriptedModel(slowly) as model:
        stack = Stack(redis_server.url, model.url, data, environment)
        async with running(stack) as client:
            yield Case(client, stack, model)


async def test_whatever_escapes_ends_in_an_event(case: Case) -> None:
    """All at once, in one worker, which lives on; ordinary runs beside it are answered."""
    orders: dict[str, tuple[str, ...]] = {
        "asleep": ("",),
        "endless": ("",),
        "raises": ("odd", "exit", "interrupt", "end", "stop", "cancel"),
        "apart": ("exit", "kill", "fault", "fill", "close", "fork"),
        "dies_in_its_check": ("",),
        "hangs_in_its_check": ("",),
        "changes": ("",),
    }
    runs, beside = {}, []
    for tool, kinds in orders.items():
        for what in kinds:
            arguments = {"what": what} if what else {}
            runs[await case.use(tool, **arguments)] = f"{tool} {what}".strip()
            beside.append(await case.client.launch("ops", "hi", conversation=f"by {tool} {what}"))
    worker = case.stack.processes["work-0"]
    for run_id, tool in runs.items():
        view = await case.client.until(run_id)
        types = await case.types(run_id)
        assert "step_failed" not in types, (tool, types)
        ended = {"tool_finished", "tool_failed", "tool_outcome_unknown"} & set(types)
        unknown = "tool_outcome_unknown" in ended  # then a person is asked
        wanted = "WAITING" if unknown else "COMPLETED"
        assert view["status"] == wanted and ended, (tool, view, types)
        if tool.startswith("apart") and not tool.endswith("close"):
            assert ended == {"tool_outcome_unknown"}, (tool, types)
    for run_id in beside:
        view = await case.client.until(run_id)
        assert (view["status"], view["reply"]) == ("COMPLETED", "heard: hi")
    assert worker.poll() is None
    log = case.stack.log("work-0")
    assert "a step failed unexpectedly" not in log and "Traceback" not in log
    # What `changes` did to the worker is undone: it still logs, and finds its files.
    run_id = await case.use("raises", what="odd")
    await case.client.until(run_id)
    await eventually(lambda: run_id in case.stack.log("work-0"))


async def test_a_bomb_beside_ordinary_runs(case: Case) -> None:
    with case.restarting("work-0"):
        ordinary = [
            await case.client.launch("ops", f"hello {n}", conversation=f"ordinary {n}")
            for n in range(ORDINARY)
        ]
        bomb = await case.use("bomb")
        view = await case.client.until(bomb, "SET_ASIDE")
        assert case.done.count("bomb") == 3 and "Shall I try again?" in view["reply"]
        for run_id in ordinary:
            assert (await case.client.until(run_id))["status"] == "COMPLETED"
        assert case.deaths == 3
        assert bomb in await case.ponderd("runs", "list", "--status", "SET_ASIDE")
        assert bomb in await case.ponderd("approvals")
        (case.stack.data_dir / "defused").touch()
        await case.ponderd("runs", "retry", bomb)
        view = await case.client.until(bomb, "COMPLETED")
        assert "it did not go off" in view["reply"] and case.done.count("bomb") == 4


async def test_a_tool_that_keeps_the_interpreter_for_itself(case: Case) -> None:
    """Nothing of the worker runs then, not even what would stop it: it is ended from outside."""
    with case.restarting("work-0"):
        run_id = await case.use("keeps")
        await eventually(lambda: "keeps" in case.done)
        beside = await case.client.launch("ops", "hi", conversation="beside keeps")
        view = await case.client.until(run_id, "WAITING")
        assert "tool_outcome_unknown" in await case.types(run_id) and "keeps()" in view["reply"]
        assert (await case.client.until(beside))["reply"] == "heard: hi"
        assert case.done.count("keeps") == 1
    assert "the worker stood still" in case.stack.log("work-0")
    assert "in keeps" in case.stack.log("work-0")


async def test_a_copy_of_the_worker_ends_with_the_tool_that_made_it(case: Case) -> None:
    view = await case.client.until(await case.use("copies"))
    pid = int(view["reply"].rpartition(" ")[2])
    await eventually(lambda: _is_over(pid))


async def test_an_isolated_tool_ends_with_its_worker(case: Case) -> None:
    run_id = await case.use("apart", what="linger")
    pid = await eventually(lambda: [line for line in case.done if line.isdecimal()])
    with case.restarting("work-0"):
        case.stack.processes["work-0"].kill()
        await eventually(lambda: not Path(f"/proc/{pid[0]}").exists())
        view = await case.client.until(run_id)
        assert "tool_outcome_unknown" in await case.types(run_id) and view["reply"]
    assert "late" not in case.done


def _is_over(pid: int) -> bool:
    """Whether only its parent has not yet looked how it ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
