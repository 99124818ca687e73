"""Books expense claims. Above 50 euros a person has to agree.

Shows: an approval that depends on the arguments, a check before anybody is asked, and a budget for
each sender. What was booked stands in a file that only the tool writes: what a model says it did is
worth nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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


agent = Agent(
    name="expenses",
    description="Books expense claims; asks above 50 euros.",
    prompt="""
You book expense claims. The first rule that fits decides what you do:
1. After [tool] book: reply what came of it.
2. They name what they paid for and how much: book.
3. They do not say how much, or what for: ask_human.
4. Everything else: reply that you only book expenses.
""",
    tools=[book],
    examples=[
        Example("Taxi to the airport, 34.50", {"action": "book", "what": "taxi", "euros": 34.5}),
        Example(
            "[tool] book: booked 34.50 euros for taxi",
            {"action": "reply", "text": "I booked 34.50 euros for the taxi."},
        ),
        Example("A desk for 310 euros", {"action": "book", "what": "desk", "euros": 310}),
        Example(
            "[tool] book: a person said no.",
            {"action": "reply", "text": "I did not book the desk, because a person said no."},
        ),
        Example("I bought lunch", {"action": "ask_human", "text": "How much did the lunch cost?"}),
        Example("Hotel in Rome: 120", {"action": "book", "what": "hotel in Rome", "euros": 120}),
        Example(
            "[tool] book: booked 120.00 euros for hotel in Rome",
            {"action": "reply", "text": "I booked 120.00 euros for the hotel in Rome."},
        ),
        Example("Good morning", {"action": "reply", "text": "I only book expenses."}),
    ],
    thinking="never",
    approvals=Approvals(remind_every=4 * 3600, timeout=3 * 86400, on_timeout="deny"),
    budgets=Budgets(sender=Budget(steps=60)),
)
