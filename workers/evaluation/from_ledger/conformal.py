"""How high lambda may be so that hardly any thought is missed: conformal risk control
(Angelopoulos et al., arXiv 2208.02814). Pure.

A miss is a message that was not thought about, went wrong, and would have gone right with a
thought. The higher lambda, the more is missed. Messages with both outcomes known tell the lambda
up to which the share of misses stays under a bound among further messages like them. The bound
holds on average over the messages that one happens to have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LEAST_PAIRS = 50
"""With fewer pairs the bound says nothing: one more miss alone could be 2 % of the messages."""


class Pair(NamedTuple):
    """One message that was answered without a thought and with one."""

    price: float
    """Lambda from which on the message would no longer have been thought about at once."""

    cheap: bool
    """The answer without a thought was right."""

    thought: bool
    """The answer with a thought was right."""

    @property
    def needed(self) -> bool:
        return self.thought and not self.cheap


class Bound(NamedTuple):
    """The lambda up to which no more than a share of messages misses a thought."""

    price: float
    """The bound holds below this lambda; infinite: at any."""

    most: float
    """Greatest share of messages that miss a thought they need."""

    needed: int
    """Pairs that needed a thought."""

    pairs: int


def control(pairs: Sequence[Pair], most: float) -> Bound | None:
    """None if there are too few pairs, or if even always thinking could not keep the bound."""
    if len(pairs) < LEAST_PAIRS:
        return None
    # Count one miss that was not seen: (misses + 1) / (pairs + 1) <= most.
    allowed = int(most * (len(pairs) + 1) + 1e-9) - 1
    if allowed < 0:
        return None
    needed = sorted(pair.price for pair in pairs if pair.needed)
    price = needed[allowed] if allowed < len(needed) else float("inf")
    return Bound(price, most, len(needed), len(pairs))
