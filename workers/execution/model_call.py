"""One model call: decide how much it may think, ask, and have the answer judged."""

from __future__ import annotations

import asyncio
import base64
import functools
import hmac
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import structlog

from ponderd.channels.errors import ModelError, Unavailable
from ponderd.channels.text import storable
from ponderd.workers.agents.actions import Rejected, schema
from ponderd.workers.agents.agent import Agent
from ponderd.workers.context.render import Message, render
from ponderd.workers.execution.answers import checked, read_answer
from ponderd.workers.execution.author_code import AuthorCode, InThreads
from ponderd.workers.execution.leases import LeasedRun
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.outage import Outage
from ponderd.workers.execution.tool_call import STORED_CHARS
from ponderd.workers.llm.client import CallOptions, Completion, ModelClient
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, Question
from ponderd.workers.run.model_call import CallUsage, ModelCall, ThinkingDecision
from ponderd.workers.run.state import Run
from ponderd.workers.steps.next_step import interrupts
from ponderd.workers.thinking.judge import Judgement, compare, judge, may_repeat
from ponderd.workers.thinking.thinker import Thinker, Thought

log = structlog.get_logger(__name__)

AT_ONCE = ("slack", "sms", "terminal", "api")
"""Channels where somebody waits for the answer. Calls for other channels have a lower priority."""

LATER = 10
"""Priority of those other calls; vLLM serves lower numbers earlier."""

DRAFT = 1
"""Number of the second draft; the first answer is number 0."""

SHORTENED = 128
"""Fewest tokens of thought to which an overlong request is cut before the conversation is."""

