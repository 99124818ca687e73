"""Doubles of what lies outside a worker, for unit tests: a model that says what it is told, and a
channel that remembers what it was given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponderd.channels.errors import DeliveryError, ModelError
from ponderd.channels.message import Reply
from ponderd.workers.agents.arms import Arms, own_arms
from ponderd.workers.context.render import Message
from ponderd.workers.llm.client import CallOptions, Capabilities, Completion, ProbeResult
from ponderd.workers.run.model_call import CallUsage, ThinkingDecision

Line = Mapping[str, Any] | str | ModelError


@dataclass
class FakeModel:
    """Says its lines in turn; the last one repeats. `before_answer` runs while it 'thinks'."""

    lines: Sequence[Line] = ({"action": "reply", "text": "ok"},)
    before_answer: Callable[[int], Any] | None = None
    broken: list[Exception] = field(default_factory=list)
    """What `before_answer` raised: a worker goes on after that, but the test should not."""
    prompts: list[list[Message]] = field(default_factory=list)
    decisions: list[ThinkingDecision] = field(default_factory=list)
    options: list[CallOptions] = field(default_factory=list)
    thoughts: int = 0
    """Tokens that each answer takes besides its own."""
    reasoning: str = ""
    margins: Sequence[float | None] = (None,)
    """By answer, in turn; the last one repeats."""
    odds: float | None = None
    """What it says when it is asked whether to think; None: it does not answer."""
    probes: int = 0

    async def complete(
        self,
        messages: list[Message],
        *,
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions = CallOptions(),  # noqa: B008
    ) -> Completion:
        line = self.lines[min(len(self.prompts), len(self.lines) - 1)]
        self.prompts.append(messages)
        self.decisions.append(decision)
        self.options.append(options)
        if self.before_answer:
            try:
                found = self.before_answer(len(self.prompts))
                if asyncio.iscoroutine(found):
                    await found
            except Exception as error:
                self.broken.append(error)
                raise
        if isinstance(line, ModelError):
            raise line
        content = line if isinstance(line, str) else json.dumps(line)
        return Completion(
            content=content,
            model="fake",
            prompt_hash=f"hash-{len(self.prompts)}",
            usage=CallUsage(
                seconds=0.1,
                prompt_tokens=10,
                completion_tokens=5 + self.thoughts,
                reasoning_tokens=self.thoughts,
            ),
            reasoning=self.reasoning,
            margin=self.margins[min(len(self.prompts), len(self.margins)) - 1],
        )

    async def probe(
        self,
        messages: list[Message],
        question: str,
        options: CallOptions = CallOptions(),  # noqa: B008
    ) -> ProbeResult:
        self.probes += 1
        if self.odds is None:
            raise ModelError("no answer")
        usage = CallUsage(seconds=0.5, prompt_tokens=12, completion_tokens=1)
        cost = Completion("", "fake", "", usage=usage)
        return ProbeResult(self.odds, cost)

    async def model(self) -> str:
        return "fake"

    async def arms(self) -> Arms:
        return own_arms(short=256, long=1024)

    async def examine(self, *, thoroughly: bool = False) -> dict[str, Capabilities | ModelError]:
        return {"": Capabilities()}

    async def close(self) -> None:
        pass


@dataclass
class FakeChannel:
    """Fails as often as `failures` says, then delivers."""

    name: str = "webhook"
    failures: list[DeliveryError] = field(default_factory=list)
    sent: list[tuple[Reply, bool]] = field(default_factory=list)

    async def send(self, reply: Reply, *, resend: bool) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((reply, resend))
        return f"receipt-{len(self.sent)}"

    async def close(self) -> None:
        pass

    @property
    def texts(self) -> list[str]:
        return [reply.text for reply, _ in self.sent]
