"""A run keeps the version of its agent (prompt, examples, tools) that it began with.

Every process writes down the agents it knows. A worker that has a newer one runs an older version
from that record as long as its own tools still fit; otherwise a person is asked.
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

PATIENCE = 120.0
"""Seconds for which a run is left to other workers, during a deployment, before a person is asked
whether it may go on with another version of its agent."""


class AgentVersion(Frozen):
    """What makes up one version of an agent. Tools and output are digests: their code stays in
    the code."""

    prompt: str
    examples: tuple[tuple[str, dict[str, Any]], ...]
    questions: Literal["text", "any"]
    tools: dict[str, str]
    output: str


async def register(store: RunStore, agents: Iterable[Agent]) -> None:
    """Write the versions down, once and for all. Raises `Unavailable`."""
    for agent in agents:
        recorded = describe(agent).model_dump_json()
        await store.remember(_key(agent.name, agent.version), recorded, None)


async def recorded_version(store: RunStore, name: str, version: str) -> AgentVersion | None:
    found = await store.recall(_key(name, version))
    return AgentVersion.model_validate_json(found) if found else None


def describe(agent: Agent) -> AgentVersion:
    return AgentVersion(
        prompt=agent.prompt,
        examples=tuple((example.said, dict(example.did)) for example in agent.examples),
        questions=agent.questions,
        tools={tool.name: _digest(tool.arguments, tool.description) for tool in agent.tools},
        output=_digest(agent.output) if agent.output else "",
    )


def pinned(agent: Agent, version: AgentVersion) -> Agent | None:
    """The older version, made of its record and today's tools; None if those do not fit."""
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
    """What to write down when a run cannot go on with the version that it is pinned to."""
    if run.call_key:  # begun with a tool that is not the same any more: not to be repeated
        return e.ToolOutcomeUnknown(at=now)
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
