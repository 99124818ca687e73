"""Arguments that an approver changed are checked, whatever the author's types do."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, Malformed
from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control import edited_arguments
from ponderd.workers.control.edited_arguments import checked
from ponderd.workers.execution.author_code import MEGABYTE, InProcesses

TYPES = '''
import os, time
from typing import Annotated
from pydantic import AfterValidator
from ponderd import Agent, tool

def misbehave(how):
    match how:
        case "sleep": time.sleep(3600)
        case "exit": os._exit(3)
        case "raise": raise RuntimeError("of mine")
        case "refuse": raise ValueError("not that one")
    return how.upper()

@tool()
def shout(how: Annotated[str, AfterValidator(misbehave)]) -> str:
    """shout"""
    return how

@tool()
def say(words: str) -> str:
    """say"""
    return words

agent = Agent("typed", "", "You are a test.", tools=[shout, say])
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "typed.py").write_text(textwrap.dedent(TYPES))
    return agents


@pytest.fixture
async def code(folder: Path, tmp_path: Path) -> AsyncIterator[InProcesses]:
    settings = ChannelSettings(data_dir=tmp_path, blobs=str(tmp_path / "blobs"))
    processes = InProcesses([folder], settings, memory=200 * MEGABYTE, isolated=1)
    yield processes
    await processes.close()


@pytest.fixture
def agent(folder: Path) -> Agent:
    return discover([folder])["typed"]


async def test_they_come_back_as_the_types_make_them(code: InProcesses, agent: Agent) -> None:
    assert await checked(code, agent, "shout", {"how": "hello"}) == {"how": "HELLO"}
    assert await checked(code, agent, "say", {"words": "hello"}) == {"words": "hello"}


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("say", {"words": 5}, "say: words: Input should be a valid string"),
        ("say", {"words": "\ud800"}, "say: the arguments hold something that is not JSON"),
        ("shout", {"how": "refuse"}, "shout: how: Value error, not that one"),
        ("shout", {"how": "raise"}, "shout: the arguments could not be checked: of mine"),
        ("shout", {"how": "exit"}, "could not be checked: its process died: exit 3"),
    ],
)
async def test_what_cannot_be_taken_is_told(
    code: InProcesses, agent: Agent, tool: str, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(Malformed, match=why):
        await checked(code, agent, tool, arguments)


async def test_types_that_hang_hold_up_nobody(
    code: InProcesses, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edited_arguments, "CHECK_SECONDS", 0.5)
    hangs = asyncio.create_task(checked(code, agent, "shout", {"how": "sleep"}))
    assert await checked(code, agent, "say", {"words": "hello"}) == {"words": "hello"}
    with pytest.raises(Malformed, match=r"could not be checked: no result within 0\.5 s"):
        await hangs


async def test_a_tool_that_is_gone_is_a_conflict(code: InProcesses, agent: Agent) -> None:
    with pytest.raises(Conflict, match="no longer has a tool whisper"):
        await checked(code, agent, "whisper", {})
