"""vLLM's dialect of the OpenAI API; also spoken to servers that are unknown.

Field names and traps were measured on vLLM 0.32: `enable_thinking` must be sent both ways;
`thinking_token_budget` is refused without a reasoning parser and ignored by some versions
(vllm#54906, #39573), so thoughts that outgrow it are cut here; a JSON answer after thinking may
come back empty, so it is asked for again without.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from channels.errors import ModelFailed
from workers.events import Decision
from workers.llm.client import Budgets, Completion, Message
from workers.llm.http import BadRequest, Http, encoded, joined

OPTIONAL = ("thinking_token_budget", "chat_template_kwargs")
"""Fields that are left out, one after the other, when a server refuses the request."""


def request(
    model: str,
    messages: list[Message],
    schema: dict[str, Any],
    decision: Decision,
    max_tokens: int,
) -> dict[str, Any]:
    """The body of the request, in a fixed order: its SHA-256 is recorded."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_completion_tokens": decision.budget + max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "chat_template_kwargs": {"enable_thinking": decision.mode != "none"},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "action", "schema": schema, "strict": True},
        },
    }
    if decision.mode == "none":
        return body | {"temperature": 0}
    # Qwen3's card: greedy decoding makes a thought repeat itself.
    return body | {"thinking_token_budget": decision.budget, "temperature": 0.6, "top_p": 0.95}


def without(body: dict[str, Any], left_out: int) -> dict[str, Any]:
    """The body without the first `left_out` optional fields."""
    return {name: body[name] for name in body if name not in OPTIONAL[:left_out]}


class VLLM:
    default_budgets = Budgets(short=1024, long=8192)

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self._model = model
        self._left_out = 0

    async def attempt(
        self, messages: list[Message], schema: dict[str, Any], decision: Decision, max_tokens: int
    ) -> Completion:
        body = request(self._model, messages, schema, decision, max_tokens)
        if decision.mode == "none":
            return await self._ask(body, budget=None)
        first = await self._ask(body, budget=decision.budget)
        # A thought that a budget cut short can close itself inside the answer (seen on vLLM 0.32).
        if first.content.strip() and "</think>" not in first.content:
            return first
        second = await self.attempt(messages, schema, Decision(mode="none"), max_tokens)
        return replace(
            second,
            attempts=first.attempts + second.attempts,
            reasoning=first.reasoning,
            prompt_tokens=first.prompt_tokens + second.prompt_tokens,
            cached_tokens=first.cached_tokens + second.cached_tokens,
            completion_tokens=first.completion_tokens + second.completion_tokens,
            reasoning_tokens=first.reasoning_tokens + second.reasoning_tokens,
        )

    async def _ask(self, body: dict[str, Any], budget: int | None) -> Completion:
        for left_out in range(self._left_out, len(OPTIONAL) + 1):
            sent = without(body, left_out)
            try:
                answer = await self._stream(sent, budget)
            except BadRequest:
                if not any(name in sent for name in OPTIONAL):
                    raise
            else:
                self._left_out = left_out
                return answer
        raise AssertionError("the last round returns or raises")

    async def _stream(self, body: dict[str, Any], budget: int | None) -> Completion:
        data = encoded(body)
        answer = Answer(budget)
        await self._http.stream("/v1/chat/completions", data, answer.take)
        return answer.completion(self._model, hashlib.sha256(data).hexdigest())


class Answer:
    """Gathers one streamed answer. A `budget` in tokens stops a thought that ignores it."""

    def __init__(self, budget: int | None) -> None:
        self._budget = budget
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_chars = 0
        self._usage: dict[str, Any] = {}
        self._cut = False
        self._finished = False

    def take(self, data: dict[str, Any]) -> bool:
        self._usage = data.get("usage") or self._usage
        for choice in data["choices"]:
            delta = choice["delta"]
            if content := delta.get("content"):
                self._content.append(content)
            if thought := delta.get("reasoning") or delta.get("reasoning_content"):
                self._reasoning.append(thought)
                self._reasoning_chars += len(thought)
            if choice.get("finish_reason"):
                self._finished = True
        self._cut = self._outgrown()
        return self._cut

    def _outgrown(self) -> bool:
        """A piece is a token or more, and hardly any token is longer than eight characters."""
        if self._budget is None or self._content:
            return False
        tokens = max(len(self._reasoning), self._reasoning_chars / 8)
        return tokens > 1.25 * self._budget + 32

    def completion(self, model: str, prompt_hash: str) -> Completion:
        if not self._finished and not self._cut:
            raise ModelFailed("the model server closed the connection in the middle of an answer")
        content, reasoning = joined(self._content), joined(self._reasoning)
        completion_tokens = self._usage.get("completion_tokens") or len(self._reasoning)
        details = self._usage.get("completion_tokens_details") or {}
        share = len(reasoning) / max(1, len(content) + len(reasoning))
        reasoning_tokens = details.get("reasoning_tokens")
        if reasoning_tokens is None:  # older servers do not count them apart
            reasoning_tokens = round(completion_tokens * share)
        return Completion(
            content="" if self._cut else content,
            model=model,
            prompt_hash=prompt_hash,
            reasoning=reasoning,
            prompt_tokens=self._usage.get("prompt_tokens") or 0,
            cached_tokens=(self._usage.get("prompt_tokens_details") or {}).get("cached_tokens")
            or 0,
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
        )