DRAFT_STANDS = "the draft stands: no better answer was to be had"


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per million tokens."""

    prompt: float = 0
    completion: float = 0

    def cost(self, usage: CallUsage) -> float:
        return (usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion) / 1e6


@dataclass(frozen=True)
class ModelCalls:
    client: ModelClient
    metrics: Metrics
    context_chars: int
    """Most characters of a conversation that one call may see."""

    thinker: Thinker
    prices: Prices = Prices()
    salt_key: bytes = b""
    """The secret that keeps tenants apart in the prefix cache."""

    keep_thoughts: bool = True
    """Write thoughts to the log, too."""

    code: AuthorCode = field(default_factory=InThreads)

    outage: Outage = field(default_factory=Outage)

    async def call(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
        """Ask the model. The call is dropped when news arrives that makes its answer useless.

        Returns the answer, the failure or the interruption, as an event."""
        began, seen = held.now(), run
        asking = asyncio.create_task(self._ask_or_fail(held, run, agent))
        try:
            while await held.news.or_any([asking]) and not asking.done():
                held.news.clear()
                seen = await held.look(seen)
                if reason := interrupts(run, seen, agent):
                    log.info("model call dropped", reason=reason)
                    now = held.now()
                    return e.ModelInterrupted(at=now, reason=reason, seconds=now - began)
            return asking.result()
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})

    async def _ask_or_fail(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
        began = held.now()
        try:
            if not self.outage.may_ask(began):
                raise ModelError(self.outage.error, cause="away")
            fact = await self._ask(held, run, agent)
            self.outage.answered(held.now())
            return fact
        except Unavailable:  # the store is away; the run is tried again later
            raise
        except Exception as error:
            # Every failure counts, expected or not. The sweeper would retry it, and pay, for ever.
            if not isinstance(error, ModelError):
                log.exception("model call failed unexpectedly")
            failed = self.outage.failed(run, error, began, held.now())
            log.warning("model call failed", error=failed.error, retry_at=failed.retry_at)
            self.metrics.model_failed()
            return failed

    async def _ask(self, held: LeasedRun, run: Run, agent: Agent) -> e.Event:
        def messages() -> list[Message]:
            return render(run.turns, agent, limit_chars=self.context_chars, gone=run.turns_gone > 0)

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
        read = await read_answer(self.code, asked.completion.content, agent)
        answer = await checked(self.code, read, agent)
        call = receipt(asked, self.prices, options, self.context_chars)
        case = replace(thought.case, may_repeat=may_repeat(run, agent, call, held.now()))
        judgement = judge(answer, asked.completion, case, asked.decision, self.thinker.policy)
        if not judgement.undecided:
            return self._event(judgement, asked.completion, call, held.now())
        second = await self._second_draft(run, agent, asked, options)
        if second is None:
            return self._event(judgement, asked.completion, call, held.now())
        both = asked._replace(completion=asked.completion.with_cost_of(second))
        return self._event(
            compare(answer, await read_answer(self.code, second.content, agent)),
            both.completion,
            receipt(both, self.prices, options, self.context_chars),
            held.now(),
        )

    def _event(
        self, judgement: Judgement, completion: Completion, call: ModelCall, now: float
    ) -> e.Event:
        answer, status, arm = judgement.answer, judgement.status, call.decision.arm
        self.metrics.model_called(call, status)
        if isinstance(answer, Rejected) or judgement.doubt:
            log.info(f"model answer {status}", reason=judgement.reason, arm=arm)
        else:
            log.debug("model answered", action=answer.action, arm=arm, seconds=call.seconds)
        content = completion.content[:STORED_CHARS]
        thought = storable(completion.reasoning[:STORED_CHARS]) if self.keep_thoughts else ""
        return judgement.event(now, call, content, thought)

    async def draft(self, run: Run, agent: Agent, now: float) -> e.Event | None:
        """The answer that was doubted, to be used after all because no better one came.

        None if no answer was doubted, or if it would call a tool."""
        if not run.effort.draft:
            return None
        answer = await read_answer(self.code, run.effort.draft, agent)
        if isinstance(await checked(self.code, answer, agent), Rejected):
            return None
        match answer:
            case Answer() | Question():
                decision = ThinkingDecision(
                    mode="none", arm=run.effort.arm or "", reason=DRAFT_STANDS
                )
                call = ModelCall(model="", decision=decision, prompt_hash="", seconds=0)
                content = storable(run.effort.draft)
                return e.ModelAnswered(at=now, choice=answer, content=content, call=call)
            case _:
                return None

    async def _second_draft(
        self, run: Run, agent: Agent, asked: Asked, options: CallOptions
    ) -> Completion | None:
        """None if the model gave none; then the first draft is used."""
        _, decision, limit = asked
        try:
            draft = replace(options, draft=DRAFT)
            return (await complete(self.client, run, agent, decision, limit, draft)).completion
        except ModelError as error:
            log.info("no second draft", error=str(error))
            return None

    def _options(self, run: Run, agent: Agent) -> CallOptions:
        return CallOptions(
            priority=0 if run.channel in AT_ONCE else LATER,
            cache_salt=cache_salt(self.salt_key, run),
            margin=agent.thinks.mode != "never",
        )


def cache_salt(key: bytes, run: Run) -> str:
    """One salt for each tenant (a Slack workspace, a webhook source, a mail domain), which nobody
    else can guess. "" without a key."""
    match run.channel:
        case "slack":
            tenant = run.conversation.partition(":")[0]
        case "email":
            tenant = run.first_sender.rpartition("@")[2].lower()
        case _:
            tenant = run.source
    return _salt(key, f"cache:{run.channel}:{tenant}") if key else ""


@functools.lru_cache(maxsize=1024)  # every call asks
def _salt(key: bytes, name: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, name.encode(), "sha256")).decode().rstrip("=")


class Asked(NamedTuple):
    """An answer, with the decision and the limit of the request that brought it."""

    completion: Completion
    decision: ThinkingDecision
    limit: int
    """Most characters of conversation."""


async def complete(
    client: ModelClient,
    run: Run,
    agent: Agent,
    decision: ThinkingDecision,
    limit: int,
    options: CallOptions = CallOptions(),  # noqa: B008 (frozen)
) -> Asked:
    """Ask with at most `limit` characters of conversation.

    If that is too long for the model, ask again: first with a shorter thought, then with less
    conversation. Raises `ModelError`."""
    while True:
        try:
            completion = await client.complete(
                render(run.turns, agent, limit_chars=limit, gone=run.turns_gone > 0),
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
    asked: Asked,
    prices: Prices,
    options: CallOptions = CallOptions(),  # noqa: B008 (frozen)
    window: int = 0,
) -> ModelCall:
    completion = asked.completion
    return ModelCall(
        **vars(completion.usage),
        model=completion.model,
        decision=asked.decision,
        prompt_hash=completion.prompt_hash,
        context_chars=asked.limit,
        window=window,
        cost=prices.cost(completion.usage),
        margin=completion.margin,
        cache_salt=options.cache_salt,
        priority=options.priority,
    )
