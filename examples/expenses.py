"""Books expense claims. Above 50 euros a person has to agree; the result has a type.

Shows: an approval that depends on the arguments, a check before anybody is asked, typed output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from ponderd import Agent, Approvals, Budget, Budgets, Example, ToolContext, tool

FREE = 50.0
"""Euros that are booked without asking."""

MOST = 2_000.0
"""Euros that nobody can book here."""


def too_much(arguments: Mapping[str, Any]) -> bool:
    return float(arguments["euros"]) > FREE


def possible(what: str, euros: float) -> None:
    if not 0 < euros <= MOST:
        raise ValueError(f"claims are from 0.01 to {MOST:.2f} euros")
    if not what.strip():
        raise ValueError("say what the money was spent on")


@tool(approval=too_much, check=possible)
def book(what: str, euros: float, context: ToolContext) -> str:
    """book a claim; ponderd asks a person first where that is needed"""
    possible(what, euros)
    entry = {"key": context.idempotency_key, "what": what, "euros": euros}
    with (context.data_dir / "expenses.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")
    return f"booked {euros:.2f} euros for {what}"


class Claim(BaseModel):
    """What comes of a claim; programs find it as `output` of the run."""

    what: str
    euros: float
    status: Literal["booked", "denied"]


def describe(claim: Claim) -> str:
    return f"{claim.what}, {claim.euros:.2f} euros: {claim.status}."


agent = Agent(
    name="expenses",
    description="Books expense claims; asks above 50 euros.",
    prompt="""
You book expense claims. The first rule that fits decides what you do:
1. After [tool] book: booked: done, status booked.
2. After [tool] book: a person said no: done, status denied.
3. They name what it was for and how much: book.
4. Something is missing: ask_human for it.
""",
    tools=[book],
    examples=[
        Example("Taxi to the airport, 34.50", {"action": "book", "what": "taxi", "euros": 34.5}),
        Example(
            "[tool] book: booked 34.50 euros for taxi",
            {"action": "done", "what": "taxi", "euros": 34.5, "status": "booked"},
        ),
        Example("A chair for 129 euros", {"action": "book", "what": "chair", "euros": 129}),
        Example(
            "[tool] book: a person said no.",
            {"action": "done", "what": "chair", "euros": 129, "status": "denied"},
        ),
        Example("I bought lunch", {"action": "ask_human", "text": "How much did the lunch cost?"}),
    ],
    output=Claim,
    describe=describe,
    thinking="never",
    approvals=Approvals(remind_every=4 * 3600, timeout=3 * 86400, on_timeout="deny"),
    budgets=Budgets(sender=Budget(steps=60)),
)
