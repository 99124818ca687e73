"""What to choose while nothing was learned yet: a small table. Pure.

It is also where the learner starts from: its prior is what the table believes of each arm.
"""

from __future__ import annotations

from typing import NamedTuple

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.thinking.case import Case

# Measured on the embedded model (docs/adaptive-thinking.md): on easy questions thinking costs
# accuracy, on stories with several numbers it buys a lot. (Chance that the answer is good where
# nothing is known of the question, and what `steps` adds to it.)
PRIOR: dict[str, tuple[float, float]] = {
    "none": (0.85, -0.50),
    "short": (0.82, -0.12),
    "long": (0.80, -0.10),
}


class Ruled(NamedTuple):
    arm: Arm
    reason: str


def ruled(case: Case, arms: Arms, pinned: str = "") -> Ruled:
    """The weakest arm that is allowed, or one step more where the text has several steps. `pinned`
    is why some are not."""
    if case.criteria.several_steps:
        return Ruled(next((arm for arm in arms if arm.thinks), arms[0]), "rule: several steps")
    return Ruled(arms[0], f"rule: the least, {pinned}" if arms[0].thinks else "rule: none needed")


def prior(arm: Arm) -> dict[str, float]:
    """Weights of features: what the table believes an arm's answers are worth."""
    base, steps = PRIOR[arm.mode]
    return {"bias": base, "steps": steps}
