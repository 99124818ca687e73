"""Versions of agents. A run keeps the version (prompt, examples, tools) with which it began.

Every process records the agents it knows. From that record a worker with a newer agent can still
run the older version, if its own tools fit. Otherwise a person is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel

from ponderd.channels.message import Frozen
from ponderd.workers.agents.agent import Agent, Example
from ponderd.workers.agents.policies import places_to_ask
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import RunStore


class AgentVersion(Frozen):
    """The record of one version of an agent."""

    prompt: str
    examples: tuple[tuple[str, dict[str, Any]], ...]
    questions: Literal["text", "any"]
    tools: dict[str, str]
    """A digest of each tool's parameters and description, by name. Code is not recorded."""
    output: str
    """A digest of the output type. Empty: it has none."""


async def register(store: RunStore, agents: Iterable[Agent]) -> None:
    """Record the versions of `agents`, each once. Raises `Unavailable`."""
    for agent in agents:
        recorded = describe(agent).model_dump_json()
        await store.remember(_key(agent.name, agent.version), recorded, None)


async def recorded_version(store: RunStore, name: str, version: str) -> AgentVersion | None:
    """The record of a version. None if no process has recorded it."""
    found = await store.recall(_key(name, version))
    return AgentVersion.model_validate_json(found) if found else None


def describe(agent: Agent) -> AgentVersion:
    """The record of the agent's version."""
    return AgentVersion(
        prompt=agent.prompt,
        examples=tuple((example.said, dict(example.did)) for example in agent.examples),
        questions=agent.questions,
        tools={tool.name: _digest(tool.arguments, tool.description) for tool in agent.tools},
        output=_digest(agent.output) if agent.output else "",
    )


def pinned(agent: Agent, version: AgentVersion) -> Agent | None:
    """The older version, from its record and today's tools. None if those do not fit."""
    today = describe(agent)
    if today.output != version.output:
        return None
    if any(today.tools.get(name) != digest for name, digest in version.tools.items()):
        return None
    tools = {tool.name: tool for tool in agent.tools}
    return replace(
        agent,
        prompt=version.prompt,
        examples=tuple(Example(said, did) for said, did in version.examples),
        questions=version.questions,
        tools=tuple(tools[name] for name in version.tools),
    )


def changed(
    run: Run, agent: Agent, now: float
) -> e.VersionAdopted | e.VersionChanged | e.ToolOutcomeUnknown:
    """The event to record if no worker can run the version to which a run is pinned."""
    if run.work.call_key:  # it was in a tool that has changed since: do not repeat it
        return e.ToolOutcomeUnknown(at=now, why="interrupted")
    if not run.pinned:
        return e.VersionAdopted(at=now, agent_version=agent.version, by="ponderd")
    text = (
        f"The agent {agent.name} and its tools have changed since I began this. "
        "May I go on with the new version? Please answer yes or no."
    )
    ask = places_to_ask(agent.approvals.ask, text)
    return e.VersionChanged(at=now, agent_version=agent.version, text=text, ask=ask)


def _key(name: str, version: str) -> str:
    return f"agent:{name}:{version}"


def _digest(model: type[BaseModel], *more: str) -> str:
    described = json.dumps([model.model_json_schema(), *more], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:12]
