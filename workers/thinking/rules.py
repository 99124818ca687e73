"""What to choose before anything was learned: a small table. Pure.

The learner starts from it, too: its prior is what the table expects of each arm.
"""

from __future__ import annotations

from typing import NamedTuple

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.thinking.case import Case

# Measured on the embedded model (docs/adaptive-thinking.md): thinking costs accuracy on easy
# questions, and gains much on stories with several numbers. By arm: the chance of a good answer
# if nothing is known of the question, and what the feature `steps` adds to it.
PRIOR: dict[str, tuple[float, float]] = {
    "none": (0.85, -0.50),
    "short": (0.82, -0.12),
    "long": (0.80, -0.10),
}


class Ruled(NamedTuple):
    arm: Arm
    reason: str


def ruled(case: Case, arms: Arms, pinned: str = "") -> Ruled:
    """The weakest allowed arm, or a thinking one if the text has several steps. `pinned` is why
    some arms are not allowed."""
    if case.criteria.several_steps:
        return Ruled(next((arm for arm in arms if arm.thinks), arms[0]), "rule: several steps")
    return Ruled(arms[0], f"rule: the least, {pinned}" if arms[0].thinks else "rule: none needed")


def prior(arm: Arm) -> dict[str, float]:
    """Weights of features that express what the table expects of an arm."""
    base, steps = PRIOR[arm.mode]
    return {"bias": base, "steps": steps}
