"""One model call: decide how much it may think, ask, and understand what it says."""

from __future__ import annotations

import asyncio
import base64
import hmac
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from ponderd.channels.errors import ModelError, Unavailable
from ponderd.channels.text import storable
from ponderd.workers.agents.actions import Rejected, interpret, schema
from ponderd.workers.agents.agent import Agent
from ponderd.workers.context.render import Message, render
from ponderd.workers.execution.leases import LeasedRun
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.threads import in_thread
from ponderd.workers.execution.tool_call import STORED_CHARS
from ponderd.workers.llm.client import CallOptions, Completion, ModelClient
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import reached
from ponderd.workers.steps.next_step import interrupts
from ponderd.workers.thinking.thinker import Thinker, Thought
from ponderd.workers.thinking.verify import doubt, gist, wants_second_draft

log = structlog.get_logger(__name__)

AT_ONCE = ("slack", "terminal", "api")
"""Channels behind which somebody waits for the answer; calls for others have a lower priority."""

LATER = 10
"""vLLM serves lower numbers earlier."""

DRAFT = 1
CHECK_SECONDS = 10.0

SHORTENED = 128
"""Tokens of thought that are kept before the conversation is cut for want of room."""

DRAFT_STANDS = "the draft stands: no better answer was to be had"

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
    """`context_chars` is how much of a conversation one call may see; `salt_key` the secret that
    keeps tenants apart in the prefix cache; `keep_thoughts`: thoughts go into the log, too."""

    client: ModelClient
    metrics: Metrics
    context_chars: int
    thinker: Thinker
    prices: Prices = Prices()
    salt_key: bytes = b""
    keep_thoughts: bool = True

    async def call(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
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

    async def _ask_or_fail(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
        try:
            return await self._ask(held, run, agent)
        except Unavailable:  # the state server's, and the run is tried again
            raise
        except Exception as error:
            # Whatever it was, it counts: left to the sweeper, it would be paid for for ever.
            if not isinstance(error, ModelError):
                log.exception("model call failed unexpectedly")
            failures = run.effort.model_failures
            delay = MODEL_BACKOFF[failures] if failures < len(MODEL_BACKOFF) else None
            log.warning("model call failed", error=str(error), retry_in=delay)
            self.metrics.model_failed()
            retry_at = None if delay is None else held.now() + delay
            return e.ModelFailed(at=held.now(), error=storable(str(error)), retry_at=retry_at)

    async def _ask(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
        def messages() -> list[Message]:
            return render(run.turns, agent, limit_chars=self.context_chars)

        options = self._options(run, agent)
        thought = await self.thinker.decide(run, agent, messages, options, held.now())
        completion, began, lost = None, held.now(), 0.0
        try:
            asked = await complete(
                self.client, run, agent, thought.decision, self.context_chars, options
            )
            completion = asked.completion
            if thought.probe:
                asked = asked._replace(completion=completion.with_cost_of(thought.probe))
            return await self._judged(held, run, agent, thought, asked, options)
        except ModelError as error:
            lost = held.now() - began if error.at_work else 0.0
            if stands := await self.draft(run, agent, held.now()):
                log.warning("the doubted draft stands", error=str(error))
                return stands
            raise
        except asyncio.CancelledError:
            lost = held.now() - began
            raise
        finally:
            await self.thinker.settle(thought, completion, lost=lost)

    async def _judged(
        self,
        held: LeasedRun,
        run: Run,
        agent: Agent,
        thought: Thought,
        asked: Asked,
        options: CallOptions,
    ) -> e.Event:
        """What the answer is taken for: an action, something unusable, or a draft that is asked
        for again with more thought."""
        completion, decision, limit = asked
        policy = self.thinker.policy
        answer = await checked(interpret(completion.content, agent), agent)
        reason = None
        call = receipt(completion, decision, limit, self.prices, options)
        if not isinstance(answer, Rejected):
            case = replace(thought.case, may_repeat=_may_repeat(run, agent, call, held.now()))
            reason = doubt(case, decision, policy, margin=completion.margin, cut=completion.cut)
            if reason is None and wants_second_draft(case, decision, answer):
                draft = replace(options, draft=DRAFT)
                second = await self._second_draft(run, agent, decision, limit, draft)
                if second is not None:
                    other = interpret(second.content, agent)
                    agreed = not isinstance(other, Rejected) and gist(other) == gist(answer)
                    reason = None if agreed else "drafts"
                    completion = completion.with_cost_of(second)
                    call = receipt(completion, decision, limit, self.prices, options)
        verdict = (
            "rejected" if isinstance(answer, Rejected) else "doubted" if reason else "answered"
        )
        self.metrics.model_called(call, verdict)
        content = completion.content[:STORED_CHARS]
        thought_text = storable(completion.reasoning[:STORED_CHARS]) if self.keep_thoughts else ""
        now = held.now()
        if isinstance(answer, Rejected):
            log.info("model answer rejected", reason=answer.reason, arm=decision.arm)
            return e.ModelRejected(
                at=now,
                reason=answer.reason,
                detail=answer.detail,
                content=content,
                call=call,
                thought=thought_text,
            )
        if reason is not None:
            log.info("model answer doubted", reason=reason, arm=decision.arm)
            return e.ModelDoubted(at=now, reason=reason, content=content, call=call)
        log.info("model answered", action=answer.action, arm=decision.arm, seconds=call.seconds)
        return e.ModelAnswered(
            at=now, choice=answer, content=content, call=call, thought=thought_text
        )

    async def draft(self, run: Run, agent: Agent, now: float) -> e.Event | None:
        """The usable answer that was asked for again, now that no better one is to be had; None
        if there was none, or it does what cannot be undone."""
        answer = interpret(run.effort.draft, agent) if run.effort.draft else None
        if answer is None or isinstance(await checked(answer, agent), Rejected):
            return None
        match answer:
            case e.Answer() | e.Question():
                decision = e.ThinkingDecision(
                    mode="none", arm=run.effort.arm or "", reason=DRAFT_STANDS
                )
                call = e.ModelCall(model="", decision=decision, prompt_hash="", seconds=0)
                content = storable(run.effort.draft)
                return e.ModelAnswered(at=now, choice=answer, content=content, call=call)
            case _:
                return None

    async def _second_draft(
        self, run: Run, agent: Agent, decision: e.ThinkingDecision, limit: int, options: CallOptions
    ) -> Completion | None:
        """None if there is none to be had: then the first one has to do."""
        try:
            return (await complete(self.client, run, agent, decision, limit, options)).completion
        except ModelError as error:
            log.info("no second draft", error=str(error))
            return None

    def _options(self, run: Run, agent: Agent) -> CallOptions:
        return CallOptions(
            priority=0 if run.channel in AT_ONCE else LATER,
            cache_salt=cache_salt(self.salt_key, run),
            margin=agent.thinks.mode != "never",
        )


def _may_repeat(run: Run, agent: Agent, call: e.ModelCall, now: float) -> bool:
    """Whether the run may spend one more call after this one: a doubted answer that nobody is
    asked for again would be lost."""
    if run.effort.model_calls + 1 >= agent.limits.model_calls:
        return False
    return reached(replace(run, usage=run.usage.plus(call)), agent, {}, now) is None


def cache_salt(key: bytes, run: Run) -> str:
    """The same for all that one tenant asks, and nobody else can guess it: a Slack workspace, a
    webhook source, a mail domain. Without a key there is none."""
    match run.channel:
        case "slack":
            tenant = run.conversation.partition(":")[0]
        case "email":
            tenant = run.first_sender.rpartition("@")[2].lower()
        case _:
            tenant = run.source
    if not key:
        return ""
    said = f"cache:{run.channel}:{tenant}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, said, "sha256")).decode().rstrip("=")


async def checked(answer: e.Choice | Rejected, agent: Agent) -> e.Choice | Rejected:
    """What the agent's own check says of it. One that fails in another way, or takes too long,
    says no, too: what could not be checked is not done."""
    if isinstance(answer, Rejected) or agent.check is None:
        return answer
    try:
        async with asyncio.timeout(CHECK_SECONDS) as limit:
            await in_thread(agent.check, answer)
    except Exception as error:
        if limit.expired():
            log.warning("the agent's check took too long", agent=agent.name, seconds=CHECK_SECONDS)
            return Rejected("failed_check", f"it could not be checked within {CHECK_SECONDS:g} s")
        if not isinstance(error, ValueError):
            log.exception("the agent's check failed", agent=agent.name)
        problem = storable(str(error) or type(error).__name__)[:300]
        return Rejected("failed_check", problem)
    return answer


class Asked(NamedTuple):
    """An answer, and what it was asked with in the end: a decision, and at most so many characters
    of conversation."""

    completion: Completion
    decision: e.ThinkingDecision
    limit: int


async def complete(
    client: ModelClient,
    run: Run,
    agent: Agent,
    decision: e.ThinkingDecision,
    limit: int,
    options: CallOptions = CallOptions(),  # noqa: B008 (frozen)
) -> Asked:
    """With at most `limit` characters of conversation. What is too long for the model is asked
    again with a shorter thought, then with less conversation. Raises `ModelError`."""
    while True:
        try:
            completion = await client.complete(
                render(run.turns, agent, limit_chars=limit),
                schema=schema(agent),
                decision=decision,
                max_tokens=agent.limits.answer_tokens,
                options=options,
            )
            return Asked(completion, decision, limit)
        except ModelError as error:
            if not error.too_long or limit < 500:
                raise
            if decision.budget > SHORTENED:
                shorter = {"budget": max(SHORTENED, decision.budget // 4)}
                decision = decision.model_copy(update=shorter)
            else:
                limit //= 2


def receipt(
    completion: Completion,
    decision: e.ThinkingDecision,
    limit: int,
    prices: Prices,
    options: CallOptions = CallOptions(),  # noqa: B008 (frozen)
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
        margin=completion.margin,
        cache_salt=options.cache_salt,
        priority=options.priority,
    )
