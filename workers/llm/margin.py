"""How sure a model was of what it wrote: the least log-probability that matters. Pure.

What matters are the tokens of values that one can be wrong about: the name of an action, numbers,
short words. Long texts can be put in many ways, so an improbable word there means nothing, and
neither does punctuation, which a grammar may force on the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

Token = tuple[str, float]
"""Text, and the natural logarithm of its probability."""


def token_of(text: object, logprob: object) -> Token:
    """What a server says of one token; a log-probability that is none is NaN, and says nothing."""
    known = isinstance(logprob, int | float)
    return text if isinstance(text, str) else "", float(logprob) if known else math.nan  # type: ignore[arg-type]


SHORT_WORDS = 4
"""A string of more words than this is a text."""

_LEAF = re.compile(
    r'"((?:[^"\\]|\\.)*)"(?P<key>\s*:)?|(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false'
)


def margin(tokens: Sequence[Token]) -> float | None:
    """None if nothing in it can be compared, or its log-probabilities are none."""
    text = "".join(token for token, _ in tokens)
    spans = list(comparable(text))
    least: float | None = None
    position = 0
    for token, logprob in tokens:
        begin, position = position, position + len(token)
        # A token that ends a value ('"}') or begins it ('":"') belongs to the punctuation, too.
        if any(begin < end and start < position for start, end in spans):
            if math.isnan(logprob):
                return None
            least = logprob if least is None else min(least, logprob)
    return None if least is None or not math.isfinite(least) else least


def comparable(text: str) -> Iterator[tuple[int, int]]:
    """Where in a JSON text the values are that one can be wrong about: beginning and end."""
    for found in _LEAF.finditer(text):
        if found["key"]:
            continue
        if found[1] is None:
            yield found.span()
        elif found[1].strip() and len(found[1].split()) <= SHORT_WORDS:
            yield found.span(1)
