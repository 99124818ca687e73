"""vLLM's dialect of the OpenAI API. Unknown servers are spoken to in it, too.

Field names and traps were measured on vLLM 0.32. `enable_thinking` must be sent both ways.
`thinking_token_budget` is refused without a reasoning parser, and some versions ignore it
(vllm#54906, #39573): the canary tries whether it binds, and thoughts that outgrow it are cut here.
A JSON answer after a thought may come back empty; it is then asked for again without thinking. What
the canary saw the server not do is done as in `continuing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from ponderd.channels.errors import ModelError
from ponderd.workers.context.render import Message
from ponderd.workers.llm.canary import QUESTION, SCHEMA, can_continue, examined
from ponderd.workers.llm.client import CallOptions, Capabilities, Completion, ProbeResult
from ponderd.workers.llm.continuing import DRAFT_TEMPERATURE, Part, think_and_answer
from ponderd.workers.llm.http import BadRequest, Http, encoded
from ponderd.workers.llm.margin import token_of
from ponderd.workers.llm.probe import YES_OR_NO, log_odds
from ponderd.workers.llm.vllm_stream import ChatStream, Continuation, cost_of
from ponderd.workers.run.model_call import ThinkingDecision

T = TypeVar("T")

OPTIONAL = (
    "priority",
    "cache_salt",
    "logprobs",
    "structured_outputs",
    "thinking_token_budget",
    "chat_template_kwargs",
)
"""Fields to leave out when a server refuses them. If it does not say which one, they go in this
order."""


def request(
    model: str,
    messages: list[Message],
    schema: dict[str, Any],
    decision: ThinkingDecision,
    max_tokens: int,
    options: CallOptions,
) -> dict[str, Any]:
    """The body of the request, in a fixed order, because its SHA-256 is recorded."""
    thinking = decision.mode != "none"
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_completion_tokens": decision.budget + max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "chat_template_kwargs": {"enable_thinking": thinking},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "action", "schema": schema, "strict": True},
        },
    }
    if thinking:
        # Qwen3's card: greedy decoding makes a thought repeat itself.
        body |= {"thinking_token_budget": decision.budget, "temperature": 0.6, "top_p": 0.95}
    else:
        body["temperature"] = DRAFT_TEMPERATURE if options.draft else 0
    return body | _extras(options, chat=True)


def render_request(model: str, messages: list[Message], *, thinking: bool) -> dict[str, Any]:
    """Ask for the prompt as tokens, to keep a thought to its budget ourselves."""
    return {
        "model": model,
        "messages": messages,
        "add_generation_prompt": True,
        "chat_template_kwargs": {"enable_thinking": thinking},
    }


def without(body: dict[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    return {name: body[name] for name in body if name not in left_out}


def _extras(options: CallOptions, *, chat: bool) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if options.priority:
        extras["priority"] = options.priority
    if options.cache_salt:
        extras["cache_salt"] = options.cache_salt
    if options.margin:
        extras["logprobs"] = True if chat else 1
    if options.draft:
        extras["seed"] = options.draft
    return extras


class VLLM:
    """Implements `connect.Dialect` and `continuing.Continues`."""

    default_budgets = 1024, 8192

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self.model = model
        self._left_out: frozenset[str] = frozenset()
        self.capabilities = Capabilities()

    async def attempt(
        self,
        messages: list[Message],
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions,
    ) -> Completion:
        able = self.capabilities
        if _by_us(decision, able):
            return await think_and_answer(
                self, self.model, messages, schema, decision, max_tokens, options
            )
        if decision.mode == "none" and not able.switch_off:
            raise ModelError(
                f"{self.model} thinks although it must not, and its server has no /tokenize "
                "to work around that: start it with a chat template that knows enable_thinking",
                retryable=False,
            )
        body = request(self.model, messages, schema, decision, max_tokens, options)
        if decision.mode == "none":
            return await self._ask(body, budget=None)
        first = await self._ask(body, budget=decision.budget)
        # A thought cut by its budget can close itself inside the answer (seen on vLLM 0.32),
        # or take all the tokens (vllm#30599).
        if first.content.strip() and "</think>" not in first.content and not first.cut:
            return first
        without_thought = ThinkingDecision(mode="none")
        second = await self.attempt(messages, schema, without_thought, max_tokens, options)
        return replace(second, reasoning=first.reasoning).with_cost_of(first)

    async def probe(self, messages: list[Message], options: CallOptions) -> ProbeResult:
        body = {
            "model": self.model,
            "messages": messages,
            "max_completion_tokens": 1,
            "temperature": 0,
            "chat_template_kwargs": {"enable_thinking": False},
            "logprobs": True,
            "top_logprobs": 20,
            "structured_outputs": {"choice": list(YES_OR_NO)},
        }
        # Use the cache and the queue of the call that the question is about.
        body |= _extras(replace(options, margin=False, draft=0), chat=True)

        async def post(data: bytes) -> ProbeResult:
            return await self._http.post("/v1/chat/completions", data, self._probe_result)

        return await self._accepted(body, post, needed=("logprobs", "structured_outputs"))

    def _probe_result(self, data: dict[str, Any]) -> ProbeResult:
        (first, *_) = data["choices"][0]["logprobs"]["content"]
        tops = (token_of(top["token"], top["logprob"]) for top in first["top_logprobs"])
        return ProbeResult(log_odds(tops), cost_of(data, self.model))

    async def examine(self, *, thoroughly: bool) -> Capabilities:
        async def ask(decision: ThinkingDecision, tokens: int) -> Completion:
            body = request(self.model, QUESTION, SCHEMA, decision, tokens, CallOptions())
            return await self._ask(body, budget=None)  # here the server must end the thought

        self.capabilities = await examined(ask, continues=await can_continue(self))
        return self.capabilities

    async def render(self, messages: list[Message], *, thinking: bool) -> tuple[str, bytes]:
        request = encoded(render_request(self.model, messages, thinking=thinking))
        tokens = await self._http.post("/tokenize", request, lambda data: list(data["tokens"]))
        body = encoded({"model": self.model, "tokens": tokens})
        prompt = await self._http.post("/detokenize", body, lambda data: str(data["prompt"]))
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
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": prompt,
            "add_special_tokens": False,
            "max_tokens": max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if stop is not None:
            body |= {"stop": [stop], "temperature": 0.6, "top_p": 0.95}
        else:
            body["temperature"] = DRAFT_TEMPERATURE if options.draft else 0
        if schema is not None:
            body["structured_outputs"] = {"json": schema}
        body |= _extras(options, chat=False)

        async def stream(data: bytes) -> Part:
            gathered = Continuation()
            await self._http.stream("/v1/completions", data, gathered.take)
            return gathered.part()

        return await self._accepted(body, stream, needed=("structured_outputs",))

    async def _ask(self, body: dict[str, Any], budget: int | None) -> Completion:
        async def stream(data: bytes) -> Completion:
            answer = ChatStream(budget)
            await self._http.stream("/v1/chat/completions", data, answer.take)
            return answer.completion(self.model, hashlib.sha256(data).hexdigest())

        return await self._accepted(body, stream)

    async def _accepted(
        self,
        body: dict[str, Any],
        send: Callable[[bytes], Awaitable[T]],
        needed: Collection[str] = (),
    ) -> T:
        """Send `body` without the optional fields that the server refuses. A refusal of a `needed`
        field is raised."""
        left_out = self._left_out
        while True:
            sent = without(body, left_out - set(needed))
            try:
                answer = await send(encoded(sent))
            except BadRequest as error:
                candidates = [name for name in OPTIONAL if name in sent and name not in needed]
                if not candidates:
                    raise
                named = [name for name in candidates if name in str(error).lower()]
                left_out |= {(named or candidates)[0]}
            else:
                self._left_out = left_out
                return answer


def _by_us(decision: ThinkingDecision, able: Capabilities) -> bool:
    """Whether the server should only continue what we render."""
    if not able.continues:
        return False
    if decision.mode == "none":
        return not able.switch_off
    return bool(decision.frame) or not (able.budget and able.json and able.switch_on)
