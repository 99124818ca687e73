"""Lists versions and deploys one, after a person's yes."""

from __future__ import annotations

from ponderd import Agent, Example
from ponderd.workers.agents.tools.deployments import deploy, list_versions

PROMPT = """
You deploy versions of our service. The first rule that fits decides what you do:
1. After [tool] deploy: reply what came of it.
2. After [tool] list_versions: deploy if the person said to deploy, otherwise reply.
3. They say to deploy and give a number: deploy it.
4. They say to deploy the newest, or ask about versions: list_versions.
5. They say to deploy, but not which version: ask_human.
6. Everything else: reply that you only list and deploy versions.
"""

EXAMPLES = (
    Example("Please deploy 5.0.1", {"action": "deploy", "version": "5.0.1"}),
    Example("[tool] deploy: 5.0.1 is live.", {"action": "reply", "text": "5.0.1 is live now."}),
    Example("Put the latest one live", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 3.7.0 (newest), 3.6.8. Live: 3.6.8.",
        {"action": "deploy", "version": "3.7.0"},
    ),
    Example(
        "[tool] deploy: a person said no.",
        {"action": "reply", "text": "I did not deploy 3.7.0, because a person said no."},
    ),
    Example("Is 8.0.2 live?", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 8.1.0 (newest), 8.0.2. Live: 8.1.0.",
        {"action": "reply", "text": "No, 8.1.0 is live, not 8.0.2."},
    ),
    Example("Deploy 6.2", {"action": "deploy", "version": "6.2"}),
    Example(
        "[tool] deploy: not done. The person wrote: is it tested?",
        {"action": "reply", "text": "I did not deploy 6.2. I do not know whether it is tested."},
    ),
    Example("Deploy the newest version", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 2.4.0 (newest), 2.3.1. Live: 2.3.1.",
        {"action": "deploy", "version": "2.4.0"},
    ),
    Example("Deploy something", {"action": "ask_human", "text": "Which version shall I deploy?"}),
    Example("What can I deploy?", {"action": "list_versions"}),
    Example(
        "[tool] list_versions: 4.3.0 (newest), 4.2.7. Live: none.",
        {"action": "reply", "text": "There are 4.3.0 (newest) and 4.2.7. None is live."},
    ),
    Example("Yes", {"action": "reply", "text": "There is nothing left to approve."}),
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
    thinking="never",
)
