"""llama.cpp's own API: the prompt is rendered by /apply-template and continued by /completion.

Its /v1/chat/completions ignores the schema's `x-guidance` (measured: 26 instead of 15 tokens for
the same action, the rest white space) and cuts thoughts badly. So an answer takes two or three
small requests here, and a thought is ended by us: continuing costs a few tokens of prefill.
"""

from __future__ import annotations

import hashlib
from typing import Any

from channels.errors import ModelFailed
from workers.events import Decision
from workers.llm.client import Budgets, Completion, Message
from workers.llm.http import Http, encoded, joined

END_OF_THOUGHT = "</think>"


def template_request(messages: list[Message], decision: Decision) -> dict[str, Any]:
    """The request that carries the conversation, in a fixed order: its SHA-256 is recorded. The
    prompt that is then continued is the server's own rendering of it."""
    return {
        "messages": messages,
        "chat_template_kwargs": {"enable_thinking": decision.mode != "none"},
        "add_generation_prompt": True,
    }


class LlamaCpp:
    default_budgets = Budgets(short=256, long=1024)

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self._model = model

    async def attempt(
        self, messages: list[Message], schema: dict[str, Any], decision: Decision, max_tokens: int
    ) -> Completion:
        thinking = decision.mode != "none"
        request = encoded(template_request(messages, decision))
        prompt = await self._http.post("/apply-template", request, lambda data: str(data["prompt"]))
        thought = Part()
        if thinking:
            thought = await self._continue(
                {"prompt": prompt, "n_predict": decision.budget, "stop": [END_OF_THOUGHT]}
            )
            prompt += thought.text.rstrip() + f"\n{END_OF_THOUGHT}\n\n"
        answer = await self._continue(
            {
                "prompt": prompt,
                "n_predict": max_tokens,
                "json_schema": schema | {"x-guidance": {"whitespace_flexible": False}},
            }
        )
        first = thought if thinking else answer
        return Completion(
            content=answer.text,
            model=self._model,
            prompt_hash=hashlib.sha256(request).hexdigest(),
            reasoning=thought.text.strip(),
            prompt_tokens=first.prompt_tokens,
            cached_tokens=first.cached_tokens,
            completion_tokens=thought.tokens + answer.tokens,
            reasoning_tokens=thought.tokens,
        )

    async def _continue(self, body: dict[str, Any]) -> Part:
        data = encoded(body | {"stream": True, "temperature": 0, "cache_prompt": True})
        part = Part()
        # llama.cpp's HTTP server closes a connection after a stream, without saying so before.
        await self._http.stream("/completion", data, part.take, reuse=False)
        if not part.finished:
            raise ModelFailed("the model server closed the connection in the middle of an answer")
        return part


class Part:
    """Gathers one streamed continuation."""

    def __init__(self) -> None:
        self.finished = False
        self.tokens = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return joined(self._pieces)

    def take(self, data: dict[str, Any]) -> bool:
        self._pieces.append(data["content"])
        if data["stop"]:
            self.finished = True
            self.tokens = data["tokens_predicted"]
            self.prompt_tokens = data["tokens_evaluated"]
            self.cached_tokens = data.get("timings", {}).get("cache_n", 0)
        return False
