"""Collects a stand-up: what people write within a minute becomes one summary, with a type.

Shows: policies. Messages are collected until nobody wrote for a minute, on Slack and elsewhere; by
mail each is answered by itself. One person and one day may spend only so much.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from ponderd import Agent, Budget, Budgets, Busy, Example


class Entry(BaseModel):
    who: str = Field(min_length=1)
    doing: str = Field(min_length=1)
    blocked: str
    """By what; empty if by nothing."""


class StandUp(BaseModel):
    entries: list[Entry]


def describe(standup: StandUp) -> str:
    lines = [
        f"{entry.who}: {entry.doing}" + (f" (blocked: {entry.blocked})" if entry.blocked else "")
        for entry in standup.entries
    ]
    return "\n".join(lines) or "Nobody wrote anything."


agent = Agent(
    name="standup",
    description="Collects what people do today into one summary.",
    prompt="""
You collect a stand-up. People write what they do today; each message says at its end who wrote it,
[from …], except those of the first writer, who is "you". Answer with done: one entry for each
person, in their words but short, and what blocks them, or "" if nothing does. Never invent entries.
""",
    examples=[
        Example(
            "Fixing the login page.\nReview of the tests. Waiting for Ann's branch.\n[from bob]",
            {
                "action": "done",
                "entries": [
                    {"who": "you", "doing": "fixing the login page", "blocked": ""},
                    {"who": "bob", "doing": "review of the tests", "blocked": "Ann's branch"},
                ],
            },
        ),
        Example(
            "On holiday today",
            {
                "action": "done",
                "entries": [{"who": "you", "doing": "on holiday", "blocked": ""}],
            },
        ),
    ],
    output=StandUp,
    describe=describe,
    thinking="never",
    busy={"default": Busy(policy="collect", silence=60), "email": Busy(policy="queue")},
    budgets=Budgets(sender=Budget(tokens=20_000), day=Budget(tokens=200_000)),
)
