"""Probing a model: a yes-or-no question that it answers with one token. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ponderd.workers.context.render import Message
from ponderd.workers.llm.margin import Token

YES_OR_NO = ("yes", "no")

NEEDS_THOUGHT = (
    "Before you answer: does this have to be worked out step by step? Answer yes or no only."
)


def with_question(messages: list[Message], question: str) -> list[Message]:
    """The real messages, with a question after them, so that the prefix cache serves the rest. The
    question joins the last message if a person wrote that: some templates refuse two in a row."""
    *before, last = messages
    if last["role"] != "user":
        return [*messages, {"role": "user", "content": question}]
    return [*before, {"role": "user", "content": f"{last['content']}\n\n{question}"}]


def log_odds(top: Iterable[Token]) -> float:
    """Log-odds of yes, from the most probable first tokens. 0 if neither word is among them."""
    yes, no, least = [], [], 0.0
    for token, logprob in top:
        if not math.isfinite(logprob):  # as good as impossible
            continue
        least = min(least, logprob)
        word = token.strip(" \"'.").lower()
        if word in ("yes", "y"):
            yes.append(logprob)
        elif word in ("no", "n"):
            no.append(logprob)
    if not yes and not no:
        return 0.0
    return _sum(yes or [least]) - _sum(no or [least])


def _sum(logprobs: list[float]) -> float:
    most = max(logprobs)
    return most + math.log(sum(math.exp(logprob - most) for logprob in logprobs))
