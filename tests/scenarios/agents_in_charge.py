"""The agents of test_people: one file each, all with the same tools, steered by ponderd.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

AGENT = '''
from ponderd import Agent, ToolContext, WaitFor, tool

@tool(approval="always")
def spend(euro: int, to: str, context: ToolContext) -> str:
    """spend money"""
    with (context.data_dir / "spent.txt").open("a") as file:
        file.write(f"{context.run_id} {euro} {to}\\n")
    return f"{to} got {euro} euro"

@tool(idempotent=True)
def look() -> str:
    """look around"""
    return "all quiet"

@tool()
def wait(event: str = "", seconds: float | None = None) -> WaitFor:
    """wait for something"""
    return WaitFor(seconds, event)

agent = Agent(
    name="NAME",
    description="",
    prompt="Do as you are told.",
    tools=[spend, look, wait],
    thinking="none",
    questions="any",
)
'''

CONFIG = """
[slack]
agent = "plain"
channels = { CSTRICT = "strict" }
alerts = { CALERT = "strict" }

[agents.clerk.approvals]
approvers = ["slack:U2", "email:boss@ponderd.localhost", "api:*"]
ask = ["slack:C0OPS", "email:boss@ponderd.localhost"]

[agents.asking.approvals]
approvers = ["slack:U5", "slack:U6"]
ask = ["slack:U5", "slack:U6"]

[agents.strict.approvals]
approvers = ["slack:U2"]

[agents.denying.approvals]
timeout = "1s"
on_timeout = "deny"

[agents.halting.approvals]
timeout = "1s"
on_timeout = "halt"

[agents.escalating.approvals]
approvers = ["slack:U2"]
timeout = "1s"
on_timeout = "escalate"
escalate_to = ["email:chief@ponderd.localhost"]

[agents.reminding.approvals]
ask = ["slack:C0OPS"]
remind_every = "1s"

[agents.queueing.busy]
default = "queue"

[agents.collecting.busy]
default = { policy = "collect", silence = "2s" }

[agents.interrupting.busy]
default = "interrupt"

[agents.rejecting.busy]
default = "reject"

[agents.limited.budgets.run]
steps = 2

[agents.frugal.budgets.sender]
tokens = 1

[agents.plain]
"""


def write_agents(folder: Path) -> dict[str, str]:
    """The settings of processes that have these agents and policies."""
    (folder / "agents").mkdir()
    for name in tomllib.loads(CONFIG)["agents"]:
        (folder / "agents" / f"{name}.py").write_text(AGENT.replace("NAME", name))
    (folder / "ponderd.toml").write_text(CONFIG)
    return {
        "PONDERD_AGENTS_DIR": str(folder / "agents"),
        "PONDERD_CONFIG": str(folder / "ponderd.toml"),
    }
