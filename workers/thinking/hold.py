"""Keep the chosen arm through a tool loop; raise it when something goes wrong, and lower it
slowly. Pure.

Changing the mode within a loop changes how the model reads what it has done so far, and loses
the end of the prefix cache.
"""

from __future__ import annotations

from typing import NamedTuple

from ponderd.workers.agents.arms import Arm, Arms, above, below, find
from ponderd.workers.thinking.case import Case

LOWER_AFTER = 3
"""Calls in a row without trouble after which a raised arm is lowered by one."""

BROKEN = ("empty", "invalid_json", "prose")
"""Ways in which a thought can break a JSON answer (vllm#18819, #42021). Thinking more would not
help."""


class Held(NamedTuple):
    arm: Arm
    reason: str


def held(case: Case, arms: Arms) -> Held | None:
    """The arm to use, and why. None for the first call for a message: nothing is held yet.
    `arms` are those allowed."""
    if case.arm is None:
        return _asked_again(case, arms)
    before = find(case.arms, case.arm)
    broken = case.trouble == "schema" and case.last_rejection in BROKEN
    if broken and before and before.thinks and not case.destructive:
        return Held(_without(case, arms), "the thought broke the answer")
    if case.trouble:
        return Held(_stronger(case, case.arm, arms), f"raised: {case.trouble}")
    settled = case.untroubled and case.untroubled % LOWER_AFTER == 0
    if settled and _raised(case) and (weaker := below(case.arms, case.arm)):
        return Held(_nearest(case, weaker.name, arms), "lowered")
    return Held(_nearest(case, case.arm, arms), "held")


def _asked_again(case: Case, arms: Arms) -> Held | None:
    if not case.asked_again or case.before.arm is None:
        return None
    return Held(_stronger(case, case.before.arm, arms), "raised: asked again")


def _raised(case: Case) -> bool:
    """Whether the arm is above the one chosen first. It may be below it when tokens are short."""
    order = [arm.name for arm in case.arms]
    if case.arm not in order or case.first_arm not in order:
        return False
    return order.index(case.arm) > order.index(case.first_arm)


def _stronger(case: Case, name: str, arms: Arms) -> Arm:
    """The next allowed arm above this one, or the same where there is none."""
    up = above(case.arms, name)
    while up is not None:
        if arm := find(arms, up.name):
            return arm
        up = above(case.arms, up.name)
    return _nearest(case, name, arms)


def _nearest(case: Case, name: str, arms: Arms) -> Arm:
    """The arm of that name. If it is no longer allowed, the next one below it."""
    order = [arm.name for arm in case.arms]
    place = order.index(name) if name in order else 0
    weaker = [arm for arm in arms if arm.name in order and order.index(arm.name) <= place]
    return weaker[-1] if weaker else arms[0]


def _without(case: Case, arms: Arms) -> Arm:
    """An arm that does not think, even where thinking is required: a broken answer helps nobody."""
    return next((a for a in (*arms, *case.arms) if not a.thinks), arms[0])
