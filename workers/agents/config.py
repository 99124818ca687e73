"""`[agents.NAME]` in ponderd.toml: the operator's policies, which override the agent's file.

[agents.deployer.approvals]
approvers = ["slack:U0123", "email:*@example.com"]
timeout = "8h"
remind_every = false                 # false: never

[agents.deployer.busy]
default = "queue"
slack = { policy = "collect", silence = "5s" }

[agents.deployer.budgets.sender]
tokens = 200000

[agents.deployer.thinking]
mode = "auto"
greatest = 2048

[thinking.arms.large]                # another member of the model family
model = "qwen3-32b"
url = "http://large:8000/v1"
mode = "short"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ponderd.channels.errors import StartupError
from ponderd.channels.message import Frozen
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.agents.policies import Approvals, Budgets, Busy, Thinking
from ponderd.workers.run.model_call import ThinkingMode

BusyChannel = Literal["default", "slack", "email", "sms", "webhook", "schedule", "api", "terminal"]
M = TypeVar("M", bound=Frozen)


def _thinking(value: object) -> object:
    return {"mode": value} if isinstance(value, str) else value


def _busy(value: object) -> object:
    return {"policy": value} if isinstance(value, str) else value


class AgentConfig(Frozen):
    """The policies that ponderd.toml sets for one agent. They override those in the agent's file;
    the others stay."""

    listens: Literal["mentions", "thread"] | None = None
    approvals: Approvals = Approvals()
    busy: dict[BusyChannel, Annotated[Busy, BeforeValidator(_busy)]] = Field(default_factory=dict)
    budgets: Budgets = Budgets()
    thinking: Annotated[Thinking, BeforeValidator(_thinking)] = Thinking()


class Member(Frozen):
    """One more arm: another model, or the same one at another budget. Fields as in `Arm`."""

    mode: ThinkingMode = "none"
    budget: int = Field(0, ge=0)
    model: str | None = None
    url: Annotated[str, Field(pattern=r"^https?://.+/v1/?$")] | None = None
    api_key_env: str = ""


_family = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Member])

_codec = TypeAdapter(dict[str, AgentConfig])


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises `StartupError` if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}", exit_code=2) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartupError(f"{path}: not TOML: {error}", exit_code=2) from error


_PLAIN = {
    "missing": "this entry is missing",
    "extra_forbidden": "there is no such entry; is it misspelt?",
}


def wrong_entry(path: Path, error: ValidationError, *prefix: str) -> StartupError:
    """An error with the first problem of a file, in one line."""
    first = error.errors()[0]
    where = ".".join((*prefix, *(str(part) for part in first["loc"] if part != "[key]")))
    what = _PLAIN.get(first["type"], first["msg"].removeprefix("Value error, "))
    return StartupError(f"{path}: {where}: {what}", exit_code=2)


def load_agent_config(path: Path) -> Mapping[str, AgentConfig]:
    """The table `[agents]`, by agent. Raises `StartupError`, which names the wrong entry."""
    try:
        return _codec.validate_python(_false_for_none(read_toml(path).get("agents", {})))
    except ValidationError as error:
        raise wrong_entry(path, error, "agents") from error


def load_family(path: Path | None) -> Arms:
    """The table `[thinking.arms]`, in the order of the file. Raises `StartupError`."""
    if path is None:
        return ()
    try:
        table = read_toml(path).get("thinking", {}).get("arms", {})
        members = _family.validate_python(table)
    except ValidationError as error:
        raise wrong_entry(path, error, "thinking", "arms") from error
    except AttributeError as error:
        raise StartupError(f"{path}: thinking: expected a table", exit_code=2) from error
    return tuple(
        Arm(name, member.mode, member.budget, member.model, member.url, member.api_key_env)
        for name, member in members.items()
    )


def configured(agents: Mapping[str, Agent], path: Path) -> dict[str, Agent]:
    """The agents with the operator's policies. Raises `StartupError`, also for an unknown agent."""
    found = dict(agents)
    for name, config in load_agent_config(path).items():
        if name not in agents:
            known = ", ".join(sorted(agents))
            raise StartupError(
                f"{path}: agents.{name}: no agent has this name; known agents: {known}",
                exit_code=2,
            )
        try:
            found[name] = _configured(agents[name], config)
        except ValidationError as error:  # each is valid alone, but they contradict each other
            raise wrong_entry(path, error, "agents", name) from error
        if problem := _unreachable(found[name].approvals):
            raise StartupError(f"{path}: agents.{name}.approvals.{problem}", exit_code=2)
    return found


def check_arms(agents: Mapping[str, Agent], path: Path | None) -> None:
    """Raises `StartupError` if an agent lists an arm that does not exist."""
    known = {*get_args(ThinkingMode), *(arm.name for arm in load_family(path))}
    for agent in agents.values():
        if unknown := set(agent.thinks.arms) - known:
            raise StartupError(
                f"agent {agent.name}: thinking.arms: no arm {', '.join(sorted(unknown))}; "
                f"known: {', '.join(sorted(known))}",
                exit_code=2,
            )


def _configured(agent: Agent, config: AgentConfig) -> Agent:
    return dataclasses.replace(
        agent,
        listens=config.listens or agent.listens,
        approvals=_over(agent.approvals, config.approvals),
        busy=dict([*agent.busy.items(), *config.busy.items()]),
        budgets=_over(agent.budgets, config.budgets),
        thinking=_over(agent.thinks, config.thinking),
    )


def _unreachable(approvals: Approvals) -> str:
    """Why some of those to ask cannot be asked. "" if all can."""
    for entry in ("ask", "escalate_to"):
        for person in getattr(approvals, entry):
            if person.partition(":")[0] not in ("slack", "email") or "*" in person:
                return f"{entry}: {person!r} cannot be asked: write slack:C0123 or email:a@b.org"
    if approvals.on_timeout == "escalate" and not approvals.escalate_to:
        return "on_timeout: escalate needs somebody in escalate_to"
    return ""


def _over(base: M, changes: M) -> M:
    """`base` with the fields that `changes` sets explicitly, also in nested models."""
    merged = _merged(base.model_dump(), changes.model_dump(exclude_unset=True))
    return type(base).model_validate(merged)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(base[name], value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return base | both


# Fields that are really booleans: false means false there.
_TRUTHS = {name for name, field in Thinking.model_fields.items() if field.annotation is bool}


def _false_for_none(value: Any, name: str = "") -> Any:
    """Replace false by None, except in fields that are booleans. TOML has no null."""
    if isinstance(value, dict):
        return {key: _false_for_none(entry, key) for key, entry in value.items()}
    return None if value is False and name not in _TRUTHS else value
