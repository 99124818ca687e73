"""Which arms a call may use, and why: the word of agents, operators, clocks, budgets and people.
Pure.

In this order, and each choice only narrows what the ones before have left: the agent's policy,
the operator's cap, the deadline, token budgets, the danger of a tool, the person's own switch,
the habits of a kind of call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ponderd.workers.agents.arms import Arms, bounded
from ponderd.workers.thinking.case import SIMPLE, Case

NO_LIMIT = 2**31

ANSWER_TOKENS = 100
"""Tokens that an answer takes besides its thought, to see whether a deadline leaves time for
both."""


class Allowed(NamedTuple):
    """The arms that are left, at least one. `reason` is the last thing that took some away; ""
    if nothing did."""

    arms: Arms
    reason: str


def allowed(case: Case) -> Allowed:
    arms, reason = _within_bounds(case)
    for why, narrow in _CHOICES:
        left = narrow(case, arms)
        if left and left != arms:
            arms, reason = left, why(case)
    return Allowed(arms, reason)


def _within_bounds(case: Case) -> Allowed:
    policy = case.thinking
    arms = tuple(a for a in case.arms if not policy.arms or a.name in policy.arms) or case.arms
    if policy.mode == "never":
        return Allowed(bounded(arms, least=0, greatest=0), "agent: never")
    reason = "agent: arms" if arms != case.arms else ""
    if policy.least:
        reason = "agent: least"
    if policy.mode == "always":
        arms = _thinking(arms) or arms
        reason = "agent: always"
    greatest = NO_LIMIT
    for limit, why in _limits(case):
        if limit < greatest:
            greatest = limit
            if any(arm.budget > limit for arm in arms):
                reason = why
    return Allowed(bounded(arms, least=policy.least, greatest=greatest), reason)


def _limits(case: Case) -> list[tuple[int, str]]:
    allowance, limits = case.allowance, []
    if case.thinking.greatest is not None:
        limits.append((case.thinking.greatest, "agent: greatest"))
    if case.cap is not None:
        limits.append((case.cap, "operator: cap"))
    if allowance.seconds is not None:
        tokens = int(allowance.seconds / allowance.rate) - ANSWER_TOKENS
        limits.append((max(0, tokens), "deadline"))
    if allowance.tokens is not None:
        limits.append((max(0, allowance.tokens), "token budget"))
    return limits


def _destructive(case: Case, arms: Arms) -> Arms:
    """Writing `/no_think` cannot switch this off; an agent's `never` can."""
    return _thinking(arms) if case.destructive else arms


def _switch(case: Case, arms: Arms) -> Arms:
    match case.switch:
        case "off":
            return _silent(arms)
        case "on":
            return _thinking(arms)
        case "hard":
            long = tuple(arm for arm in arms if arm.name == "long")
            return long or _thinking(arms)[-1:]
        case None:
            return arms


def _simple(case: Case, arms: Arms) -> Arms:
    """Extraction and formatting begin without a thought. Trouble may raise the arm later."""
    pinned = case.switch or case.thinking.mode == "always" or case.thinking.least
    untroubled = case.arm is None and not case.asked_again
    simple = case.kind in SIMPLE and untroubled and not pinned
    return _silent(arms) if simple else arms


def _thinking(arms: Arms) -> Arms:
    return tuple(arm for arm in arms if arm.thinks)


def _silent(arms: Arms) -> Arms:
    return tuple(arm for arm in arms if not arm.thinks)


_CHOICES: tuple[tuple[Callable[[Case], str], Callable[[Case, Arms], Arms]], ...] = (
    (lambda case: "may choose a destructive tool", _destructive),
    (lambda case: f"person: {_written(case)}", _switch),
    (lambda case: f"{case.kind} needs none", _simple),
)


def _written(case: Case) -> str:
    return {"off": "/no_think", "on": "/think", "hard": "/think hard"}.get(case.switch or "", "")
