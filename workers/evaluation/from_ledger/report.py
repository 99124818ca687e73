"""What thinking has brought: one page made from the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.evaluation.from_ledger.estimate import (
    Estimate,
    LoggedEpisodes,
    TargetPolicy,
    always,
    at_random,
    best_believed,
    best_per_kind,
    by_value,
    estimate,
    gather,
    observed,
)
from ponderd.workers.thinking.beliefs import PRICE_OF_SHORT, price_of
from ponderd.workers.thinking.ledger import CallEntry, Episode

GOOD = 0.5
"""Least reward of a good answer."""

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 3.0, 10.0)
"""Values of lambda along the front, expressed as the price of a short thought in chance of a
good answer."""

ORDER = ("none", "short", "long")


class ArmReport(BaseModel):
    """What is known of one arm."""

    arm: str
    calls: int
    share: float
    """Its share of all calls."""

    episodes: int
    """Episodes that began with it."""

    rewarded: int
    reward: float | None
    """Mean reward of those episodes, as far as it is known."""

    tokens: float
    thinking_tokens: float
    p95_seconds: float
    """Of its calls."""


class Point(BaseModel):
    """One policy."""

    name: str
    reward: float
    """Expected reward, doubly robust."""

    low: float
    """Lower end of the 95 % interval of the reward, by conversation."""

    high: float
    """Upper end."""

    tokens: float
    """For one message."""

    think_rate: float
    """Share of messages that are thought about at first."""

    price: float | None = None


class Report(BaseModel):
    """The whole page."""

    calls: int
    messages: int
    rewarded: int
    conversations: int
    think_rate: float
    """AdaCoT's T: the share of calls that thought."""

    arms: list[ArmReport]
    reward: Point | None
    """AdaCoT's P: what was achieved in fact."""

    misses: float
    """Share of messages with a known outcome that failed without a thought, and then succeeded with
    one."""

    overs: float | None
    """Share of them that were thought about, though the answer would have been good without. An
    estimate."""

    free: int
    """Messages with a known outcome that could have been decided otherwise."""

    front: list[Point]
    """About the `free` messages."""

    references: list[Point]
    """About the `free` messages."""

    price: float


def report(episodes: Sequence[Episode], arms: Arms, price: float | None) -> Report:
    """`price` is the workers' lambda, in reward per 1,000 tokens; None: what suits these arms."""
    calls = [entry for episode in episodes for entry in episode.calls]
    evidence = gather(episodes, arms)
    free = evidence.free()
    return Report(
        calls=len(calls),
        messages=len(episodes),
        rewarded=sum(episode.reward is not None for episode in episodes),
        conversations=len({entry.conversation for entry in calls}),
        think_rate=_share(sum(entry.decision.mode != "none" for entry in calls), len(calls)),
        arms=[_arm(arm, episodes, calls) for arm in arms],
        reward=point("as it was", observed(evidence)) if len(evidence) else None,
        misses=_share(sum(map(_missed, episodes)), len(evidence)),
        overs=_overs(evidence),
        free=len(free),
        front=front(free) if len(free) else [],
        references=_references(free) if len(free) else [],
        price=price_of(arms, price),
    )


def arms_of(episodes: Sequence[Episode]) -> Arms:
    """The arms in the ledger, from the least effort to the most."""
    seen: dict[str, Arm] = {}
    for episode in episodes:
        for entry in episode.calls:
            decision = entry.decision
            before = seen.get(decision.arm)
            budget = max(decision.budget, before.budget if before else 0)
            seen[decision.arm] = Arm(decision.arm, decision.mode, budget)
    named = [seen[name] for name in ORDER if name in seen]
    others = [arm for name, arm in seen.items() if name not in ORDER]
    return tuple(named + sorted(others, key=lambda arm: arm.budget))


def front(free: LoggedEpisodes) -> list[Point]:
    """The policy at each lambda, in order of lambda."""
    points = []
    for share in SHARES:
        price = share / PRICE_OF_SHORT * price_of(free.arms, None)
        found = estimate(free, by_value(free.arms, price))
        points.append(point(f"lambda {price:.3g}", found, price))
    return points


def _references(free: LoggedEpisodes) -> list[Point]:
    """The policies to compare with. `oracle` does not know what each arm would have brought, as
    it does for a table: nobody saw that. It takes the arm with the greatest expected reward, at
    any price."""
    shares = Counter(episode.arm for episode in free.samples)
    rates = {arm: count / len(free) for arm, count in shares.items()}
    points = [point("as it was", observed(free))]
    policies: dict[str, TargetPolicy] = {f"always-{arm.name}": always(arm) for arm in free.arms}
    policies["random"] = at_random(rates)
    policies["best-per-kind"] = best_per_kind(free)
    policies["oracle"] = best_believed
    return points + [point(name, estimate(free, choice)) for name, choice in policies.items()]


def point(name: str, found: Estimate, price: float | None = None) -> Point:
    return Point(
        name=name,
        reward=found.reward,
        low=found.low,
        high=found.high,
        tokens=found.tokens,
        think_rate=found.think_rate,
        price=price,
    )


def _arm(arm: Arm, episodes: Sequence[Episode], calls: Sequence[CallEntry]) -> ArmReport:
    own = [entry.call for entry in calls if entry.decision.arm == arm.name]
    begun = [episode for episode in episodes if episode.first.decision.arm == arm.name]
    rewards = [episode.reward.value for episode in begun if episode.reward]
    return ArmReport(
        arm=arm.name,
        calls=len(own),
        share=_share(len(own), len(calls)),
        episodes=len(begun),
        rewarded=len(rewards),
        reward=float(np.mean(rewards)) if rewards else None,
        tokens=_mean([call.completion_tokens for call in own]),
        thinking_tokens=_mean([call.reasoning_tokens for call in own]),
        p95_seconds=float(np.percentile([call.seconds for call in own], 95)) if own else 0.0,
    )


def _missed(episode: Episode) -> bool:
    first, last, reward = episode.first, episode.last, episode.reward
    return (
        first.decision.mode == "none"
        and first.status != "ok"
        and last.decision.mode != "none"
        and last.status == "ok"
        and last.agrees is not True
        and reward is not None
        and reward.value >= GOOD
    )


def _overs(evidence: LoggedEpisodes) -> float | None:
    silent = [k for k, arm in enumerate(evidence.arms) if not arm.thinks]
    if not silent or not len(evidence):
        return None
    thought = [
        float(evidence.rewards[i, silent[0]])
        for i, episode in enumerate(evidence.episodes)
        if episode.first.decision.mode != "none" and episode.reward and episode.reward.value >= GOOD
    ]
    return sum(thought) / len(evidence)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
