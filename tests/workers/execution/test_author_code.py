"""What authors write runs in processes and threads, and ends in an outcome whatever it does."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest

from ponderd.channels.blobs import FolderBlobs
from ponderd.channels.message import Attachment
from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.agent import Agent, ToolContext
from ponderd.workers.agents.author_calls import (
    CheckCall,
    CheckChoice,
    Describe,
    Interpret,
    NeedsApproval,
    UseTool,
)
from ponderd.workers.agents.contained import Done, Outcome, Raised, Stopped, finished
from ponderd.workers.agents.discovery import discover
from ponderd.workers.agents.files import Files
from ponderd.workers.execution import author_code
from ponderd.workers.execution.author_code import MEGABYTE, InProcesses, NoProcess
from ponderd.workers.execution.threads import SPARE, in_thread
from ponderd.workers.run.choices import Answer, ToolCall
from tests.services.eventually import PATIENCE, eventually, patiently

HOSTILE = '''
import ctypes, mmap, os, signal, sys, threading, time
from pathlib import Path
from pydantic import BaseModel
from ponderd import Agent, ToolContext, WaitFor, tool

LEFT = Path(__file__).with_name("left")

def misbehave(how):
    match how:
        case "sleep": time.sleep(3600)
        case "exit": sys.exit(3)
        case "_exit": os._exit(3)
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "segfault": ctypes.string_at(0)
        case "alarm": signal.alarm(1); time.sleep(3600)
        case "memory": bytearray(4 * 1024**3)
        case "closed": os.closerange(0, 100)
        case "streams": [os.close(n) for n in range(3)]
        case "fork": os.fork()
        case "chdir": os.chdir("/")
        case "thread": threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        case "recursion": sys.setrecursionlimit(10**8); misbehave(how)
        case "shared": mmap.mmap(-1, 1024**3).write(bytes(2**20) * 2**10); time.sleep(3600)
        case "forks":
            for _ in range(8):
                if os.fork() == 0: bytearray(150 * 2**20); time.sleep(3600)
            time.sleep(3600)
        case "session":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    LEFT.write_text(str(os.getpid()))
                    time.sleep(3600)
                os._exit(0)
            while not (LEFT.exists() and LEFT.read_text()): time.sleep(0.01)
        case "print": print("words " * 10**6, flush=True)
        case "stop": raise StopIteration
        case "value": raise ValueError("no")
        case "pid": raise ValueError(f"{os.getpid()} {os.getcwd()}")

class Result(BaseModel):
    how: str

def check(choice):
    misbehave(choice.text)

def describe(result):
    misbehave(result.how)
    return f"it is {result.how}"

async def policy(arguments):
    misbehave(arguments["how"])
    return arguments["how"] == "yes"

@tool(isolated=True, timeout=3, memory=200, approval=policy, check=lambda how: misbehave(how))
def act(how: str, context: ToolContext) -> str:
    """act"""
    misbehave(how)
    return f"{how} {context.idempotency_key} {os.getpid()}"

@tool(isolated=True)
async def read(context: ToolContext) -> str:
    """read a file"""
    return (await context.files.content(context.files.find("1")[1])).decode()

agent = Agent("hostile", "", "You are a test.", tools=[act, read], output=Result,
              check=check, describe=describe)
'''


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "hostile.py").write_text(textwrap.dedent(HOSTILE))
    return agents


@pytest.fixture
async def code(folder: Path, tmp_path: Path) -> AsyncIterator[InProcesses]:
    settings = ChannelSettings(data_dir=tmp_path, blobs=str(tmp_path / "blobs"))
    before = set(psutil.Process().children())  # those of other tests
    processes = InProcesses([folder], settings, memory=200 * MEGABYTE, isolated=2)
    yield processes
    await processes.close()
    assert not set(psutil.Process().children()) - before


@pytest.fixture
def agent(folder: Path) -> Agent:
    return discover([folder])["hostile"]


def used(how: str) -> UseTool:
    call = ToolCall(tool="act", arguments={"how": how})
    return UseTool(call, ToolContext("run", "run:3", Path("unused")))


async def isolated(code: InProcesses, agent: Agent, call: UseTool) -> Outcome:
    async with code.place_for(agent.tool(call.call.tool)) as place:
        return await place(agent, call)


DEATHS = {
    "_exit": "exit 3",
    "kill": "signal 9 (SIGKILL)",
    "segfault": "signal 11 (SIGSEGV)",
    "alarm": "signal 14 (SIGALRM)",
}


@pytest.mark.parametrize("how", DEATHS)
async def test_a_function_that_ends_its_process_is_named(
    code: InProcesses, agent: Agent, how: str
) -> None:
    outcome = await code.call(agent, CheckChoice(Answer(text=how)), 30)
    assert outcome == Stopped("death", f"its process died: {DEATHS[how]}")
    assert await code.call(agent, CheckChoice(Answer(text="fine")), 30) == Done(None)


async def test_recursion_without_limit_ends(code: InProcesses, agent: Agent) -> None:
    assert not isinstance(await code.call(agent, CheckChoice(Answer(text="recursion")), 30), Done)


async def test_a_function_that_sleeps_is_killed_after_its_time(
    code: InProcesses, agent: Agent
) -> None:
    outcome = await code.call(agent, CheckChoice(Answer(text="sleep")), 0.5)
    assert outcome == Stopped("time", "no result within 0.5 s")


async def test_starting_takes_nothing_of_its_time(code: InProcesses, agent: Agent) -> None:
    # Far less than Python needs to start.
    assert await code.call(agent, CheckChoice(Answer(text="fine")), 0.15) == Done(None)


async def test_a_function_that_fills_the_memory_is_stopped(code: InProcesses, agent: Agent) -> None:
    outcome = await code.call(agent, CheckChoice(Answer(text="memory")), 30)
    assert outcome == Stopped("memory", "it used more than 200 MB")


@pytest.mark.parametrize(
    ("how", "error", "expected"),
    [("exit", "it raised SystemExit: 3", False), ("value", "no", True),
     ("stop", "it raised StopIteration", False)],
)  # fmt: skip
async def test_what_a_function_raises_is_told(
    code: InProcesses, agent: Agent, how: str, error: str, expected: bool
) -> None:
    outcome = await code.call(agent, CheckChoice(Answer(text=how)), 30)
    assert isinstance(outcome, Raised)
    assert (outcome.error, outcome.expected) == (error, expected)


@pytest.mark.parametrize("how", ["chdir", "thread", "streams"])
async def test_the_next_call_meets_nothing_of_the_one_before(
    code: InProcesses, agent: Agent, how: str
) -> None:
    async def where() -> str:
        outcome = await code.call(agent, CheckChoice(Answer(text="pid")), 30)
        assert isinstance(outcome, Raised)
        return outcome.error

    before = await where()
    assert await where() == before
    assert await code.call(agent, CheckChoice(Answer(text=how)), 30) == Done(None)
    after = await where()
    assert after != before
    assert after.split()[1] == before.split()[1]


@pytest.mark.parametrize("how", ["fork", "print"])
async def test_a_copy_of_the_process_or_much_output_confuses_nobody(
    code: InProcesses, agent: Agent, how: str
) -> None:
    for _ in range(3):
        assert await code.call(agent, CheckChoice(Answer(text=how)), 30) == Done(None)
        assert await code.call(agent, Describe('{"how": "green"}'), 30) == Done("it is green")


async def test_each_kind_of_function_is_called_there(code: InProcesses, agent: Agent) -> None:
    yes, no = (ToolCall(tool="act", arguments={"how": how}) for how in ("yes", "no"))
    context = ToolContext("run", "run:3", Path("unused"))
    assert await code.call(agent, NeedsApproval(yes), 30) == Done(True)
    assert await code.call(agent, NeedsApproval(no), 30) == Done(False)
    assert await code.call(agent, CheckCall(yes, context), 30) == Done(None)
    answer = Answer(text='{"how": "red"}', output={"how": "red"})
    assert await code.call(agent, Interpret('{"action": "done", "how": "red"}'), 30) == Done(answer)


async def test_one_agents_functions_hold_up_no_other_agent(code: InProcesses, agent: Agent) -> None:
    hung = [
        asyncio.create_task(code.call(agent, CheckChoice(Answer(text="sleep")), 600))
        for _ in range(10)
    ]
    other = discover([])["triage"]
    said = '{"category": "bug", "urgency": "high", "summary": "It crashes."}'
    try:
        described = await patiently(code.call(other, Describe(said), 30))
    finally:
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
    assert described == Done("Filed as bug, urgency high: It crashes.")


async def test_an_isolated_tool_has_a_process_for_itself(code: InProcesses, agent: Agent) -> None:
    outcomes: list[Any] = [await isolated(code, agent, used("well")) for _ in range(2)]
    words = [outcome.value.split() for outcome in outcomes]
    assert [word[:2] for word in words] == [["well", "run:3"]] * 2
    assert words[0][2] != words[1][2]


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("sleep", Stopped("time", "no result within 3 s")),
        ("kill", Stopped("death", "its process died: signal 9 (SIGKILL)")),
        ("memory", Stopped("memory", "it used more than 200 MB")),
    ],
)
async def test_an_isolated_tool_is_limited(
    code: InProcesses, agent: Agent, how: str, outcome: Outcome
) -> None:
    assert await isolated(code, agent, used(how)) == outcome


async def test_an_isolated_tool_that_closes_its_connection_dies(
    code: InProcesses, agent: Agent
) -> None:
    outcome = await isolated(code, agent, used("closed"))
    assert isinstance(outcome, Stopped) and outcome.reason == "death"
    assert outcome.why.startswith("its process died: exit ")  # 1, or 120 if nobody reads the rest


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
@pytest.mark.parametrize("how", ["shared", "forks"])
async def test_all_memory_counts_that_an_isolated_tool_takes(
    code: InProcesses, agent: Agent, how: str
) -> None:
    memory = Stopped("memory", "it used more than 200 MB")
    assert await isolated(code, agent, used(how)) == memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
async def test_what_a_tool_or_a_check_leaves_behind_ends_with_its_call(
    code: InProcesses, agent: Agent, folder: Path
) -> None:
    left = folder / "left"
    for use in (
        lambda: isolated(code, agent, used("session")),
        lambda: code.call(agent, CheckChoice(Answer(text="session")), 10),
    ):
        left.unlink(missing_ok=True)
        await use()
        await eventually(lambda: _is_over(int(left.read_text())))


async def test_an_isolated_tool_reads_the_files_of_its_run(
    code: InProcesses, agent: Agent, tmp_path: Path
) -> None:
    handle = await FolderBlobs(tmp_path / "blobs").put("0" * 32, b"what it says")
    file = Attachment(name="a.txt", content_type="text/plain", size=12, blob=handle)
    context = ToolContext("run", "run:3", tmp_path, Files((file,), None))
    call = UseTool(ToolCall(tool="read", arguments={}), context)
    assert await isolated(code, agent, call) == Done("what it says")


async def test_a_file_that_broke_meanwhile_stops_its_own_agent_only(
    code: InProcesses, agent: Agent, folder: Path
) -> None:
    other = discover([])["triage"]
    (folder / "broken.py").write_text("raise KeyboardInterrupt")
    said = '{"category": "bug", "urgency": "high", "summary": "It crashes."}'
    assert await code.call(agent, CheckChoice(Answer(text="fine")), 30) == Done(None)
    (folder / "hostile.py").write_text("def (")
    assert isinstance(await code.call(other, Describe(said), 30), Done)
    outcome = await isolated(code, agent, used("well"))
    assert isinstance(outcome, Raised)
    assert "the agent hostile cannot be loaded any more: agent file" in outcome.error


async def test_where_no_process_can_be_started_the_step_fails(
    code: InProcesses, agent: Agent, folder: Path
) -> None:
    (folder / "ends.py").write_text("import os; os._exit(3)")
    with (
        mock.patch.object(author_code, "START_PATIENCE", 0.0),
        pytest.raises(NoProcess, match="no process can be started"),
    ):
        await isolated(code, agent, used("well"))


async def test_threads_that_end_leave_no_loop_behind() -> None:
    """One that was not closed is a warning of whatever test comes then, and a leak in a worker."""
    together = threading.Barrier(SPARE + 8)
    loops: list[asyncio.AbstractEventLoop] = []

    async def tool() -> None:
        loops.append(asyncio.get_running_loop())
        together.wait(PATIENCE)

    await asyncio.gather(*(in_thread(lambda: finished(tool())) for _ in range(SPARE + 8)))
    await eventually(lambda: sum(loop.is_closed() for loop in loops) >= 8)


def _is_over(pid: int) -> bool:
    """Whether only its parent has not yet looked how it ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
