"""llama.cpp's own API: /apply-template renders the prompt, /completion continues it.

Its /v1/chat/completions ignores the schema's `x-guidance` (measured: 26 tokens instead of 15 for
the same action, the rest white space) and cuts thoughts badly. So an answer takes two or three
small requests here, and we end the thought. Each continuation costs a few tokens of prefill.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from ponderd.channels.errors import ModelError
from ponderd.workers.context.render import Message
from ponderd.workers.llm.canary import QUESTION, SCHEMA, examined
from ponderd.workers.llm.client import CallOptions, Capabilities, Completion, ProbeResult
from ponderd.workers.llm.continuing import DRAFT_TEMPERATURE, Part, think_and_answer
from ponderd.workers.llm.http import Http, encoded, joined
from ponderd.workers.llm.probe import YES_OR_NO, log_odds
from ponderd.workers.run.model_call import CallUsage, ThinkingDecision


def template_request(messages: list[Message], *, thinking: bool) -> dict[str, Any]:
    """The request that carries the conversation, in a fixed order, because its SHA-256 is recorded.
    The server's rendering of it is then continued."""
    return {
        "messages": messages,
        "chat_template_kwargs": {"enable_thinking": thinking},
        "add_generation_prompt": True,
    }


class LlamaCpp:
    """Implements `connect.Dialect` and `continuing.Continues`."""

    default_budgets = 256, 1024

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self.model = model
        # We cut and count thoughts ourselves, whatever the server can do.
        self.capabilities = Capabilities(continues=True)

    async def attempt(
        self,
        messages: list[Message],
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions,
    ) -> Completion:
        return await think_and_answer(
            self, self.model, messages, schema, decision, max_tokens, options
        )

    async def probe(self, messages: list[Message], options: CallOptions) -> ProbeResult:
        prompt, _ = await self.render(messages, thinking=False)
        body = {
            "prompt": prompt,
            "n_predict": 1,
            "n_probs": 20,
            "temperature": 0,
            "cache_prompt": True,
            "grammar": "root ::= " + " | ".join(f'"{word}"' for word in YES_OR_NO),
        }
        return await self._http.post("/completion", encoded(body), self._probe_result)

    def _probe_result(self, data: dict[str, Any]) -> ProbeResult:
        (first, *_) = data["completion_probabilities"]
        odds = log_odds((top["token"], top["logprob"]) for top in first["top_logprobs"])
        cost = Completion(
            content="",
            model=self.model,
            prompt_hash="",
            usage=CallUsage(
                prompt_tokens=data["tokens_evaluated"],
                cached_tokens=data.get("timings", {}).get("cache_n", 0),
                completion_tokens=data["tokens_predicted"],
            ),
        )
        return ProbeResult(odds, cost)

    async def examine(self, *, thoroughly: bool) -> Capabilities:
        """See only whether the template knows the switch: budget and JSON are our own work. Nothing
        could be done about a template that does not, and looking takes seconds on a CPU, so it is
        skipped unless `thoroughly`."""
        if not thoroughly:
            return self.capabilities

        def ask(decision: ThinkingDecision, tokens: int) -> Awaitable[Completion]:
            return self.attempt(QUESTION, SCHEMA, decision, tokens, CallOptions())

        self.capabilities = await examined(ask, continues=True)
        return self.capabilities

    async def render(self, messages: list[Message], *, thinking: bool) -> tuple[str, bytes]:
        request = encoded(template_request(messages, thinking=thinking))
        prompt = await self._http.post("/apply-template", request, lambda data: str(data["prompt"]))
        return prompt, request

    async def go_on(
        self,
        prompt: str,
        *,
        max_tokens: int,
        stop: str | None = None,
        schema: dict[str, Any] | None = None,
        options: CallOptions,
    ) -> Part:
        body: dict[str, Any] = {"prompt": prompt, "n_predict": max_tokens}
        if stop is not None:
            body["stop"] = [stop]
        if schema is not None:
            body["json_schema"] = schema | {"x-guidance": {"whitespace_flexible": False}}
        if options.margin:
            body["n_probs"] = 1
        body["temperature"] = DRAFT_TEMPERATURE if options.draft else 0
        if options.draft:
            body["seed"] = options.draft
        gathered = _Gathered()
        data = encoded(body | {"stream": True, "cache_prompt": True})
        # llama.cpp's server closes a connection after a stream, and does not announce it.
        await self._http.stream("/completion", data, gathered.take, reuse=False)
        return gathered.part()


class _Gathered:
    """One streamed continuation."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._pieces: list[tuple[str, float]] = []

    def take(self, data: dict[str, Any]) -> bool:
        self._texts.append(data["content"])
        for token in data.get("completion_probabilities") or ():
            self._pieces.append((token["token"], token["logprob"]))
        if data["stop"]:
            self._last = data
        return False

    def part(self) -> Part:
        last = self._last
        if last is None:
            raise ModelError(
                "the model server closed the connection in the middle of an answer", at_work=True
            )
        return Part(
            text=joined(self._texts),
            tokens=last["tokens_predicted"],
            prompt_tokens=last["tokens_evaluated"],
            cached_tokens=last.get("timings", {}).get("cache_n", 0),
            cut=last.get("stop_type") == "limit",
            pieces=tuple(self._pieces),
        )
