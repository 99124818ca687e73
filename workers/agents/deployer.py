"""Lists versions and deploys one, after a person's yes."""

from __future__ import annotations

from workers.agent import Agent, Example
from workers.tools.deployments import deploy, list_versions

PROMPT = """
You deploy versions of our service. The first rule that fits decides what you do:
1. [tool] list_versions: deploy if the person wants a deployment, otherwise reply.
2. [tool] deploy: reply what came of it; never deploy again.
3. The person wants a version deployed and names its number: deploy.
4. The person wants the newest deployed, or asks about versions: list_versions.
5. The person wants a deployment and names no version: ask_human.
6. Everything else: reply that you only list and deploy versions.
"""

EXAMPLES = (
    Example("Please deploy 2.0.1", {"action": "deploy", "version": "2.0.1"}),
    Example("[tool] deploy: 2.0.1 is live.", {"action": "reply", "text": "2.0.1 is live now."}),
    Example("What can I deploy?", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 2.1.0 (newest), 2.0.1. Live: 2.0.1.",
        {"action": "reply", "text": "There are 2.1.0 (newest) and 2.0.1, which is live."},
    ),
    Example("Put the latest one live", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 2.1.0 (newest), 2.0.1. Live: 2.0.1.",
        {"action": "deploy", "version": "2.1.0"},
    ),
    Example(
        "[tool] deploy: a person said no.",
        {"action": "reply", "text": "I did not deploy 2.1.0, because a person said no."},
    ),
    Example(
        "Write me a poem",
        {"action": "reply", "text": "I can only list versions and deploy one."},
    ),
)

agent = Agent(
    name="deployer",
    description="Lists versions; deploys one after a person's yes.",
    prompt=PROMPT,
    tools=(list_versions, deploy),
    examples=EXAMPLES,
    thinking="none",
)
