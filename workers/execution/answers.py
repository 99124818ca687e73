"""What an answer of the model says, with what the agent's own functions make of it."""

from __future__ import annotations

import structlog

from ponderd.channels.own_secrets import hide
from ponderd.workers.agents.actions import Rejected, interpret
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.author_calls import (
    CheckChoice,
    Describe,
    Interpret,
    interprets_with_code,
)
from ponderd.workers.agents.contained import Done, Raised
from ponderd.workers.execution.author_code import AuthorCode
from ponderd.workers.run.choices import Answer, Choice

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0
"""Longest that one function of an agent may take: its check, its `describe`, its types."""


async def read_answer(code: AuthorCode, content: str, agent: Agent) -> Choice | Rejected:
    """What the model wants, or why its answer cannot be used. Raises `Unavailable`."""
    if not interprets_with_code(agent):
        answer = interpret(content, agent)
    else:
        match await code.call(agent, Interpret(content), CHECK_SECONDS):
            case Done(found):
                answer = found
            case Raised() as raised:
                answer = Rejected("invalid_arguments", hide(raised.error)[:300])
            case stopped:
                answer = Rejected("invalid_arguments", f"it could not be read: {stopped.why}")
    if isinstance(answer, Answer) and answer.output is not None and agent.describe:
        return await _described(code, answer, content, agent)
    return answer


async def _described(code: AuthorCode, answer: Answer, content: str, agent: Agent) -> Answer:
    """The answer in the words of the agent's `describe`. If it fails, the text stays JSON: nobody
    loses a result because it could not be put nicely."""
    outcome = await code.call(agent, Describe(content), CHECK_SECONDS)
    if isinstance(outcome, Done) and outcome.value.strip():
        return answer.model_copy(update={"text": outcome.value})
    log.error("a result is not described", agent=agent.name, came=outcome)
    return answer


async def checked(code: AuthorCode, answer: Choice | Rejected, agent: Agent) -> Choice | Rejected:
    """Run the agent's own check. An answer that could not be checked is rejected, too: the check
    crashed, or took too long. Raises `Unavailable`."""
    if isinstance(answer, Rejected) or agent.check is None:
        return answer
    match await code.call(agent, CheckChoice(answer), CHECK_SECONDS):
        case Done():
            return answer
        case Raised() as raised:
            if not raised.expected:
                log.error("the agent's check failed", agent=agent.name, trace=raised.trace)
            return Rejected("failed_check", hide(raised.error)[:300])
        case stopped:
            log.error("the agent's check was stopped", agent=agent.name, why=stopped.why)
            return Rejected("failed_check", f"it could not be checked: {stopped.why}")
