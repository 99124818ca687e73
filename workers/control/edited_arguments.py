"""The arguments that an approver changed: checked by the types of the tool, never on a loop if
these have code of the agent's author in them."""

from __future__ import annotations

from typing import Any

from ponderd.channels.errors import Conflict, Malformed
from ponderd.channels.own_secrets import hide_and_cut
from ponderd.workers.agents.actions import Rejected
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.author_calls import CheckArguments, runs_code
from ponderd.workers.agents.contained import Done, Outcome, Raised, Stopped, contained
from ponderd.workers.execution.answers import CHECK_SECONDS
from ponderd.workers.execution.author_code import AuthorCode

ERROR_CHARS = 500
"""Most characters of what code of an author says."""


async def checked(
    code: AuthorCode, agent: Agent, name: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """The arguments as the tool `name` takes them. Raises `Conflict` if the tool is gone,
    `Malformed` if it cannot take them, `Unavailable`."""
    tool = agent.tool(name)
    if tool is None:
        raise Conflict(f"agent {agent.name} no longer has a tool {name}")
    call = CheckArguments(name, arguments)
    outcome: Outcome
    if runs_code((tool.arguments,)):
        outcome = await code.call(agent, call, CHECK_SECONDS)
    else:
        outcome = contained(call.run, agent)
    match outcome:
        case Done(Rejected(detail=why)):
            raise Malformed(f"{name}: {why}")
        case Done(value):
            found: dict[str, Any] = value
            return found
        case Raised(error=why) | Stopped(why=why):
            raise Malformed(
                f"{name}: the arguments could not be checked: {hide_and_cut(why, ERROR_CHARS)}"
            )
