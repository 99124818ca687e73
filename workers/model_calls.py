"""One model call: decide how much it may think, ask, and understand what it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from channels.errors import ModelFailed
from workers import events as e
from workers.agent import Agent
from workers.answers import Rejected, interpret, schema
from workers.context import render
from workers.leases import HeldRun
from workers.llm.client import Completion, ModelClient
from workers.metrics import Metrics
from workers.run import Run
from workers.steps import interrupts
from workers.thinking.policy import decide
from workers.tool_calls import STORED_CHARS, storable

log = structlog.get_logger(__name__)

MODEL_BACKOFF = (2.0, 10.0, 30.0, 120.0, 300.0)
"""Seconds until a run comes back to a model server that gave no answer, by failure."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per million tokens."""

    prompt: float = 0
    completion: float = 0

    def cost(self, completion: Completion) -> float:
        return (
            completion.prompt_tokens * self.prompt + completion.completion_tokens * self.completion
        ) / 1e6


@dataclass(frozen=True)
class ModelCalls:
    """`context_chars` is how much of a conversation one call may see."""

    client: ModelClient
    metrics: Metrics
    context_chars: int
    prices: Prices = Prices()

    async def call(self, held: HeldRun, run: Run, agent: Agent) -> e.Event:
        """What the model answered, or that it did not; or that the call was dropped, because
        something arrived meanwhile after which its answer would be of no use."""
        began = held.now()
        asking = asyncio.create_task(self._ask_or_fail(held, run, agent))
        try:
            while True:
                news = asyncio.create_task(held.news.wait())
                try:
                    await asyncio.wait({asking, news}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()
                if asking.done():
                    return asking.result()
                held.news.clear()
                if reason := interrupts(run, await held.look(run), agent):
                    log.info("model call dropped", reason=reason)
                    now = held.now()
                    return e.ModelInterrupted(at=now, reason=reason, seconds=now - began)
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _ask_or_fail(self, held: HeldRun, run: Run, agent: Agent) -> e.Event:
        try:
            return await self._ask(held, run, agent)
        except Exception as error:
            # Whatever it was, it counts: left to the sweeper, it would be paid for for ever.
            if not isinstance(error, ModelFailed):
                log.exception("model call failed unexpectedly")
            failures = run.effort.model_failures
            delay = MODEL_BACKOFF[failures] if failures < len(MODEL_BACKOFF) else None
            log.warning("model call failed", error=str(error), retry_in=delay)
            self.metrics.model_failed()
            retry_at = None if delay is None else held.now() + delay
            return e.ModelFailed(at=held.now(), error=storable(str(error)), retry_at=retry_at)

    async def _ask(self, held: HeldRun, run: Run, agent: Agent) -> e.Event:
        decision = decide(
            agent=agent,
            text=run.text,
            mode_before=run.effort.mode,
            rejections=run.effort.rejections,
            last_rejection=run.effort.last_rejection,
            budgets=await self.client.budgets(),
        )
        completion, limit = await complete(self.client, run, agent, decision, self.context_chars)
        call = receipt(completion, decision, limit, self.prices)
        self.metrics.model_called(call)
        content = completion.content[:STORED_CHARS]
        answer = interpret(completion.content, agent)
        if isinstance(answer, Rejected):
            log.info("model answer rejected", reason=answer.reason, mode=decision.mode)
            return e.ModelRejected(
                at=held.now(),
                reason=answer.reason,
                detail=answer.detail,
                content=content,
                call=call,
            )
        log.info("model answered", action=answer.action, mode=decision.mode, seconds=call.seconds)
        return e.ModelAnswered(at=held.now(), choice=answer, content=content, call=call)


async def complete(
    client: ModelClient, run: Run, agent: Agent, decision: e.Decision, limit: int
) -> tuple[Completion, int]:
    """The answer, and how many characters of conversation were asked with: at most `limit`; a
    prompt that is too long for the model is cut and asked again. Raises `ModelFailed`."""
    while True:
        try:
            completion = await client.complete(
                render(run.turns, agent, limit_chars=limit),
                schema=schema(agent),
                decision=decision,
                max_tokens=agent.limits.answer_tokens,
            )
            return completion, limit
        except ModelFailed as error:
            if not error.too_long or limit < 500:
                raise
            limit //= 2


def receipt(
    completion: Completion, decision: e.Decision, limit: int, prices: Prices
) -> e.ModelCall:
    return e.ModelCall(
        model=completion.model,
        decision=decision,
        prompt_hash=completion.prompt_hash,
        seconds=completion.seconds,
        attempts=completion.attempts,
        prompt_tokens=completion.prompt_tokens,
        cached_tokens=completion.cached_tokens,
        completion_tokens=completion.completion_tokens,
        reasoning_tokens=completion.reasoning_tokens,
        context_chars=limit,
        cost=prices.cost(completion),
    )
