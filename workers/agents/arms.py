"""Arms: ways to make a model call. No thought, a short or a long one, or another model. Pure.

Qwen3 can turn thinking off and has a budget for it, so one model has three arms. A family of models
that were trained to think short, long or both ways (OctoThinker) adds members. Each has its mode.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from ponderd.workers.run.model_call import ThinkingMode


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to make a model call. "Arm" is the word of bandit algorithms."""

    name: str
    mode: ThinkingMode
    budget: int
    """Tokens of thinking."""
    model: str | None = None
    """Another member of the family. None: the configured model."""
    url: str | None = None
    """The member's server, ending in /v1. None: the configured server."""
    api_key_env: str = ""
    """The environment variable with the key for that server. Empty: no key."""

    @property
    def thinks(self) -> bool:
        return self.mode != "none"


Arms = tuple[Arm, ...]
"""From the least effort to the most. To escalate is to go to the next one."""


def own_arms(short: int, long: int) -> Arms:
    """The three arms of a model that can think and can answer without. Budgets in tokens."""
    return Arm("none", "none", 0), Arm("short", "short", short), Arm("long", "long", long)


def with_family(arms: Arms, members: Arms) -> Arms:
    """`arms` and the `members` of the family in one order.

    A member with the name of an arm replaces it. The same model at another budget is placed by that
    budget. Other models come last, in their own order.
    """
    named = {member.name: member for member in members}
    kept = tuple(named.pop(arm.name, arm) for arm in arms)
    own = [arm for arm in named.values() if not (arm.model or arm.url)]
    others = [arm for arm in named.values() if arm.model or arm.url]
    return (*sorted((*kept, *own), key=lambda arm: arm.budget), *others)


def find(arms: Arms, name: str) -> Arm | None:
    """The arm with this name, or None."""
    return next((arm for arm in arms if arm.name == name), None)


def above(arms: Arms, name: str) -> Arm | None:
    """The next stronger arm. None if there is none, or if `name` is not among them."""
    names = [arm.name for arm in arms]
    place = names.index(name) + 1 if name in names else len(arms)
    return arms[place] if place < len(arms) else None


def below(arms: Arms, name: str) -> Arm | None:
    """The next weaker arm. None if there is none, or if `name` is not among them."""
    names = [arm.name for arm in arms]
    place = names.index(name) if name in names else 0
    return arms[place - 1] if place else None


@functools.lru_cache(maxsize=256)  # every call asks, mostly for the same
def bounded(arms: Arms, *, least: int, greatest: int) -> Arms:
    """The arms with their budgets moved into the bounds. At least one arm remains.

    If `least` is above 0, arms that do not think are dropped. So is an arm whose new budget is no
    larger than that of a weaker arm of the same model.
    """
    found: list[Arm] = []
    for arm in arms:
        if not arm.thinks:
            if least == 0 or greatest < LEAST_THOUGHT:
                found.append(arm)
            continue
        budget = min(max(arm.budget, least), greatest)
        same = [other for other in found if _kind(other) == _kind(arm)]
        if budget >= LEAST_THOUGHT and all(budget > other.budget for other in same):
            found.append(replace(arm, budget=budget))
    return tuple(found) or (Arm("none", "none", 0),)


LEAST_THOUGHT = 16
"""Tokens. A shorter thought costs and does not help: 64 did nothing on the embedded model."""


def _kind(arm: Arm) -> tuple[str | None, str | None, bool]:
    return arm.model, arm.url, arm.thinks
