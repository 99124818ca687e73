"""Gather what vLLM streams: a chat answer with its thought, or the continuation of a prompt."""

from __future__ import annotations

from typing import Any

from ponderd.channels.errors import ModelError
from ponderd.workers.llm.client import Completion
from ponderd.workers.llm.continuing import Part
from ponderd.workers.llm.http import joined
from ponderd.workers.llm.margin import Token, margin, token_of
from ponderd.workers.run.model_call import CallUsage

_BROKEN_OFF = "the model server closed the connection in the middle of an answer"


CHARS_OF_TOKEN = 6
"""Mean characters of a token, estimated high: a thought that kept its budget is never cut."""

LONG_PIECE = 12
"""Mean characters of a piece above which it must hold several tokens."""


class ChatStream:
    """One streamed chat answer. If `budget` is set, a thought that outgrows it is stopped."""

    def __init__(self, budget: int | None) -> None:
        self._budget = budget
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_chars = 0
        self._tokens: list[Token] = []
        self._usage: dict[str, Any] = {}
        self._outgrew = False
        self._finish: str | None = None

    def take(self, data: dict[str, Any]) -> bool:
        self._usage = _counts(data) or self._usage
        for choice in data["choices"]:
            delta = choice["delta"]
            if content := delta.get("content"):
                self._content.append(content)
                for token in (choice.get("logprobs") or {}).get("content") or ():
                    self._tokens.append(token_of(token["token"], token["logprob"]))
            # vLLM's name, and the older one that llama.cpp uses.
            if thought := delta.get("reasoning") or delta.get("reasoning_content"):
                self._reasoning.append(thought)
                self._reasoning_chars += len(thought)
            self._finish = choice.get("finish_reason") or self._finish
        self._outgrew = self._outgrown()
        return self._outgrew

    def _outgrown(self) -> bool:
        if self._budget is None or self._content:
            return False
        return self._thought_tokens() > 1.05 * self._budget + 2

    def _thought_tokens(self) -> int:
        """A lower bound. A piece is one token, unless the server sends several at a time."""
        pieces = len(self._reasoning)
        several = self._reasoning_chars > LONG_PIECE * pieces
        return max(pieces, self._reasoning_chars // CHARS_OF_TOKEN) if several else pieces

    def completion(self, model: str, prompt_hash: str) -> Completion:
        if self._finish is None and not self._outgrew:
            raise ModelError(_BROKEN_OFF, at_work=True)
        content, reasoning = joined(self._content), joined(self._reasoning)
        completion_tokens = self._usage.get("completion_tokens") or self._thought_tokens()
        details = self._usage.get("completion_tokens_details") or {}
        share = len(reasoning) / max(1, len(content) + len(reasoning))
        counted = details.get("reasoning_tokens")  # older servers do not count them apart
        return Completion(
            content="" if self._outgrew else content,
            model=model,
            prompt_hash=prompt_hash,
            reasoning=reasoning,
            usage=CallUsage(
                prompt_tokens=self._usage.get("prompt_tokens") or 0,
                cached_tokens=_cached(self._usage),
                completion_tokens=completion_tokens,
                reasoning_tokens=round(completion_tokens * share) if counted is None else counted,
            ),
            margin=margin(self._tokens),
            cut=self._finish == "length",
            counted=counted is not None,
        )


class Continuation:
    """One streamed continuation of a prompt."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._usage: dict[str, Any] = {}
        self._finish: str | None = None

    def take(self, data: dict[str, Any]) -> bool:
        self._usage = _counts(data) or self._usage
        for choice in data["choices"]:
            self._texts.append(choice["text"])
            if found := choice.get("logprobs"):
                logprobs = found["token_logprobs"]
                self._tokens.extend(map(token_of, found["tokens"], logprobs))
            self._finish = choice.get("finish_reason") or self._finish
        return False

    def part(self) -> Part:
        if self._finish is None:
            raise ModelError(_BROKEN_OFF, at_work=True)
        return Part(
            text=joined(self._texts),
            tokens=self._usage.get("completion_tokens") or len(self._texts),
            prompt_tokens=self._usage.get("prompt_tokens") or 0,
            cached_tokens=_cached(self._usage),
            cut=self._finish == "length",
            pieces=tuple(self._tokens),
        )


MOST = 10_000_000
"""Most tokens that a server can report. A greater count is a fault of the server."""


def _counts(data: dict[str, Any]) -> dict[str, Any]:
    """Return `usage` after checking that each count is from 0 to `MOST`: they are summed up for
    good.

    Raises TypeError or ValueError, which count as broken data.
    """
    usage = data.get("usage") or {}
    for counts in (usage, *(part for part in usage.values() if isinstance(part, dict))):
        for name, count in counts.items():
            if name.endswith("_tokens") and count is not None and not 0 <= count <= MOST:
                raise ValueError(f"{name} is {str(count)[:50]}")
    return usage


def cost_of(data: dict[str, Any], model: str) -> Completion:
    """The cost of an answer that was not streamed. It has no content."""
    usage = _counts(data)
    return Completion(
        content="",
        model=model,
        prompt_hash="",
        usage=CallUsage(
            prompt_tokens=usage.get("prompt_tokens") or 0,
            cached_tokens=_cached(usage),
            completion_tokens=usage.get("completion_tokens") or 0,
        ),
    )


def _cached(usage: dict[str, Any]) -> int:
    return (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
