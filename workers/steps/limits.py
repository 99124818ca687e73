"""Limits of spending: what counts, and when one is reached. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_args

from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.policies import places_to_ask
from ponderd.workers.run import events as e
from ponderd.workers.run.effort import Usage
from ponderd.workers.run.events import Measure, Scope
from ponderd.workers.run.state import Run

ACCOUNT_TTL = 40 * 24 * 3600.0
"""Seconds after its last use for which an account is kept."""

_OF = {
    "run": "in one run",
    "conversation": "in one conversation",
    "sender": "per person and day",
    "day": "per day",
}
_UNIT = {"steps": "steps", "tokens": "tokens", "seconds": "seconds", "money": "of the money"}


def account_names(run: Run, agent: Agent, now: float) -> dict[Scope, str]:
    """The accounts of all scopes that reach beyond one run. `now` in Unix seconds."""
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    return {
        "conversation": f"conversation:{conversation_name(run)}",
        "sender": f"sender:{agent.name}:{run.message.sender}:{day}",
        "day": f"day:{agent.name}:{day}",
    }


def conversation_name(run: Run) -> str:
    """The same for all agents that take part in the conversation."""
    return f"{run.channel}:{run.source}:{run.conversation}"


def accounts(run: Run, agent: Agent, now: float) -> dict[Scope, str]:
    """The accounts that pay for this run: those that the agent has limits for."""
    if not agent.limited.keys() - {"run"}:
        return {}
    names = account_names(run, agent, now)
    return {scope: name for scope, name in names.items() if scope in agent.limited}


def spending(fact: e.Event) -> dict[str, float]:
    """What one model or tool call took, by measure; empty for other events."""
    match fact:
        case e.ModelAnswered(call=call) | e.ModelRejected(call=call) | e.ModelDoubted(call=call):
            usage = Usage().plus(call)
        case e.ModelInterrupted(seconds=seconds):
            usage = Usage().plus_dropped(seconds)
        case (
            e.ToolFinished(seconds=seconds)
            | e.ToolFailed(seconds=seconds)
            | e.ToolInterrupted(seconds=seconds)
        ):
            usage = Usage().plus_tool(seconds)
        case e.ToolOutcomeUnknown(seconds=seconds) if seconds:
            usage = Usage().plus_tool(seconds)
        case _:
            return {}
    return dict(_measured(usage))


def reached(
    run: Run, agent: Agent, spent: Mapping[Scope, Mapping[str, float]], now: float
) -> e.LimitReached | None:
    """The first limit that is used up. `spent` holds the sums of the accounts."""
    if not agent.limited:
        return None
    named = accounts(run, agent, now)
    for scope in get_args(Scope):
        limits = agent.limited.get(scope)
        if limits is None:
            continue
        account = named.get(scope, scope)
        used_in_scope = _measured(run.usage) if scope == "run" else spent.get(scope, {})
        for measure in get_args(Measure):
            base = limits.get(measure)
            used = used_in_scope.get(measure, 0.0)
            if base is None or used < (
                limit := run.work.extended.get(f"{account}.{measure}", base)
            ):
                continue
            text = (
                f"I have used {used:,.6g} of the {limit:,.6g} {_UNIT[measure]} that {agent.name} "
                f"may spend {_OF[scope]}. Shall I go on with as much again? "
                "Please answer yes or no."
            )
            return e.LimitReached(
                at=now,
                scope=scope,
                account=account,
                measure=measure,
                limit=limit,
                used=used,
                allows=used + base,
                text=text,
                ask=places_to_ask(agent.approvals.ask, text),
            )
    return None


def _measured(usage: Usage) -> Mapping[str, float]:
    return {
        "steps": usage.model_calls + usage.tool_calls,
        "tokens": usage.prompt_tokens + usage.completion_tokens,
        "seconds": usage.seconds,
        "money": usage.cost,
    }
