"""No secret that a tool comes upon is stored, or told to the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels import own_secrets
from ponderd.channels.own_secrets import remember_secrets
from ponderd.channels.redaction import Redactor
from ponderd.workers.agents.agent import Agent, ToolContext, tool
from ponderd.workers.execution.author_code import in_thread_place
from ponderd.workers.execution.tool_call import run_tool
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.events import ToolFailed, ToolFinished

SECRET = "the password of the state server"
SAID = f"redis://:{SECRET}@h/0 with Bearer 0123456789abcdef and whsec_MfKQ9r8GKYqr: {SECRET}"


@tool()
def leak() -> str:
    """Return what it should not."""
    return SAID


@tool()
def fail() -> str:
    """Raise what it should not."""
    raise ValueError(SAID)


@pytest.mark.parametrize("name", ["leak", "fail"])
async def test_secrets_are_hidden(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_secrets, "_redactor", Redactor())
    remember_secrets([SECRET])
    agent = Agent("a", "for tests", "You are a test.", tools=(leak, fail))
    context = ToolContext(run_id="r", idempotency_key="r:1", data_dir=tmp_path)
    outcome = await run_tool(
        agent,
        ToolCall(tool=name, arguments={}),
        context,
        lambda: 1.0,
        in_thread_place,
        lambda task, late: None,
    )
    assert isinstance(outcome, ToolFinished | ToolFailed)
    text = outcome.result if isinstance(outcome, ToolFinished) else outcome.error
    assert "h/0 with Bearer ***" in text and text.endswith(": ***")
    assert SECRET not in text and "whsec_M" not in text
