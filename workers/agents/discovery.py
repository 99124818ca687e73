"""Find the agents: those that come with ponderd, and every *.py in the operator's folders. Policies
in ponderd.toml override those in the agents' files."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ponderd.channels.errors import StartupError
from ponderd.workers.agents import old_imports
from ponderd.workers.agents.actions import actions
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.config import check_arms, configured

SHIPPED = Path(__file__).parent / "shipped"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def discover(folders: Sequence[Path], config: Path | None = None) -> dict[str, Agent]:
    """All agents by name, with the policies that the file `config` sets for them.

    Files whose names begin with an underscore are skipped. Raises `StartupError`, which names the
    broken file, or both files if two define the same agent.
    """
    agents: dict[str, Agent] = {}
    files: dict[str, Path] = {}
    for folder in (SHIPPED, *folders):
        for file in sorted(folder.glob("[!_]*.py")):
            agent = load(file)
            if agent.name in agents:
                raise _broken(file, f"the agent {agent.name} is already in {files[agent.name]}")
            agents[agent.name] = agent
            files[agent.name] = file
    found = configured(agents, config) if config else agents
    check_arms(found, config)
    return found


def loadable(folders: Sequence[Path]) -> tuple[dict[str, Agent], str]:
    """All agents whose files can be loaded, and why the last of the others cannot. For a process
    that starts later than its worker: a file may have been changed meanwhile."""
    agents: dict[str, Agent] = {}
    problem = ""
    for folder in (SHIPPED, *folders):
        for file in sorted(folder.glob("[!_]*.py")):
            try:
                agent = load(file)
            except StartupError as error:
                problem = str(error)
            else:
                agents[agent.name] = agent
    return agents, problem


def load(file: Path) -> Agent:
    """The `agent` that a file defines. Raises `StartupError`."""
    name = f"agent file {file}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    # In sys.modules, because dataclasses and Pydantic look there to resolve annotations.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, ImportError):
            reason = old_imports.advice(file.read_bytes(), error) or reason
        raise _broken(file, reason) from error
    agent = getattr(module, "agent", None)
    if not isinstance(agent, Agent):
        raise _broken(file, "it defines no `agent = Agent(...)`")
    if not _NAME.fullmatch(agent.name):
        raise _broken(
            file,
            f"{agent.name!r} cannot be the name of an agent, since it is also its mailbox: "
            "use a to z, 0 to 9 and -, beginning with a letter",
        )
    try:
        actions(agent)
    except (ValueError, TypeError) as error:
        raise _broken(file, str(error)) from error
    return agent


def _broken(file: Path, reason: str) -> StartupError:
    return StartupError(f"agent file {file}: {' '.join(reason.split())}", exit_code=2)
