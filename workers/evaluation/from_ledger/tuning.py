"""Choose lambda from the front that the ledger shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel

from ponderd.channels.errors import PonderdError
from ponderd.workers.agents.arms import Arms
from ponderd.workers.evaluation.from_ledger.conformal import Pair, control
from ponderd.workers.evaluation.from_ledger.estimate import by_value, estimate, gather
from ponderd.workers.evaluation.from_ledger.report import Point, front, point
from ponderd.workers.thinking.beliefs import Score, learn, price_of
from ponderd.workers.thinking.ledger import Episode, episode_samples

LEAST = 30
"""Fewest messages with a known outcome to choose by. With fewer, the intervals would be wider
than any gain."""


MISSED = 0.05
"""Share of messages that may miss a thought they need, for the bound."""


class Bounded(BaseModel):
    """A bound on missed thoughts, by conformal risk control. It holds for messages like the
    `pairs`: their first answer, without a thought, was sent back and asked for again with one."""

    missed: float
    """Greatest share of those messages that miss a thought they need."""

    price: float | None
    """The bound holds below this lambda; None: at any."""

    kept: bool
    """The chosen lambda keeps the bound."""

    pairs: int


class Change(BaseModel):
    """What is expected of one message before and after."""

    before: Point
    after: Point
    bound: Bounded | None
    """None with too few pairs."""

    pairs: int


def choose(
    episodes: Sequence[Episode],
    arms: Arms,
    price: float | None,
    *,
    budget: float | None,
    keep: float,
) -> Change:
    """Choose a point of the front: the best reward within `budget` (tokens of one message) or,
    if that is None, the fewest tokens within `keep` of the best reward.

    `price` is the workers' lambda (None: what suits these arms). Raises `PonderdError` if there
    is too little to choose by.
    """
    free = gather(episodes, arms).free()
    if len(free) < LEAST:
        raise PonderdError(
            f"only {len(free)} messages with a known outcome could have been decided differently; "
            f"choosing takes at least {LEAST}"
        )
    points = front(free)
    if budget is not None:
        within = [each for each in points if each.tokens <= budget]
        if not within:
            fewest = min(each.tokens for each in points)
            raise PonderdError(
                f"no lambda stays within {budget:g} tokens; the fewest are {fewest:.0f}"
            )
        after = max(within, key=lambda each: (each.reward, -each.tokens))
    else:
        best = max(each.reward for each in points)
        enough = [each for each in points if each.reward >= best - keep]
        after = min(enough, key=lambda each: each.tokens)
    assert after.price is not None
    now = price_of(arms, price)
    before = point("now", estimate(free, by_value(arms, now)), now)
    pairs = pairs_of(episodes, arms)
    return Change(before=before, after=after, bound=_bounded(pairs, after.price), pairs=len(pairs))


def _bounded(pairs: Sequence[Pair], price: float) -> Bounded | None:
    bound = control(pairs, MISSED)
    if bound is None:
        return None
    limit = None if math.isinf(bound.price) else bound.price
    return Bounded(missed=bound.most, price=limit, kept=price < bound.price, pairs=bound.pairs)


def pairs_of(episodes: Sequence[Episode], arms: Arms) -> list[Pair]:
    """Messages that were answered without a thought and with one. What the other half of all
    messages taught tells at which lambda each would have been thought about at once."""
    pairs = []
    halves = (list(episodes[0::2]), list(episodes[1::2]))
    for own, other in (halves, halves[::-1]):
        beliefs = learn(episode_samples(other), arms)
        for episode in own:
            outcomes, first = _outcomes(episode), episode.first
            if outcomes is not None:
                scores = beliefs.expect(first.kind, first.agent, first.decision.features, arms)
                pairs.append(Pair(_worth(scores), *outcomes))
    return pairs


def _worth(scores: Sequence[Score]) -> float:
    """The lambda up to which an arm that thinks has a greater value than one that does not."""
    silent = [score for score in scores if not score.arm.thinks]
    thinking = [score for score in scores if score.arm.thinks]
    return max(
        (
            (more.value(0) - less.value(0)) * 1000 / max(1.0, more.tokens - less.tokens)
            for less in silent[:1]
            for more in thinking
        ),
        default=0.0,
    )


def _outcomes(episode: Episode) -> tuple[bool, bool] | None:
    """Whether the answer without a thought was good, and whether the one with a thought was.
    None if one of them is missing, or nobody knows."""
    last = episode.last
    if not episode.failed_silently or last.decision.mode == "none" or last.status != "ok":
        return None
    if episode.reward is None:
        return None
    good = episode.reward.value >= 0.5
    return (good if last.agrees else False), good
