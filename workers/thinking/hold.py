"""Keeping to what was chosen: through a tool loop, up when something goes wrong, slowly down again.
Pure.

A change of mode in the middle of a loop changes how the model reads what it has done so far, and
costs the prefix cache its end.
"""

from __future__ import annotations

from typing import NamedTuple

from ponderd.workers.agents.arms import Arm, Arms, above, below, find
from ponderd.workers.thinking.case import Case

LOWER_AFTER = 3
"""Calls in a row without trouble after which a raised arm goes one down."""

BROKEN = ("empty", "invalid_json", "prose")
"""What a thought can do to an answer that was to be JSON (vllm#18819, #42021): no more of it."""


class Held(NamedTuple):
    arm: Arm
    reason: str


def held(case: Case, arms: Arms) -> Held | None:
    """None: nothing to hold to, this is the first call for a message. `arms` are those allowed."""
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
    """Above what was chosen first, and not below it for want of tokens."""
    order = [arm.name for arm in case.arms]
    if case.arm not in order or case.first_arm not in order:
        return False
    return order.index(case.arm) > order.index(case.first_arm)


def _stronger(case: Case, name: str, arms: Arms) -> Arm:
    """The next one above that is allowed; the same where there is none."""
    up = above(case.arms, name)
    while up is not None:
        if arm := find(arms, up.name):
            return arm
        up = above(case.arms, up.name)
    return _nearest(case, name, arms)


def _nearest(case: Case, name: str, arms: Arms) -> Arm:
    """The arm of that name or, where it is not allowed any more, what comes next below it."""
    order = [arm.name for arm in case.arms]
    place = order.index(name) if name in order else 0
    weaker = [arm for arm in arms if arm.name in order and order.index(arm.name) <= place]
    return weaker[-1] if weaker else arms[0]


def _without(case: Case, arms: Arms) -> Arm:
    """Even where one must think: an answer that is no answer helps nobody."""
    return next((a for a in (*arms, *case.arms) if not a.thinks), arms[0])
