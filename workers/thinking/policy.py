"""How much the next model call may think: pins, hold, score, probe. Pure; a decision is data.

In this order. `pins` decide which arms are allowed. `hold` keeps the arm through a tool loop.
Otherwise the arms are scored by what was learned (`beliefs`), or by a table of rules until
something was. If the scores are close, the model itself may be asked, with one token. After the
call, `verify` may ask again with the next stronger arm.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ponderd.channels.event_ref import EventRef
from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.thinking.beliefs import Beliefs, Score, price_of
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.criteria import frame
from ponderd.workers.thinking.hold import held
from ponderd.workers.thinking.pins import allowed
from ponderd.workers.thinking.posterior import Array
from ponderd.workers.thinking.rules import ruled

COLD = 30
"""Rewarded episodes of an agent from which on its learned beliefs are used. Until then the rules
choose, and doubt."""

TRIALS = 0.02, 0.5
"""Share of calls to make without thinking whatever the scores say: once warm, and while cold.
AdaptThink samples half of its cases that way. Without trials nobody sees what thinking brings."""

CLOSE = 0.05
"""Difference of two values below which the model itself is asked, if the agent wants that."""

URGENT = 9.0
"""How many times dearer tokens become when a budget runs dry."""

RULES = "rules"

DRAWS = 512


@dataclass(frozen=True, slots=True)
class Policy:
    """What all workers share, and decide by."""

    beliefs: Beliefs = field(default_factory=Beliefs)
    price: float | None = None
    """Tuned lambda, in reward per 1,000 tokens; None: what suits the model."""

    learning: bool = True
    """False: only the rules decide."""

    trying: bool = True
    """False: always take the best arm, and try nothing for the sake of learning."""

    @property
    def version(self) -> str:
        return self.beliefs.version if self.learning and self.beliefs.version else RULES

    def cold(self, agent: str) -> bool:
        return self.beliefs.rewarded.get(agent, 0) < COLD

    def beliefs_for(self, agent: str) -> Beliefs:
        """Beliefs to doubt an answer by. What other agents taught is no reason to doubt a new
        agent."""
        return NOTHING_LEARNED if self.cold(agent) else self.beliefs


NOTHING_LEARNED = Beliefs()


RULES_ONLY = Policy(learning=False)
"""The policy of a worker that has learned nothing yet, or must not learn."""


class AskTheModel:
    """The scores are too close. Ask the model, then decide again."""


ASK_THE_MODEL = AskTheModel()


def decide(case: Case, policy: Policy, chance: float) -> ThinkingDecision | AskTheModel:
    """Choose an arm. `chance` is a random number from 0 up to 1. Asks the model only if
    `case.may_probe`."""
    arms, pinned = allowed(case)
    if kept := held(case, arms):
        return _decision(case, policy, arms, kept.arm, kept.reason)
    if len(arms) == 1:
        return _decision(case, policy, arms, arms[0], pinned or "the only arm")
    if not policy.learning:
        return _decision(case, policy, arms, *ruled(case, arms, pinned))
    if policy.cold(case.agent):
        choice = ruled(case, arms, pinned)
        chances = {arm.name: float(arm is choice.arm) for arm in arms}
        return _drawn(case, policy, arms, chances, chance, choice.reason)
    scores = policy.beliefs.score(case, arms)
    price = price_for(case, policy)
    if case.may_probe and case.thinking.probe and _close(scores, price):
        return ASK_THE_MODEL
    if not policy.trying:
        best = max(scores, key=lambda score: score.value(price))
        return _decision(case, policy, arms, best.arm, "score")
    return _drawn(case, policy, arms, wins(scores, price), chance, "score")


def chance_of(run_id: str, version: int) -> float:
    """The random number of one call. It is the same when the call is decided again after a
    crash."""
    digest = hashlib.sha256(str(EventRef(run_id, version)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def price_for(case: Case, policy: Policy) -> float:
    """Lambda of this call. Once half of a budget is used, tokens become dearer."""
    urgency = max(0.0, case.allowance.pressure - 0.5) * 2
    return price_of(case.arms, policy.price) * (1 + URGENT * urgency)


def wins(scores: Sequence[Score], price: float) -> dict[str, float]:
    """Thompson sampling: the probability that an arm has the greatest value, by its name."""
    means = np.array([score.value(price) for score in scores])
    spreads = np.array([score.spread for score in scores])
    best = np.argmax(means + spreads * _normals(len(scores)), axis=1)
    counts = np.bincount(best, minlength=len(scores)) / DRAWS
    return {score.arm.name: float(count) for score, count in zip(scores, counts, strict=True)}


@functools.cache
def _normals(count: int) -> Array:
    """The same draws for every decision, so that a recorded probability is exact."""
    return np.random.default_rng(0).standard_normal((DRAWS, count))


def trials(rewarded: int) -> float:
    """Share of calls to make without thinking, after so many rewarded episodes."""
    warm, cold = TRIALS
    return warm + (cold - warm) * max(0.0, 1 - rewarded / COLD)


def _drawn(
    case: Case,
    policy: Policy,
    arms: Arms,
    chances: dict[str, float],
    chance: float,
    reason: str,
) -> ThinkingDecision:
    share = trials(policy.beliefs.rewarded.get(case.agent, 0))
    if case.destructive or arms[0].thinks or chances[arms[0].name] == 1:
        share = 0.0
    chances = {name: (1 - share) * each for name, each in chances.items()}
    usual = chances[arms[0].name]
    chances[arms[0].name] += share
    total = 0.0
    for arm in arms:
        total += chances[arm.name]
        if chance < total:
            trial = arm is arms[0] and chance >= usual
            why = "trial without thinking" if trial else reason
            return _decision(case, policy, arms, arm, why, chances[arm.name])
    strongest = max(arms, key=lambda arm: chances[arm.name])  # rounding left a gap at the end
    return _decision(case, policy, arms, strongest, reason, chances[strongest.name])


def _decision(
    case: Case, policy: Policy, arms: Arms, arm: Arm, reason: str, probability: float = 1.0
) -> ThinkingDecision:
    return ThinkingDecision(
        mode=arm.mode,
        arm=arm.name,
        reason=reason,
        budget=arm.budget,
        probability=min(1.0, max(probability, 1e-6)),
        features=case.features,
        policy=policy.version,
        allowed=() if len(arms) == len(case.arms) else tuple(each.name for each in arms),
        frame=frame(case.criteria) if case.thinking.frame and arm.thinks else "",
    )


def _close(scores: Sequence[Score], price: float) -> bool:
    """Whether it is open if the model should think at all. How long, it could not say."""
    silent = [score.value(price) for score in scores if not score.arm.thinks]
    thinking = [score.value(price) for score in scores if score.arm.thinks]
    return bool(silent and thinking) and abs(max(silent) - max(thinking)) < CLOSE
