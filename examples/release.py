"""Tags a release: lists what changed, then tags, after a yes of one of the approvers.

Shows: an approval bound to one call, a check that spares people pointless questions, and what
happens when nobody answers for eight hours.
"""

from __future__ import annotations

import re
from pathlib import Path

from ponderd import Agent, Approvals, Example, ToolContext, tool

# Put your repository here. In `releases/` of the data folder the example keeps `changes.txt`, which
# you write, and `tags.txt`, newest tag last, which it writes.


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _folder(context: ToolContext) -> Path:
    return context.data_dir / "releases"


def _number(version: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"{version} is not a version: write three numbers, such as 1.4.0")
    return tuple(map(int, version.split(".")))


def newer(version: str, context: ToolContext) -> None:
    """Raises ValueError for a version that does not come after the last tag."""
    tags = _lines(_folder(context) / "tags.txt")
    if tags and _number(version) <= _number(tags[-1]):
        raise ValueError(f"{version} does not come after {tags[-1]}")
    _number(version)


@tool(idempotent=True)
def changes(context: ToolContext) -> str:
    """what changed since the last tag, and what that tag is"""
    found = _lines(_folder(context) / "changes.txt")
    tags = _lines(_folder(context) / "tags.txt")
    return f"since {tags[-1] if tags else 'the beginning'}: {'; '.join(found) or 'nothing'}"


@tool(approval="always", check=newer, timeout=30)
def tag(version: str, context: ToolContext) -> str:
    """tag a version; ponderd asks the approvers first"""
    newer(version, context)
    _folder(context).mkdir(exist_ok=True)
    with (_folder(context) / "tags.txt").open("a") as file:
        file.write(f"{version}\n")
    return f"{version} is tagged"


agent = Agent(
    name="release",
    description="Lists what changed and tags a release, after a yes.",
    prompt="""
You prepare releases. The first rule that fits decides what you do:
1. After [tool] tag: reply what came of it.
2. After [tool] changes: tag if they named a version, otherwise reply with the changes.
3. They ask for a release and name a version: changes.
4. They ask what changed: changes.
5. They ask for a release without a version: ask_human for it.
6. Everything else: reply that you only prepare releases.
""",
    tools=[changes, tag],
    examples=[
        Example("Please release 2.1.0", {"action": "changes"}),
        Example(
            "[tool] changes: since 2.0.4: faster search; new icons",
            {"action": "tag", "version": "2.1.0"},
        ),
        Example("[tool] tag: 2.1.0 is tagged", {"action": "reply", "text": "2.1.0 is tagged."}),
        Example("What is new?", {"action": "changes"}),
        Example(
            "[tool] changes: since 1.0.0: a dark theme",
            {"action": "reply", "text": "Since 1.0.0: a dark theme."},
        ),
        Example("Make a release", {"action": "ask_human", "text": "Which version shall it be?"}),
        Example("Hi", {"action": "reply", "text": "I only prepare releases."}),
    ],
    approvals=Approvals(
        approvers=("api:*", "email:*@ponderd.localhost"),  # put your people here: slack:U0123
        remind_every=3600,
        timeout=8 * 3600,
        on_timeout="deny",
    ),
)
