"""Budgets of thinking: how much is left now, and how urgent it is to save. Pure.

A day's budget is released evenly, an hour ahead, so that a busy morning leaves something for the
evening. What a call may think is taken off before it begins, and what it did not use is given
back. So all workers together never think more than was released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.events import Scope
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import account_names

THOUGHT = "thought"
"""The measure of these accounts, in tokens."""

DAY = 86_400.0
AHEAD = 3600.0


class Account(NamedTuple):
    """`released` is how many tokens may have been thought until now."""

    name: str
    released: float


def accounts(run: Run, agent: Agent, now: float) -> list[Account]:
    """The accounts that the agent has budgets for. `now` in Unix seconds."""
    budgets = agent.thinks.tokens
    if budgets.conversation is budgets.sender is budgets.day is None:  # as with most agents
        return []
    released_now: dict[Scope, float | None] = {
        "conversation": budgets.conversation,
        "sender": budgets.sender,
        "day": None if budgets.day is None else released(budgets.day, now),
    }
    return [
        Account(f"{THOUGHT}:{name}", tokens)
        for scope, name in account_names(run, agent, now).items()
        if (tokens := released_now[scope]) is not None
    ]


def released(budget: float, now: float) -> float:
    """How much of a day's budget may have been used at this time of the day (UTC)."""
    return budget * min(1.0, (now % DAY + AHEAD) / DAY)


def allowance(
    paying: Sequence[Account], spent: Sequence[Mapping[str, float]]
) -> tuple[int | None, float]:
    """The tokens left (None: no limit), and the pressure: the share already used, from 0 to 1."""
    left: float | None = None
    pressure = 0.0
    for account, sums in zip(paying, spent, strict=True):
        used = sums.get(THOUGHT, 0.0)
        rest = max(0.0, account.released - used)
        left = rest if left is None else min(left, rest)
        pressure = max(pressure, min(1.0, used / account.released if account.released else 1.0))
    return (None if left is None else int(left)), pressure


def overdrawn(paying: Sequence[Account], sums: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether more was taken off than there was, because another worker was faster."""
    return any(sums[account.name][THOUGHT] > account.released for account in paying)
