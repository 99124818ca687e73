"""Keep a thought to its budget without the server's help: it renders the prompt, and continues it
in two parts. The first part is the thought, cut where the budget ends; the second is the answer.

Used for llama.cpp, whose chat endpoint cuts thoughts badly, and for servers that were seen to
ignore a budget or to break JSON after a thought. It costs one more request, and a few tokens of
prefill where the server keeps prefixes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ponderd.workers.context.render import Message
from ponderd.workers.llm.client import CallOptions, Completion
from ponderd.workers.llm.margin import Token, margin
from ponderd.workers.run.model_call import CallUsage, ThinkingDecision

BEGIN, END = "<think>", "</think>"

DRAFT_TEMPERATURE = 0.7
"""Above 0, so that two drafts of one answer can differ."""


@dataclass(frozen=True, slots=True)
class Part:
    """One continuation of a prompt."""

    text: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cut: bool = False
    """It ended because it ran out of tokens."""

    pieces: tuple[Token, ...] = ()
    """Its tokens with their log-probabilities, if they were asked for."""


class Continues(Protocol):
    async def render(self, messages: list[Message], *, thinking: bool) -> tuple[str, bytes]:
        """Render the prompt with the model's template. Returns it with the request body that asked
        for it."""
        ...

    async def go_on(
        self,
        prompt: str,
        *,
        max_tokens: int,
        stop: str | None = None,
        schema: dict[str, Any] | None = None,
        options: CallOptions,
    ) -> Part:
        """Write at most `max_tokens` more, until `stop`, or as one JSON object of `schema`."""
        ...


async def think_and_answer(
    server: Continues,
    model: str,
    messages: list[Message],
    schema: dict[str, Any],
    decision: ThinkingDecision,
    max_tokens: int,
    options: CallOptions,
) -> Completion:
    thinking = decision.mode != "none"
    prompt, request = await server.render(messages, thinking=thinking)
    thought = Part()
    if thinking:
        prompt = opened(prompt, decision.frame)
        thought = await server.go_on(
            prompt, max_tokens=decision.budget, stop=END, options=replace(options, margin=False)
        )
        prompt += f"{thought.text.rstrip()}\n{END}\n\n"
    else:
        prompt = closed(prompt)
    answer = await server.go_on(prompt, max_tokens=max_tokens, schema=schema, options=options)
    first = thought if thinking else answer
    return Completion(
        content=answer.text,
        model=model,
        prompt_hash=hashlib.sha256(request).hexdigest(),
        reasoning=f"{decision.frame} {thought.text}".strip() if thinking else "",
        usage=CallUsage(
            prompt_tokens=first.prompt_tokens,
            cached_tokens=first.cached_tokens,
            completion_tokens=thought.tokens + answer.tokens,
            reasoning_tokens=thought.tokens,
        ),
        margin=margin(answer.pieces) if options.margin else None,
        cut=answer.cut,
    )


def opened(prompt: str, frame: str = "") -> str:
    """Open a thought at the end of the prompt, beginning with `frame`. Some templates open it
    themselves, others leave that to the model (Qwen3's)."""
    if not prompt.rstrip().endswith(BEGIN):
        prompt += f"{BEGIN}\n"
    # Do not touch the end without a frame: llama.cpp's templates end in `<think>` for a reason.
    return f"{prompt.rstrip()}\n{frame} " if frame else prompt


def closed(prompt: str) -> str:
    """Close the thought if the template has opened one."""
    return f"{prompt.rstrip()}\n\n{END}\n\n" if prompt.rstrip().endswith(BEGIN) else prompt
