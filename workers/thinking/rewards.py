"""What an outcome says of the call that led to it, and the rewards that a model is trained with.
Pure. A trainer can import this module: it imports nothing else of ponderd.

`adacot_reward` and `adaptthink_advantages` are the papers' formulas. `trl_reward` and
`compute_score` give them the form that TRL's GRPOTrainer and verl call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

RewardSource = Literal["thumb", "judge", "approval", "again", "tool", "unusable", "quiet"]

REWARDS = {
    "approved": 1.0,
    "edited": 0.5,
    "denied": 0.0,
    "asked again": 0.2,
    "tool error": 0.2,
    "unusable": 0.0,
    "quiet": 0.85,
}
"""The reward of each outcome. A failed tool or a repeated question is a sign of a bad choice,
but no proof; silence is as weak a sign of a good one."""


class Weight(NamedTuple):
    """If an episode has several outcomes, only the one with the lowest rank counts, with this
    weight."""

    rank: int
    weight: float


SOURCES: dict[RewardSource, Weight] = {
    "thumb": Weight(0, 1.0),
    "judge": Weight(1, 1.0),
    "approval": Weight(2, 1.0),
    "unusable": Weight(3, 1.0),
    "again": Weight(4, 0.8),
    "tool": Weight(5, 0.7),
    "quiet": Weight(6, 0.2),
}

SAID: frozenset[RewardSource] = frozenset({"thumb", "judge", "approval"})
"""Outcomes that somebody told us. They count at once; all others are signs, and wait."""

QUIET_SECONDS = 600.0
"""After so long without a complaint, an answer counts as good, a little. Complaints wait as
long. Otherwise the newest messages would be known by complaints only, and the newest count most."""

MISS = 0.3
"""Penalty of `adacot_reward` for a thought that was needed and left out. AdaCoT varies it."""

OVER = 0.3
"""Penalty for a thought that was not needed. AdaCoT varies it, to walk along the Pareto front."""

FORMAT = 0.5
"""Penalty for a completion that is not well formed."""

DELTA = 0.05
"""AdaptThink's bonus for not thinking (arXiv 2505.13417): how much worse an answer without a
thought may be, on average, and still be preferred. It is for training; workers decide with the
smaller `beliefs.BONUS`."""

_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*(.*)", re.DOTALL)


class Parsed(NamedTuple):
    """`thought` is empty for an empty think block. `well_formed`: there was a think block, it
    was closed, and an answer followed."""

    thought: str
    answer: str
    well_formed: bool


def parse(completion: str) -> Parsed:
    matched = _THOUGHT.fullmatch(completion)
    if matched is None:
        return Parsed("", completion.strip(), False)
    return Parsed(matched[1].strip(), matched[2].strip(), bool(matched[2].strip()))


def adacot_reward(
    base: float,
    *,
    thought: bool,
    needed: bool | None,
    well_formed: bool = True,
    miss: float = MISS,
    over: float = OVER,
    malformed: float = FORMAT,
) -> float:
    """R = R_base - a1 P_miss - a2 P_over - g P_fmt (AdaCoT, arXiv 2505.11896, 3.3).

    `base` is how good the answer is, 0 to 1. `needed`: whether the question needs a thought; None:
    not known, so neither penalty applies.
    """
    reward = base
    if needed is True and not thought:
        reward -= miss
    if needed is False and thought:
        reward -= over
    return reward if well_formed else reward - malformed


def adaptthink_advantages(
    rewards: Sequence[float],
    thought: Sequence[bool],
    reference: float,
    delta: float = DELTA,
) -> list[float]:
    """A = 1[no thought] delta + R - R_ref, for answers to one question (AdaptThink, arXiv
    2505.13417, 3.2). `reference` is the mean reward of the model that training began with, when it
    thinks. Raises ValueError if there are not as many rewards as answers."""
    return [
        (0.0 if thinking else delta) + reward - reference
        for reward, thinking in zip(rewards, thought, strict=True)
    ]


def importance_weight(probability: float, greatest: float = 50.0) -> float:
    """How much an observation counts that had this probability. It is bounded so that no rare
    one outweighs all others, yet the trials without thinking (2 %) count in full."""
    return min(greatest, 1 / max(probability, 1e-9))


def trl_reward(
    completions: Sequence[Any],
    *,
    base_reward: Sequence[float],
    needed: Sequence[bool | None],
    **_: Any,
) -> list[float]:
    """A reward function for TRL's GRPOTrainer: the columns of an exported row come as lists, a
    completion as text or as a list of chat messages."""
    return [
        adacot_reward(
            base,
            thought=bool(parsed.thought),
            needed=need,
            well_formed=parsed.well_formed,
        )
        for parsed, base, need in zip(map(_parsed, completions), base_reward, needed, strict=True)
    ]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
) -> float:
    """A reward function for verl (`custom_reward_function`). The answer is good if it says what
    `ground_truth` does; `extra_info["needed"]` is that of an exported row."""
    parsed = parse(solution_str)
    base = float(_normal(parsed.answer) == _normal(str(ground_truth)))
    needed = (extra_info or {}).get("needed")
    return adacot_reward(
        base, thought=bool(parsed.thought), needed=needed, well_formed=parsed.well_formed
    )


def _parsed(completion: Any) -> Parsed:
    if isinstance(completion, str):
        return parse(completion)
    return parse("".join(str(message["content"]) for message in completion))


def _normal(text: str) -> str:
    return " ".join(text.lower().split())
