"""How dear a token may be so that hardly any thought is missed: conformal risk control
(Angelopoulos et al., arXiv 2208.02814). Pure.

A miss is a message that was not thought about, went wrong, and would have gone right with a
thought. The dearer a token, the more is missed. From messages of which both outcomes are known, the
lambda is found up to which the share of misses among further messages like these stays under a
bound, on average over which ones one happens to have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LEAST_PAIRS = 50
"""With fewer the bound says nothing: one more miss alone could be 2 % of the messages."""


class Pair(NamedTuple):
    """`price` is the lambda from which the message would not have been thought about any more, as
    far as was known before. `cheap` and `thought`: whether the answer without and with it was
    right."""

    price: float
    cheap: bool
    thought: bool

    @property
    def needed(self) -> bool:
        return self.thought and not self.cheap


class Bound(NamedTuple):
    """At any lambda below `price` (infinite: at all) a share of at most `most` is missed. `needed`
    of the `pairs` that this was seen from needed a thought."""

    price: float
    most: float
    needed: int
    pairs: int


def control(pairs: Sequence[Pair], most: float) -> Bound | None:
    """None if there are too few pairs, or even always thinking could not promise it."""
    if len(pairs) < LEAST_PAIRS:
        return None
    # One miss that was not seen is counted: (misses + 1) / (pairs + 1) <= most.
    allowed = int(most * (len(pairs) + 1) + 1e-9) - 1
    if allowed < 0:
        return None
    needed = sorted(pair.price for pair in pairs if pair.needed)
    price = needed[allowed] if allowed < len(needed) else float("inf")
    return Bound(price, most, len(needed), len(pairs))
