"""How sure a model was of its answer: the least log-probability of a token that matters. Pure.

The tokens that matter belong to values that can be wrong: the name of an action, numbers, short
words. A long text can be put in many ways, so an improbable word in it means nothing. Neither does
punctuation, which a grammar may force on the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

Token = tuple[str, float]
"""A text, and the natural logarithm of its probability."""


def token_of(text: object, logprob: object) -> Token:
    """What a server says of one token. A log-probability that is not a number becomes NaN."""
    known = isinstance(logprob, int | float)
    return text if isinstance(text, str) else "", float(logprob) if known else math.nan  # type: ignore[arg-type]


SHORT_WORDS = 4
"""A string of more words is a text, not a value."""

_LEAF = re.compile(
    r'"((?:[^"\\]|\\.)*)"(?P<key>\s*:)?|(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false'
)


def margin(tokens: Sequence[Token]) -> float | None:
    """None if the answer holds no value that matters, or has no log-probabilities."""
    text = "".join(token for token, _ in tokens)
    spans = list(comparable(text))
    least: float | None = None
    position = 0
    for token, logprob in tokens:
        begin, position = position, position + len(token)
        # A token that ends a value ('"}') or begins it ('":"') also counts as punctuation.
        if any(begin < end and start < position for start, end in spans):
            if math.isnan(logprob):
                return None
            least = logprob if least is None else min(least, logprob)
    return None if least is None or not math.isfinite(least) else least


def comparable(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each value in a JSON text that can be wrong."""
    for found in _LEAF.finditer(text):
        if found["key"]:
            continue
        if found[1] is None:
            yield found.span()
        elif found[1].strip() and len(found[1].split()) <= SHORT_WORDS:
            yield found.span(1)
