"""Whether people must approve a call, where a function of the tool's author decides it."""

from __future__ import annotations

from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.author_calls import NeedsApproval
from ponderd.workers.agents.contained import Done
from ponderd.workers.execution.author_code import AuthorCode
from ponderd.workers.steps.next_step import AskApproval, AskPolicy, CallTool

POLICY_SECONDS = 10.0
"""Longest that such a function may take."""


async def decided(code: AuthorCode, step: AskPolicy, agent: Agent) -> AskApproval | CallTool:
    """The step that the function chooses. If it fails in any way, a person decides. Raises
    `Unavailable`."""
    outcome = await code.call(agent, NeedsApproval(step.not_needed.call), POLICY_SECONDS)
    return step.not_needed if outcome == Done(False) else step.needed
